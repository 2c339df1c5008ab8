"""What the database keeps of deployments, artifacts and the ways into servers."""

import sqlalchemy as sa

from gateway.db import Sealed, metadata

_ID = sa.String(36)

artifacts = sa.Table(
    "artifacts",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("project_id", sa.String(64), nullable=False, index=True),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
)

#: ``live`` is the service's name until nothing is left of the deployment: a project has one of each.
#: ``epoch`` rises each time that an engine takes it (``gateway.deploy.claims``).
deployments = sa.Table(
    "deployments",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("live", sa.String(64)),
    sa.Column("request_id", sa.String(64), nullable=False),
    sa.Column("trust_id", sa.String(64)),
    sa.Column("retired_trusts", sa.JSON, nullable=False),
    sa.Column("release", sa.Integer, nullable=False),
    sa.Column("before", sa.Integer),
    sa.Column("status", sa.String(16), nullable=False, index=True),
    sa.Column("fault", sa.JSON(none_as_null=True)),
    sa.Column("flow_id", _ID),
    sa.Column("heals", sa.Boolean, nullable=False, index=True),
    sa.Column("epoch", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Index("ix_deployments_newest", "project_id", "created_at", "id"),
    sa.Index("uq_deployments_live", "project_id", "live", unique=True),
)


def _of_deployment(**options) -> sa.Column:
    return sa.Column("deployment_id", _ID, sa.ForeignKey("deployments.id", ondelete="CASCADE"), **options)


releases = sa.Table(
    "deployment_releases",
    metadata,
    _of_deployment(primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("folder", sa.String(80), nullable=False),
    sa.Column("spec", sa.JSON, nullable=False),
    sa.Column("secrets", Sealed, nullable=False),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("request_id", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("body", sa.String(64), nullable=False),
    sa.Column("deployment_id", _ID, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False, index=True),
)

steps = sa.Table(
    "deployment_steps",
    metadata,
    _of_deployment(primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(32), nullable=False),
    sa.Column("target", sa.Integer),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("started_at", sa.Double),
    sa.Column("finished_at", sa.Double),
)

targets = sa.Table(
    "deployment_targets",
    metadata,
    _of_deployment(primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("server_id", _ID),
    sa.Column("server_name", sa.String(255)),
    sa.Column("address", sa.String(64)),
    sa.Column("host_key", sa.Text),
    sa.Column("trust", sa.String(16)),
    sa.Column("instance", sa.String(255)),
    sa.Column("aim", sa.String(16), nullable=False),
    sa.Column("keys", Sealed),
)

server_access = sa.Table(
    "server_access",
    metadata,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("server_id", _ID, primary_key=True),
    sa.Column("deployment_id", _ID, index=True),
    sa.Column("login_user", sa.String(64), nullable=False),
    sa.Column("private_key", Sealed, nullable=False),
    sa.Column("host_key", sa.Text),
    sa.Column("trust", sa.String(16)),
)
