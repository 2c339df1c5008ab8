"""Application credentials that the gateway keeps in place of trusts, their secrets sealed."""

import sqlalchemy as sa

from gateway.cloud.model import Grant
from gateway.db import Database, Sealed, metadata
from gateway.vault import Vault

_kept = sa.Table(
    "application_credentials",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),  # Keystone's
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("secret", Sealed, nullable=False),
)


class Credentials:
    """Threads and processes may share them."""

    def __init__(self, database: Database, vault: Vault):
        self._database = database
        self._vault = vault

    def add(self, id: str, user_id: str, secret: str) -> None:
        row = {"id": id, "user_id": user_id, "secret": self._vault.seal(secret)}
        with self._database.write() as connection:
            connection.execute(_kept.insert(), row)

    def secret(self, id: str) -> str | None:
        sealed = self._value(_kept.c.secret, id)
        return None if sealed is None else self._vault.open(sealed)

    def user_id(self, id: str) -> str | None:
        """Whose it is; None where ``id`` is not of one that is kept."""
        return self._value(_kept.c.user_id, id)

    def every(self) -> list[Grant]:
        with self._database.read() as connection:
            return [Grant(*row) for row in connection.execute(sa.select(_kept.c.id, _kept.c.user_id))]

    def remove(self, id: str) -> None:
        with self._database.write() as connection:
            connection.execute(_kept.delete().where(_kept.c.id == id))

    def _value(self, column: sa.Column, id: str) -> str | None:
        with self._database.read() as connection:
            return connection.execute(sa.select(column).where(_kept.c.id == id)).scalar()
