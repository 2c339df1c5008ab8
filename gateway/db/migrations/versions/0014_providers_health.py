"""Instances that are providers of the broker's."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade():
    op.add_column("instances", sa.Column("provider", sa.String(64)))
