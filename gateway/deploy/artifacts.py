"""What was uploaded for servers: a row here, a file beside the database."""

import dataclasses
import pathlib
import time
import uuid

from gateway import errors
from gateway.db import Database
from gateway.deploy.model import Artifact
from gateway.deploy.tables import artifacts


class Artifacts:
    """The part of ``DeploymentStore`` that keeps them."""

    _database: Database
    _artifact_folder: pathlib.Path

    def add_artifact(self, artifact: Artifact) -> None:
        with self._database.write() as connection:
            connection.execute(artifacts.insert(), dataclasses.asdict(artifact))

    def lend_artifact(self, artifact: Artifact, project_id: str) -> Artifact:
        """The same content as another project's; it has each but once."""
        row = artifacts.c
        same = artifacts.select().where(row.project_id == project_id, row.sha256 == artifact.sha256)
        with self._database.read() as connection:
            found = connection.execute(same.limit(1)).mappings().first()
        if found is not None:
            return Artifact(**found)
        lent = dataclasses.replace(
            artifact, id=str(uuid.uuid4()), project_id=project_id, created_at=time.time()
        )
        self.artifact_path(lent.id).hardlink_to(self.artifact_path(artifact.id))
        self.add_artifact(lent)
        return lent

    def artifact_path(self, id: str) -> pathlib.Path:
        return self._artifact_folder / id

    def artifact(self, id: str, project_id: str) -> Artifact:
        """Raises NotFound, also for another project's."""
        with self._database.read() as connection:
            row = (
                connection.execute(
                    artifacts.select().where(artifacts.c.id == id, artifacts.c.project_id == project_id)
                )
                .mappings()
                .first()
            )
        if row is None:
            raise errors.NotFound("gateway.artifact.not_found", f"There is no artifact {id}.")
        return Artifact(**row)
