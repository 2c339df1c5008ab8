"""Who a gateway is: an id that its database has for good, made with its tables."""

import sqlalchemy as sa

from gateway.db import metadata

_gateway = sa.Table(
    "gateway",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # one row, 1
    sa.Column("owner", sa.String(36), nullable=False),
)


def owner_id(connection: sa.Connection) -> str:
    """What this gateway makes in a cloud carries it, so that two gateways know their things apart.

    Raises sqlalchemy.exc.NoResultFound for a database that is not a gateway's."""
    return connection.execute(sa.select(_gateway.c.owner)).scalar_one()
