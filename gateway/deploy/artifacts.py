"""What was uploaded for servers: a row here, a file beside the database."""

import dataclasses
import pathlib

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
