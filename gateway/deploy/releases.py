"""The releases of a deployment, with what is secret in them sealed."""

import dataclasses
import json

import sqlalchemy as sa

from gateway import errors
from gateway.db import Database
from gateway.deploy.model import Release, ReleaseState, Spec
from gateway.deploy.tables import releases
from gateway.vault import Vault

RELEASE_FIELDS = [releases.c[field.name] for field in dataclasses.fields(Release)]


class Releases:
    """The part of ``DeploymentStore`` that keeps them."""

    _database: Database
    _vault: Vault

    def releases(self, id: str) -> list[Release]:
        """Newest first."""
        with self._database.read() as connection:
            return read_releases(connection, id, sa.true())

    def folders(self, id: str, count: int) -> tuple[str, ...]:
        """Of the last ``count`` releases that differ, those that failed left out."""
        names = [r.folder for r in self.releases(id) if r.state is not ReleaseState.FAILED]
        return tuple(dict.fromkeys(names))[:count]

    def secrets(self, id: str, release: int) -> dict:
        with self._database.read() as connection:
            sealed = connection.scalar(
                sa.select(releases.c.secrets).where(
                    releases.c.deployment_id == id, releases.c.number == release
                )
            )
        if sealed is None:
            raise errors.NotFound("gateway.deployment.not_found", f"There is no deployment {id}.")
        return json.loads(self._vault.open(sealed))


def read_releases(connection: sa.Connection, id: str, condition: sa.ColumnElement) -> list[Release]:
    rows = connection.execute(
        sa.select(*RELEASE_FIELDS)
        .where(releases.c.deployment_id == id, condition)
        .order_by(releases.c.number.desc())
    ).mappings()
    return [read_release(row) for row in rows]


def read_release(row, prefix: str = "") -> Release:
    kept = {field.name: row[prefix + field.name] for field in dataclasses.fields(Release)}
    return Release(**{**kept, "spec": Spec.from_dict(kept["spec"]), "state": ReleaseState(kept["state"])})
