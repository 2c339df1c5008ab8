"""Readings, heartbeats, and what the brake holds."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_KEY = (("project_id", sa.String(64)), ("type", sa.String(128)), ("ordinal", sa.Integer))


def _key():
    return [sa.Column(name, kind, primary_key=True, autoincrement=False) for name, kind in _KEY]


def upgrade():
    op.add_column("instances", sa.Column("held", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "readings",  # a ring of the last ones of each instance
        *_key(),
        sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("ok", sa.Boolean, nullable=False),
        sa.Column("output", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("latency", sa.Double, nullable=False),
    )
    op.create_table(
        "heartbeats",  # the last one of each instance that has told any
        *_key(),
        sa.Column("ok", sa.Boolean, nullable=False),
        sa.Column("output", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False, index=True),
    )
