"""What platforms of the Open Service Broker API ask with."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade():
    op.add_column("services", sa.Column("platform", sa.JSON))
    op.add_column("bindings", sa.Column("platform", sa.JSON))
