"""Deployments, artifacts and the ways into servers: their tables and SQL.

Private keys and secrets are sealed before they reach the database.
"""

import dataclasses
import functools
import json
import pathlib
import time
from collections.abc import Iterable

import sqlalchemy as sa

from gateway import errors
from gateway.db import Database, Sealed, metadata
from gateway.db.owner import owner_id
from gateway.deploy import guest, log
from gateway.deploy.model import (
    UNFINISHED,
    Access,
    Artifact,
    Deployment,
    Fault,
    LogLine,
    Spec,
    Status,
    Step,
    StepState,
    Target,
    Trust,
)
from gateway.vault import Vault

_ID = sa.String(36)

artifacts = sa.Table(
    "artifacts",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("project_id", sa.String(64), nullable=False, index=True),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
)

deployments = sa.Table(
    "deployments",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("project_id", sa.String(64), nullable=False, index=True),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("request_id", sa.String(64), nullable=False),
    sa.Column("trust_id", sa.String(64)),
    sa.Column("spec", sa.JSON, nullable=False),
    sa.Column("secrets", Sealed, nullable=False),
    sa.Column("status", sa.String(16), nullable=False, index=True),
    sa.Column("fault", sa.JSON(none_as_null=True)),
    sa.Column("flow_id", _ID),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
)


def _of_deployment(**options) -> sa.Column:
    return sa.Column("deployment_id", _ID, sa.ForeignKey("deployments.id", ondelete="CASCADE"), **options)


steps = sa.Table(
    "deployment_steps",
    metadata,
    _of_deployment(primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(32), nullable=False),
    sa.Column("target", sa.Integer),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("started_at", sa.Double),
    sa.Column("finished_at", sa.Double),
)

targets = sa.Table(
    "deployment_targets",
    metadata,
    _of_deployment(primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("server_id", _ID),
    sa.Column("server_name", sa.String(255)),
    sa.Column("address", sa.String(64)),
    sa.Column("host_key", sa.Text),
    sa.Column("trust", sa.String(16)),
    sa.Column("instance", sa.String(255)),
    sa.Column("keys", Sealed),
)

server_access = sa.Table(
    "server_access",
    metadata,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("server_id", _ID, primary_key=True),
    sa.Column("deployment_id", _ID, index=True),
    sa.Column("login_user", sa.String(64), nullable=False),
    sa.Column("private_key", Sealed, nullable=False),
    sa.Column("host_key", sa.Text),
    sa.Column("trust", sa.String(16)),
)

_STEP_FIELDS = [steps.c[field.name] for field in dataclasses.fields(Step)]
_TARGET_FIELDS = [targets.c[field.name] for field in dataclasses.fields(Target)]


class DeploymentStore:
    """Safe to share between threads; every method is one transaction."""

    def __init__(self, database: Database, vault: Vault, artifact_folder: pathlib.Path):
        self._database = database
        self._vault = vault
        self._artifact_folder = artifact_folder

    @functools.cached_property
    def owner(self) -> str:
        """The id of this gateway."""
        with self._database.read() as connection:
            return owner_id(connection)

    # Deployments

    def add(self, deployment: Deployment, secrets: dict) -> None:
        """``secrets``: {"env": {name: value}, "private_key": PEM or absent}."""
        row = {field.name: getattr(deployment, field.name) for field in dataclasses.fields(deployment)}
        row.update(
            spec=dataclasses.asdict(deployment.spec),
            fault=None,
            secrets=self._vault.seal(json.dumps(secrets)),
        )
        kept_steps, kept_targets = row.pop("steps"), row.pop("targets")
        with self._database.write() as connection:
            connection.execute(deployments.insert(), row)
            connection.execute(
                steps.insert(),
                [
                    {"deployment_id": deployment.id, "position": position, **dataclasses.asdict(step)}
                    for position, step in enumerate(kept_steps)
                ],
            )
            connection.execute(
                targets.insert(),
                [{"deployment_id": deployment.id, **dataclasses.asdict(target)} for target in kept_targets],
            )
            log.tell_status(connection, deployment.id, deployment.status)

    def deployment(self, id: str, project_id: str | None = None) -> Deployment:
        """With its steps and targets. ``project_id`` None: the engine asks. Raises NotFound."""
        with self._database.read() as connection:
            row = connection.execute(deployments.select().where(deployments.c.id == id)).mappings().first()
            if row is None or project_id not in (None, row["project_id"]):
                raise _no_deployment(id)
            step_rows = connection.execute(
                sa.select(*_STEP_FIELDS).where(steps.c.deployment_id == id).order_by(steps.c.position)
            ).mappings()
            target_rows = connection.execute(
                sa.select(*_TARGET_FIELDS).where(targets.c.deployment_id == id).order_by(targets.c.number)
            ).mappings()
            return dataclasses.replace(
                _deployment(row), steps=tuple(map(_step, step_rows)), targets=tuple(map(_target, target_rows))
            )

    def deployments(self, project_id: str, limit: int, marker: str | None = None) -> list[Deployment]:
        """Newest first, without steps and targets. Raises Invalid for a marker that is not there."""
        query = deployments.select().where(deployments.c.project_id == project_id)
        order = sa.tuple_(deployments.c.created_at, deployments.c.id)
        with self._database.read() as connection:
            if marker is not None:
                at = connection.execute(
                    sa.select(deployments.c.created_at).where(
                        deployments.c.id == marker, deployments.c.project_id == project_id
                    )
                ).scalar()
                if at is None:
                    raise errors.Invalid(
                        "gateway.request.marker", f"marker: there is no deployment {marker}.", field="marker"
                    )
                query = query.where(order < sa.tuple_(sa.literal(at), sa.literal(marker)))
            rows = connection.execute(
                query.order_by(deployments.c.created_at.desc(), deployments.c.id.desc()).limit(limit)
            ).mappings()
            return [_deployment(row) for row in rows]

    def every_deployment(self, project_id: str | None = None) -> list[Deployment]:
        """Of all projects or one, newest first, without steps and targets: the operator asks."""
        query = deployments.select().order_by(deployments.c.created_at.desc(), deployments.c.id.desc())
        if project_id is not None:
            query = query.where(deployments.c.project_id == project_id)
        with self._database.read() as connection:
            return [_deployment(row) for row in connection.execute(query).mappings()]

    def known(self) -> set[str]:
        """The ids of all deployments. Raises Conflict when the database is no longer this gateway's: a new
        one in its place, which knows none, must not be believed."""
        with self._database.read() as connection:
            if owner_id(connection) != self.owner:
                raise errors.Conflict("gateway.database.changed", "The database is another gateway's now.")
            return set(connection.execute(sa.select(deployments.c.id)).scalars())

    def unfinished(self) -> list[tuple[str, Status]]:
        """What an engine has to work on, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(
                sa.select(deployments.c.id, deployments.c.status)
                .where(deployments.c.status.in_(UNFINISHED))
                .order_by(deployments.c.created_at)
            )
            return [(row.id, Status(row.status)) for row in rows]

    def status(self, id: str) -> Status:
        with self._database.read() as connection:
            found = connection.execute(sa.select(deployments.c.status).where(deployments.c.id == id)).scalar()
        if found is None:
            raise _no_deployment(id)
        return Status(found)

    def secrets(self, id: str) -> dict:
        with self._database.read() as connection:
            sealed = connection.execute(
                sa.select(deployments.c.secrets).where(deployments.c.id == id)
            ).scalar()
        if sealed is None:
            raise _no_deployment(id)
        return json.loads(self._vault.open(sealed))

    def move(self, id: str, to: Status, since: Iterable[Status]) -> bool:
        """Changes the status if it is one of ``since``; tells whether it did."""
        with self._database.write() as connection:
            done = connection.execute(
                deployments.update()
                .where(deployments.c.id == id, deployments.c.status.in_(tuple(since)))
                .values(status=to, updated_at=time.time())
            )
            if done.rowcount == 1:
                log.tell_status(connection, id, to)
            return done.rowcount == 1

    def set_flow(self, id: str, flow_id: str | None) -> None:
        self._update(id, flow_id=flow_id)

    def set_fault(self, id: str, fault: Fault) -> None:
        """The first fault stays."""
        with self._database.write() as connection:
            connection.execute(
                deployments.update()
                .where(deployments.c.id == id, deployments.c.fault.is_(None))
                .values(fault=dataclasses.asdict(fault), updated_at=time.time())
            )

    def forget_trust(self, id: str) -> None:
        self._update(id, trust_id=None)

    def _update(self, id: str, **values) -> None:
        with self._database.write() as connection:
            connection.execute(
                deployments.update().where(deployments.c.id == id).values(updated_at=time.time(), **values)
            )

    def remove(self, id: str) -> None:
        with self._database.write() as connection:
            connection.execute(server_access.delete().where(server_access.c.deployment_id == id))
            connection.execute(deployments.delete().where(deployments.c.id == id))

    # Steps, targets and the log

    def set_step(self, id: str, name: str, target: int | None, **values) -> None:
        with self._database.write() as connection:
            connection.execute(
                steps.update()
                .where(
                    steps.c.deployment_id == id,
                    steps.c.name == name,
                    steps.c.target.is_not_distinct_from(target),
                )
                .values(**values)
            )
            if "state" in values:
                log.tell_step(connection, id, name, target, values["state"], values.get("detail", ""))

    def close_steps(self, id: str) -> None:
        """Once all is taken back: no step that was done, or was being reverted, still stands."""
        standing = sa.and_(
            steps.c.deployment_id == id,
            steps.c.state.in_([StepState.DONE, StepState.RUNNING, StepState.REVERTING]),
        )
        with self._database.write() as connection:
            closed = connection.execute(
                sa.select(steps.c.name, steps.c.target).where(standing).order_by(steps.c.position)
            ).all()
            connection.execute(steps.update().where(standing).values(state=StepState.REVERTED))
            for name, target in closed:
                log.tell_step(connection, id, name, target, StepState.REVERTED)

    def target(self, id: str, number: int) -> Target:
        with self._database.read() as connection:
            row = (
                connection.execute(
                    sa.select(*_TARGET_FIELDS).where(
                        targets.c.deployment_id == id, targets.c.number == number
                    )
                )
                .mappings()
                .one()
            )
            return _target(row)

    def set_target(self, id: str, number: int, **values) -> None:
        with self._database.write() as connection:
            connection.execute(
                targets.update()
                .where(targets.c.deployment_id == id, targets.c.number == number)
                .values(**values)
            )

    def target_keys(self, id: str, number: int) -> tuple[guest.KeyPair, guest.KeyPair]:
        """The host and login key of a server to be booted; made once, and the same after a crash."""
        where = (targets.c.deployment_id == id, targets.c.number == number)
        with self._database.write() as connection:
            sealed = connection.execute(sa.select(targets.c["keys"]).where(*where)).scalar()
            if sealed is None:
                pairs = [guest.key_pair(), guest.key_pair()]
                sealed = self._vault.seal(json.dumps([dataclasses.asdict(pair) for pair in pairs]))
                connection.execute(targets.update().where(*where).values(keys=sealed))
        host, login = json.loads(self._vault.open(sealed))
        return guest.KeyPair(**host), guest.KeyPair(**login)

    def write_log(self, id: str, step: str, target: int | None, text: str) -> None:
        with self._database.write() as connection:
            log.write(connection, id, step, target, text)

    def read_log(self, id: str, limit: int | None = None, marker: int = 0) -> list[LogLine]:
        """What was printed, after the line ``marker``."""
        with self._database.read() as connection:
            return log.lines(connection, id, limit, marker)

    def follow_log(self, id: str, after: int, limit: int) -> tuple[Deployment, list[LogLine]]:
        """Also the changes of steps and of the status; if the deployment, which is read first, has ended,
        then nothing follows the last of them. Raises NotFound."""
        deployment = self.deployment(id)
        with self._database.read() as connection:
            return deployment, log.everything(connection, id, after, limit)

    def log_ends(self, ids: Iterable[str]) -> dict[str, int]:
        """The id of the last entry of each deployment that is there."""
        with self._database.read() as connection:
            return log.ends(connection, ids)

    # Ways into servers

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

    def delete_access(self, project_id: str, server_id: str) -> None:
        with self._database.write() as connection:
            connection.execute(_access_of(server_access.delete(), project_id, server_id))

    # Artifacts

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


def _access_of(statement, project_id: str, server_id: str):
    return statement.where(server_access.c.project_id == project_id, server_access.c.server_id == server_id)


def _no_deployment(id: str) -> errors.NotFound:
    return errors.NotFound("gateway.deployment.not_found", f"There is no deployment {id}.")


def _deployment(row) -> Deployment:
    kept = {field.name: row[field.name] for field in dataclasses.fields(Deployment) if field.name in row}
    kept["spec"] = Spec.from_dict(row["spec"])
    kept["status"] = Status(row["status"])
    kept["fault"] = Fault(**row["fault"]) if row["fault"] else None
    return Deployment(**kept)


def _step(row) -> Step:
    return Step(**{**row, "state": StepState(row["state"])})


def _target(row) -> Target:
    return Target(**{**row, "trust": Trust(row["trust"]) if row["trust"] else None})
