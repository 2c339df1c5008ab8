"""The ways into servers that the gateway knows, kept until the server goes."""

import dataclasses

import sqlalchemy as sa

from gateway.db import Database
from gateway.deploy.model import Access, Trust
from gateway.deploy.tables import server_access
from gateway.vault import Vault


class Accesses:
    """The part of ``DeploymentStore`` that keeps them."""

    _database: Database
    _vault: Vault

    def save_access(self, access: Access) -> None:
        row = dataclasses.asdict(access)
        row["login_user"] = row.pop("user")
        row["private_key"] = self._vault.seal(access.private_key)
        with self._database.write() as connection:
            connection.execute(_access_of(server_access.delete(), access.project_id, access.server_id))
            connection.execute(server_access.insert(), row)

    def access(self, project_id: str, server_id: str) -> Access | None:
        with self._database.read() as connection:
            query = _access_of(server_access.select(), project_id, server_id)
            row = connection.execute(query).mappings().first()
        if row is None:
            return None
        kept = dict(row)
        kept["user"] = kept.pop("login_user")
        kept["private_key"] = self._vault.open(kept["private_key"])
        kept["trust"] = Trust(kept["trust"]) if kept["trust"] else None
        return Access(**kept)

    def login_user(self, project_id: str, server_id: str) -> str | None:
        """As whom the gateway logs in, where it knows."""
        with self._database.read() as connection:
            query = _access_of(sa.select(server_access.c.login_user), project_id, server_id)
            return connection.execute(query).scalar()

    def delete_access(self, project_id: str, server_id: str) -> None:
        with self._database.write() as connection:
            connection.execute(_access_of(server_access.delete(), project_id, server_id))


def _access_of(statement, project_id: str, server_id: str):
    return statement.where(server_access.c.project_id == project_id, server_access.c.server_id == server_id)
