"""Deployments, their releases, steps, targets and logs: the SQL. Private keys and secrets are sealed before
they reach the database."""

import dataclasses
import json
import pathlib
import time
from collections.abc import Callable, Iterable

import sqlalchemy as sa

from gateway import errors
from gateway.db import Database
from gateway.deploy import bound, log
from gateway.deploy.access import Accesses
from gateway.deploy.artifacts import Artifacts
from gateway.deploy.claims import Claims
from gateway.deploy.model import (
    SETTLED,
    UNFINISHED,
    Aim,
    Deployment,
    Fault,
    IdempotencyKey,
    LogLine,
    Release,
    ReleaseState,
    Status,
)
from gateway.deploy.ownership import Ownership, set_fields
from gateway.deploy.progress import STEP_FIELDS, TARGET_FIELDS, Progress, of_target, read_step, read_target
from gateway.deploy.releases import RELEASE_FIELDS, Releases, read_release, read_releases
from gateway.deploy.tables import deployments, idempotency_keys, releases, server_access, steps, targets
from gateway.vault import Vault

_NEWEST = (
    sa.select(deployments, *[column.label(f"_{column.name}") for column in RELEASE_FIELDS])
    .join(
        releases,
        sa.and_(releases.c.deployment_id == deployments.c.id, releases.c.number == deployments.c.release),
    )
    .order_by(deployments.c.created_at.desc(), deployments.c.id.desc())
)
_KEY_LIFETIME = 86400.0  # seconds in which an Idempotency-Key means the same call


class DeploymentStore(Releases, Progress, Accesses, Artifacts, Ownership, Claims):
    """Safe to share between threads; every method is one transaction. ``hold``, of a service and a binding,
    is called in that which stores a release: what it binds stays until the end, or is gone (Conflict)."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        artifact_folder: pathlib.Path,
        hold: Callable[[sa.Connection, str, str], None] = lambda connection, service_id, binding_id: None,
    ):
        self._database = database
        self.commits = database.commits
        self._vault = vault
        self._artifact_folder = artifact_folder
        self._hold = hold

    # What is asked for

    def add(self, deployment: Deployment, secrets: dict, key: IdempotencyKey | None = None) -> None:
        """``secrets``: {"env": {name: value}, "private_key": PEM or absent}. Raises oslo.db's
        DBDuplicateEntry when the project has a live deployment of the service, or has used the key."""
        with self._database.write() as connection:
            self.insert(connection, deployment, secrets)
            _insert_key(connection, deployment, key)

    def insert(self, connection: sa.Connection, deployment: Deployment, secrets: dict) -> None:
        """``add`` in a transaction that does more."""
        values = {
            "id": deployment.id,
            "project_id": deployment.project_id,
            "live": deployment.spec.service,
            "retired_trusts": [],
            "before": None,
            "created_at": deployment.created_at,
            **self._begun(deployment),
        }
        connection.execute(deployments.insert(), values)
        self._insert_plan(connection, deployment, secrets)
        log.tell_status(connection, deployment.id, deployment.status)

    def begin(self, deployment: Deployment, secrets: dict | None, key: IdempotencyKey | None = None) -> bool:
        """What follows in a service that runs: ``deployment`` as it is to become, ``secrets`` of its release,
        None where that is no new one. False when something else has begun meanwhile, and nothing is changed.
        Raises DBDuplicateEntry when the project has used the key."""
        row = deployments.c
        with self._database.write() as connection:
            trusts = connection.execute(
                sa.select(row.trust_id, row.retired_trusts).where(
                    row.id == deployment.id, row.status.in_(SETTLED), row.release == deployment.before.number
                )
            ).first()
            if trusts is None:
                return False
            retired = {*trusts.retired_trusts, trusts.trust_id} - {deployment.trust_id}
            connection.execute(
                deployments.update()
                .where(row.id == deployment.id)
                .values(
                    before=deployment.before.number,
                    retired_trusts=sorted(retired),
                    fault=None,
                    flow_id=None,
                    **self._begun(deployment),
                )
            )
            connection.execute(steps.delete().where(steps.c.deployment_id == deployment.id))
            self._insert_plan(connection, deployment, secrets)
            log.tell_status(connection, deployment.id, deployment.status)
            _insert_key(connection, deployment, key)
            return True

    def _begun(self, deployment: Deployment) -> dict:
        return {
            "request_id": deployment.request_id,
            "trust_id": deployment.trust_id,
            "release": deployment.release.number,
            "status": deployment.status,
            "heals": deployment.spec.heal is not None,
            "updated_at": deployment.updated_at,
        }

    def _insert_plan(self, connection: sa.Connection, deployment: Deployment, secrets: dict | None) -> None:
        """The release, if it is a new one, the steps, the targets that are new and the aims of the others."""
        if secrets is not None:
            row = dataclasses.asdict(deployment.release) | {"secrets": self._vault.seal(json.dumps(secrets))}
            for each in deployment.spec.bind:
                self._hold(connection, each.service_id, each.binding_id)
            connection.execute(releases.insert(), {"deployment_id": deployment.id, **row})
            bound.insert(connection, deployment.id, deployment.release.number, deployment.spec.bind)
        connection.execute(
            steps.insert(),
            [
                {"deployment_id": deployment.id, "position": position, **dataclasses.asdict(step)}
                for position, step in enumerate(deployment.steps)
            ],
        )
        known = set(
            connection.scalars(sa.select(targets.c.number).where(targets.c.deployment_id == deployment.id))
        )
        for target in deployment.targets:
            if target.number in known:
                connection.execute(
                    of_target(targets.update(), deployment.id, target.number).values(aim=target.aim)
                )
            else:
                connection.execute(
                    targets.insert(), {"deployment_id": deployment.id, **dataclasses.asdict(target)}
                )

    def idempotency_key(self, project_id: str, key: str) -> IdempotencyKey | None:
        with self._database.read() as connection:
            row = connection.execute(
                idempotency_keys.select().where(
                    idempotency_keys.c.project_id == project_id,
                    idempotency_keys.c.key == key,
                    idempotency_keys.c.created_at > time.time() - _KEY_LIFETIME,
                )
            ).first()
        return IdempotencyKey(row.key, row.body, row.deployment_id) if row else None

    # What there is

    def deployment(self, id: str, project_id: str | None = None) -> Deployment:
        """With its steps and targets. ``project_id`` None: the engine asks. Raises NotFound."""
        with self._database.read() as connection:
            row = connection.execute(deployments.select().where(deployments.c.id == id)).mappings().first()
            if row is None or project_id not in (None, row["project_id"]):
                raise _no_deployment(id)
            wanted = {
                release.number: release
                for release in read_releases(
                    connection, id, releases.c.number.in_([row["release"], row["before"]])
                )
            }
            step_rows = connection.execute(
                sa.select(*STEP_FIELDS).where(steps.c.deployment_id == id).order_by(steps.c.position)
            ).mappings()
            target_rows = connection.execute(
                sa.select(*TARGET_FIELDS).where(targets.c.deployment_id == id).order_by(targets.c.number)
            ).mappings()
            return dataclasses.replace(
                _deployment(row, wanted[row["release"]]),
                before=wanted.get(row["before"]),
                steps=tuple(map(read_step, step_rows)),
                targets=tuple(map(read_target, target_rows)),
            )

    def live(self, project_id: str, service: str) -> Deployment | None:
        """The project's deployment of that service, unless nothing is left of it."""
        with self._database.read() as connection:
            id = connection.scalar(
                sa.select(deployments.c.id).where(
                    deployments.c.project_id == project_id, deployments.c.live == service
                )
            )
        return self.deployment(id) if id else None

    def deployments(self, project_id: str, limit: int, marker: str | None = None) -> list[Deployment]:
        """Newest first, without steps and targets. Raises Invalid for a marker that is not there."""
        order = sa.tuple_(deployments.c.created_at, deployments.c.id)
        query = _NEWEST.where(deployments.c.project_id == project_id)
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
            rows = connection.execute(query.limit(limit)).mappings()
            return [_deployment(row, read_release(row, "_")) for row in rows]

    def uses(self, service_id: str) -> list[bound.Use]:
        """Of a service of the broker's."""
        with self._database.read() as connection:
            return bound.uses(connection, service_id)

    def every_deployment(self, project_id: str | None = None) -> list[Deployment]:
        """Of all projects or one, newest first, without steps and targets: the operator asks."""
        query = _NEWEST if project_id is None else _NEWEST.where(deployments.c.project_id == project_id)
        with self._database.read() as connection:
            return [_deployment(row, read_release(row, "_")) for row in connection.execute(query).mappings()]

    def follow_log(self, id: str, after: int, limit: int) -> tuple[Deployment, list[LogLine]]:
        """Also the changes of steps and of the status; if the deployment, which is read first, has ended,
        then nothing follows the last of them. Raises NotFound."""
        deployment = self.deployment(id)
        with self._database.read() as connection:
            return deployment, log.everything(connection, id, after, limit)

    def unfinished(self) -> list[str]:
        """What an engine has to work on, oldest first."""
        with self._database.read() as connection:
            return list(
                connection.scalars(
                    sa.select(deployments.c.id)
                    .where(deployments.c.status.in_(UNFINISHED))
                    .order_by(deployments.c.updated_at)
                )
            )

    def to_be_healed(self) -> list[tuple[str, str | None]]:
        """The servers of those that run and want dead ones replaced, each after its deployment's id."""
        asked = sa.and_(deployments.c.heals.is_(True), deployments.c.status.in_(SETTLED))
        servers = sa.select(targets.c.deployment_id, targets.c.server_id).join(deployments).where(asked)
        with self._database.read() as connection:
            return connection.execute(servers).tuples().all()

    def status(self, id: str) -> Status:
        with self._database.read() as connection:
            found = connection.execute(sa.select(deployments.c.status).where(deployments.c.id == id)).scalar()
        if found is None:
            raise _no_deployment(id)
        return Status(found)

    # How it goes on

    def move(self, id: str, to: Status, since: Iterable[Status]) -> bool:
        """Changes the status if it is one of ``since``; tells whether it did."""
        with self._database.write() as connection:
            return _move(connection, id, to, since)

    def succeed(self, id: str, keep: int) -> bool:
        """FINISHING → SUCCEEDED: the release is the current one, and of those before it ``keep`` are kept."""
        with self._database.write() as connection:
            if not _move(connection, id, Status.SUCCEEDED, [Status.FINISHING], before=None):
                return False
            _settle(connection, id, Aim.REMOVE, ReleaseState.CURRENT)
            numbers = sa.select(releases.c.number).where(releases.c.deployment_id == id)
            kept = connection.scalars(numbers.order_by(releases.c.number.desc()).limit(keep)).all()
            connection.execute(
                releases.delete().where(releases.c.deployment_id == id, releases.c.number < min(kept))
            )
            return True

    def roll_back(self, id: str) -> None:
        """REVERTING → ROLLED_BACK: the release before is the current one again."""
        with self._database.write() as connection:
            before = connection.scalar(sa.select(deployments.c.before).where(deployments.c.id == id))
            wanted = connection.scalar(sa.select(deployments.c.release).where(deployments.c.id == id))
            values = {"release": before, "before": None}
            if _move(connection, id, Status.ROLLED_BACK, [Status.REVERTING], **values):
                state = ReleaseState.CURRENT if before == wanted else ReleaseState.FAILED
                _settle(connection, id, Aim.ADD, state, wanted)

    def fail(self, id: str) -> None:
        """REVERTING → FAILED: nothing is left of it, and the service may be deployed anew."""
        with self._database.write() as connection:
            if _move(connection, id, Status.FAILED, [Status.REVERTING]):
                _settle(connection, id, None, ReleaseState.FAILED)

    def set_flow(self, id: str, flow_id: str | None) -> None:
        with self._database.write() as connection:
            set_fields(connection, id, flow_id=flow_id)

    def set_fault(self, id: str, fault: Fault) -> None:
        """The first fault stays."""
        with self._database.write() as connection:
            connection.execute(
                deployments.update()
                .where(deployments.c.id == id, deployments.c.fault.is_(None))
                .values(fault=dataclasses.asdict(fault), updated_at=time.time())
            )

    def remove(self, id: str) -> None:
        with self._database.write() as connection:
            connection.execute(server_access.delete().where(server_access.c.deployment_id == id))
            connection.execute(deployments.delete().where(deployments.c.id == id))


def _no_deployment(id: str) -> errors.NotFound:
    return errors.NotFound("gateway.deployment.not_found", f"There is no deployment {id}.")


def _insert_key(connection: sa.Connection, deployment: Deployment, key: IdempotencyKey | None) -> None:
    now = time.time()
    connection.execute(idempotency_keys.delete().where(idempotency_keys.c.created_at <= now - _KEY_LIFETIME))
    if key is not None:
        row = {"project_id": deployment.project_id, "created_at": now, **dataclasses.asdict(key)}
        connection.execute(idempotency_keys.insert(), row)


def _move(connection: sa.Connection, id: str, to: Status, since: Iterable[Status], **values) -> bool:
    if to is Status.FAILED:
        values["live"] = None
    done = connection.execute(
        deployments.update()
        .where(deployments.c.id == id, deployments.c.status.in_(tuple(since)))
        .values(status=to, updated_at=time.time(), **values)
    )
    if done.rowcount == 1:
        log.tell_status(connection, id, to)
    return done.rowcount == 1


def _settle(
    connection: sa.Connection, id: str, gone: Aim | None, state: ReleaseState, number: int | None = None
) -> None:
    """Nothing is under way any more: the targets that were to go, or came in vain, are gone, and the release
    (None: the deployment's) is in ``state``."""
    own = targets.c.deployment_id == id
    connection.execute(targets.delete().where(own, targets.c.aim == gone))
    connection.execute(targets.update().where(own).values(aim=Aim.KEEP))
    if number is None:
        number = connection.scalar(sa.select(deployments.c.release).where(deployments.c.id == id))
    of_it = releases.c.deployment_id == id
    if state is ReleaseState.CURRENT:
        connection.execute(
            releases.update().where(of_it, releases.c.state == state).values(state=ReleaseState.OLD)
        )
    connection.execute(releases.update().where(of_it, releases.c.number == number).values(state=state))


def _deployment(row, release: Release) -> Deployment:
    return Deployment(
        id=row["id"],
        project_id=row["project_id"],
        request_id=row["request_id"],
        trust_id=row["trust_id"],
        retired_trusts=tuple(row["retired_trusts"]),
        release=release,
        status=Status(row["status"]),
        fault=Fault.from_dict(row["fault"]) if row["fault"] else None,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        flow_id=row["flow_id"],
    )
