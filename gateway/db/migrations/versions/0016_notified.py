"""How far OpenStack's notifications have come, so that another monitor goes on from there."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade():
    op.create_table(
        "notified",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("index", sa.BigInteger, nullable=False),
    )
