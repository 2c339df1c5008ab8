"""How often an engine has taken a deployment."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade():
    op.add_column("deployments", sa.Column("epoch", sa.Integer, nullable=False, server_default="0"))
