"""How large services are."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade():
    op.add_column("services", sa.Column("size", sa.BigInteger))
