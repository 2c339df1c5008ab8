"""What in the cloud is this gateway's: its own id, its deployments, and the trusts that they need."""

import functools
import time

import sqlalchemy as sa

from gateway import errors
from gateway.db import Database
from gateway.db.owner import owner_id
from gateway.deploy.model import SETTLED
from gateway.deploy.sweep import Known
from gateway.deploy.tables import deployments, targets


class Ownership:
    """The part of ``DeploymentStore`` that keeps it."""

    _database: Database

    @functools.cached_property
    def owner(self) -> str:
        """The id of this gateway."""
        with self._database.read() as connection:
            return owner_id(connection)

    def known(self) -> Known:
        """All deployments, and their trusts, also those that wait to be deleted. Raises Conflict when the
        database is no longer this gateway's: a new one in its place, which knows none, must not be
        believed."""
        row = deployments.c
        with self._database.read() as connection:
            if owner_id(connection) != self.owner:
                raise errors.Conflict("gateway.database.changed", "The database is another gateway's now.")
            rows = connection.execute(sa.select(row.id, row.trust_id, row.retired_trusts)).all()
            settled = sa.select(targets.c.deployment_id, targets.c.server_id, targets.c.address)
            settled = settled.join(deployments).where(row.status.in_(SETTLED))
            used: dict[str, set[str]] = {}
            for id, *names in connection.execute(settled):
                used.setdefault(id, set()).update(names)
        trusts = (trust for _, current, retired in rows for trust in (current, *retired) if trust)
        return Known(frozenset(id for id, _, _ in rows), frozenset(trusts), used)

    def retire_trust(self, id: str) -> None:
        """Nothing is left that it is needed for: it only waits to be deleted."""
        row = deployments.c
        with self._database.write() as connection:
            kept = connection.execute(sa.select(row.trust_id, row.retired_trusts).where(row.id == id)).one()
            if kept.trust_id is not None:
                retired = sorted({*kept.retired_trusts, kept.trust_id})
                set_fields(connection, id, trust_id=None, retired_trusts=retired)

    def forget_retired_trusts(self, id: str) -> None:
        with self._database.write() as connection:
            set_fields(connection, id, retired_trusts=[])


def set_fields(connection: sa.Connection, id: str, **values) -> None:
    """Of a deployment's row."""
    changed = deployments.update().where(deployments.c.id == id)
    connection.execute(changed.values(updated_at=time.time(), **values))
