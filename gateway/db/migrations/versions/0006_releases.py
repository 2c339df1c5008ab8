"""A deployment has releases: the wish moves into them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_ID = sa.String(36)
_GONE = "failed"


def upgrade():
    releases = op.create_table(
        "deployment_releases",
        sa.Column(
            "deployment_id", _ID, sa.ForeignKey("deployments.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("folder", sa.String(80), nullable=False),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("secrets", sa.Text, nullable=False),  # sealed JSON
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("project_id", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("body", sa.String(64), nullable=False),  # SHA-256
        sa.Column("deployment_id", _ID, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False, index=True),
    )
    # No batch_alter_table: SQLite would delete what refers to the table that it makes anew.
    op.add_column("deployments", sa.Column("live", sa.String(64)))
    op.add_column("deployments", sa.Column("retired_trusts", sa.JSON, nullable=False, server_default="[]"))
    op.add_column("deployments", sa.Column("release", sa.Integer, nullable=False, server_default="1"))
    op.add_column("deployments", sa.Column("before", sa.Integer))
    op.add_column("deployments", sa.Column("heals", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("deployment_targets", sa.Column("aim", sa.String(16), nullable=False, server_default="add"))
    _move(op.get_bind(), releases)
    for column in ("spec", "secrets", "user_id"):
        op.drop_column("deployments", column)
    op.create_index("ix_deployments_heals", "deployments", ["heals"])
    op.create_index("uq_deployments_live", "deployments", ["project_id", "live"], unique=True)


def _move(connection, releases):
    deployments = sa.table(
        "deployments",
        sa.column("id"),
        sa.column("project_id"),
        sa.column("spec", sa.JSON),
        sa.column("secrets"),
        sa.column("user_id"),
        sa.column("request_id"),
        sa.column("status"),
        sa.column("created_at"),
        sa.column("live"),
    )
    targets = sa.table("deployment_targets", sa.column("deployment_id"), sa.column("aim"))
    states = {"succeeded": "current", _GONE: "failed"}
    taken = set()
    for row in connection.execute(deployments.select().order_by(sa.column("created_at").desc())).mappings():
        spec = row["spec"]
        connection.execute(
            releases.insert(),
            {
                "deployment_id": row["id"],
                "number": 1,
                "folder": f"{spec['version']}-{row['id'][:8]}",
                "state": states.get(row["status"], "deploying"),
                **{name: row[name] for name in ("spec", "secrets", "user_id", "request_id", "created_at")},
            },
        )
        name = (row["project_id"], spec["service"])
        if row["status"] != _GONE and name not in taken:
            taken.add(name)  # of several of one service, the newest is the one that new releases follow
            connection.execute(
                deployments.update().where(deployments.c.id == row["id"]).values(live=spec["service"])
            )
        if row["status"] == "succeeded":
            connection.execute(
                targets.update().where(targets.c.deployment_id == row["id"]).values(aim="keep")
            )
