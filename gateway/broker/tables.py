"""The tables of the broker."""

import dataclasses
from typing import Any

import sqlalchemy as sa

from gateway.broker.model import Limits, Offers, Plan
from gateway.db import Sealed, metadata


class _Offers(sa.TypeDecorator):
    impl = sa.JSON
    cache_ok = True

    def process_bind_param(self, value: Offers, dialect: sa.Dialect) -> dict[str, Any]:
        return {
            type: {name: dataclasses.asdict(plan) for name, plan in plans.items()}
            for type, plans in value.items()
        }

    def process_result_value(self, value: dict[str, Any], dialect: sa.Dialect) -> Offers:
        return {type: {name: _plan(plan) for name, plan in plans.items()} for type, plans in value.items()}


def _plan(value: dict[str, Any]) -> Plan:
    return Plan(**{**value, "limits": Limits(**value["limits"])})


providers = sa.Table(
    "providers",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("type", sa.String(32), nullable=False),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("url", sa.String(1024), nullable=False),
    sa.Column("username", sa.String(64), nullable=False),
    sa.Column("password", Sealed, nullable=False),
    sa.Column("ca", sa.Text),
    sa.Column("offers", _Offers, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
)
services = sa.Table(
    "services",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("type", sa.String(64), nullable=False),
    sa.Column("provider", sa.String(64), sa.ForeignKey("providers.name"), nullable=False, index=True),
    sa.Column("plan", sa.String(64), nullable=False),
    sa.Column("in_force", sa.String(64)),
    sa.Column("status", sa.String(16), nullable=False, index=True),
    sa.Column("fault", sa.JSON(none_as_null=True)),
    sa.Column("operation", sa.Text),
    sa.Column("size", sa.BigInteger),
    sa.Column("platform", sa.JSON(none_as_null=True)),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Index("uq_services_name", "project_id", "name", unique=True),
)
bindings = sa.Table(
    "bindings",
    metadata,
    sa.Column(
        "service_id", sa.String(16), sa.ForeignKey("services.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("id", sa.String(8), primary_key=True),
    sa.Column("password", Sealed, nullable=False),
    sa.Column("credentials", Sealed),
    sa.Column("status", sa.String(16), nullable=False, index=True),
    sa.Column("fault", sa.JSON(none_as_null=True)),
    sa.Column("operation", sa.Text),
    sa.Column("platform", sa.JSON(none_as_null=True)),
    sa.Column("created_at", sa.Double, nullable=False),
)
rotations = sa.Table(
    "rotations",
    metadata,
    sa.Column(
        "service_id", sa.String(16), sa.ForeignKey("services.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("successor", sa.String(8), nullable=False),
    sa.Column("replaces", sa.JSON, nullable=False),
    sa.Column("status", sa.String(16), nullable=False, index=True),
    sa.Column("fault", sa.JSON(none_as_null=True)),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("request_id", sa.String(64), nullable=False),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
)
