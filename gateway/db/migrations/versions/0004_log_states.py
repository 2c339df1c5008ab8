"""The log of a deployment tells the states of its steps and its own, too."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade():
    with op.batch_alter_table("deployment_log") as batch:
        batch.add_column(sa.Column("state", sa.String(16)))
        batch.alter_column("step", existing_type=sa.String(32), nullable=True)
