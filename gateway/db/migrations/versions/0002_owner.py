"""A gateway has an id of its own, which its marks in OpenStack carry."""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    gateway = op.create_table(
        "gateway",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("owner", sa.String(36), nullable=False),
    )
    op.bulk_insert(gateway, [{"id": 1, "owner": str(uuid.uuid4())}])
