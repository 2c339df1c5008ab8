"""Instances have tags, a reason for their maintenance, and the index of their last change."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade():
    op.add_column("instances", sa.Column("tags", sa.JSON, nullable=False, server_default=sa.text("'[]'")))
    op.add_column("instances", sa.Column("reason", sa.String(255), nullable=False, server_default=""))
    op.add_column("instances", sa.Column("index", sa.BigInteger, nullable=False, server_default="0"))
    op.create_index("ix_instances_index", "instances", ["index"])
