"""A signing key says until when its tokens are valid."""

import time

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_LONGEST_BEFORE = 365 * 86400  # seconds that signatures were valid by default


def upgrade():
    op.add_column("signing_keys", sa.Column("tokens_until", sa.Double, nullable=False, server_default="0"))
    keys = sa.table("signing_keys", sa.column("tokens_until", sa.Double))
    op.execute(keys.update().values(tokens_until=time.time() + _LONGEST_BEFORE))
