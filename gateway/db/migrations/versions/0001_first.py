"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.String(36)
_TIME = sa.Double


def upgrade():
    op.create_table(
        "artifacts",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("project_id", sa.String(64), nullable=False, index=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
    )
    op.create_table(
        "deployments",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("project_id", sa.String(64), nullable=False, index=True),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("trust_id", sa.String(64)),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("secrets", sa.Text, nullable=False),  # sealed JSON
        sa.Column("status", sa.String(16), nullable=False, index=True),
        sa.Column("fault", sa.JSON),
        sa.Column("flow_id", _ID),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
    )
    op.create_table(
        "deployment_steps",
        sa.Column(
            "deployment_id", _ID, sa.ForeignKey("deployments.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("target", sa.Integer),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("finished_at", _TIME),
    )
    op.create_table(
        "deployment_targets",
        sa.Column(
            "deployment_id", _ID, sa.ForeignKey("deployments.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("server_id", _ID),
        sa.Column("server_name", sa.String(255)),
        sa.Column("address", sa.String(64)),
        sa.Column("host_key", sa.Text),
        sa.Column("trust", sa.String(16)),
        sa.Column("instance", sa.String(255)),
        sa.Column("keys", sa.Text),  # sealed; host and login key, made before the server is
    )
    op.create_table(
        "deployment_log",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column(
            "deployment_id",
            _ID,
            sa.ForeignKey("deployments.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("step", sa.String(32), nullable=False),
        sa.Column("target", sa.Integer),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_table(
        "server_access",
        sa.Column("project_id", sa.String(64), primary_key=True),
        sa.Column("server_id", _ID, primary_key=True),
        sa.Column("deployment_id", _ID, index=True),
        sa.Column("login_user", sa.String(64), nullable=False),
        sa.Column("private_key", sa.Text, nullable=False),  # sealed
        sa.Column("host_key", sa.Text),
        sa.Column("trust", sa.String(16)),
    )
    op.create_table(
        "instances",
        sa.Column("project_id", sa.String(64), primary_key=True),
        sa.Column("type", sa.String(128), primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("proto", sa.String(8), nullable=False),
        sa.Column("host", sa.String(64), nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("http_port", sa.Integer, nullable=False),
        sa.Column("https_port", sa.Integer, nullable=False),
        sa.Column("routes", sa.JSON, nullable=False),
        sa.Column("check", sa.JSON, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("streak", sa.Integer, nullable=False),
        sa.Column("output", sa.Text, nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("weight", sa.Integer, nullable=False),
        sa.Column("signature", sa.Text, nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("deployment_id", _ID),
        sa.Column("server_id", _ID),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Index("ix_instances_address", "project_id", "host", "port"),
        sa.Index("ix_instances_deployment", "deployment_id"),
    )
    op.create_table(
        "instance_ordinals",  # the next number of each type: none is used twice while the type lives
        sa.Column("project_id", sa.String(64), primary_key=True),
        sa.Column("type", sa.String(128), primary_key=True),
        sa.Column("next", sa.Integer, nullable=False),
    )
    last_change = op.create_table(
        "last_change",  # one row, locked by every change: indexes have no gaps and commit in their order
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("index", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(last_change, [{"id": 1, "index": 0}])
    op.create_table(
        "changes",
        sa.Column("index", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("type", sa.String(128), nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("change", sa.String(16), nullable=False),
    )
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String(64), primary_key=True),
        sa.Column("private_key", sa.Text, nullable=False),  # sealed
        sa.Column("created_at", _TIME, nullable=False),
    )
