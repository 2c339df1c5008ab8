"""Which of the broker's bindings deployments run with: found by the service. A binding is in use by the
release that is wanted, and by the one before it until that has succeeded."""

import dataclasses
from collections.abc import Iterable

import sqlalchemy as sa

from gateway.db import metadata
from gateway.deploy.model import Bound, Status
from gateway.deploy.tables import deployments, releases

_bound = sa.Table(
    "deployment_bindings",
    metadata,
    sa.Column("deployment_id", sa.String(36), primary_key=True),
    sa.Column("release", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("service_id", sa.String(16), primary_key=True, index=True),
    sa.Column("binding_id", sa.String(8), nullable=False),
    sa.ForeignKeyConstraint(
        ["deployment_id", "release"],
        [releases.c.deployment_id, releases.c.number],
        name="fk_deployment_bindings_release",
        ondelete="CASCADE",
    ),
)


@dataclasses.dataclass(frozen=True)
class Use:
    """A deployment runs, or is to run, with a binding of a service."""

    deployment_id: str
    service: str  # what is deployed
    status: Status
    request_id: str  # of the call that caused what is being done, or was last
    binding_id: str

    def __str__(self) -> str:
        return f"the deployment {self.service} ({self.deployment_id})"


def insert(connection: sa.Connection, deployment_id: str, release: int, bind: Iterable[Bound]) -> None:
    """Of a new release."""
    whole = {"deployment_id": deployment_id, "release": release}
    if rows := [whole | {"service_id": each.service_id, "binding_id": each.binding_id} for each in bind]:
        connection.execute(_bound.insert(), rows)


def uses(connection: sa.Connection, service_id: str) -> list[Use]:
    """By the name of what is deployed; with two bindings it is there twice."""
    row = deployments.c
    of_it = (_bound.c.deployment_id == row.id, _bound.c.release.in_([row.release, row.before]))
    query = (
        sa.select(row.id, row.live, row.status, row.request_id, _bound.c.binding_id)
        .where(_bound.c.service_id == service_id, *of_it, row.live.is_not(None))
        .distinct()
        .order_by(row.live, _bound.c.binding_id)
    )
    return [
        Use(id, service, Status(status), request_id, binding_id)
        for id, service, status, request_id, binding_id in connection.execute(query)
    ]
