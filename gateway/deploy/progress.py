"""How far a deployment is: its steps, its targets, and what they printed."""

import dataclasses
import json
from collections.abc import Iterable

import sqlalchemy as sa

from gateway.db import Database
from gateway.deploy import guest, log
from gateway.deploy.model import Aim, LogLine, Step, StepState, Target, Trust
from gateway.deploy.tables import steps, targets
from gateway.vault import Vault

TARGET_FIELDS = [targets.c[field.name] for field in dataclasses.fields(Target)]
STEP_FIELDS = [steps.c[field.name] for field in dataclasses.fields(Step)]


class Progress:
    """The part of ``DeploymentStore`` that keeps it."""

    _database: Database
    _vault: Vault

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
            return read_target(
                connection.execute(of_target(sa.select(*TARGET_FIELDS), id, number)).mappings().one()
            )

    def set_target(self, id: str, number: int, **values) -> None:
        change = of_target(targets.update(), id, number).values(**values)
        self._database.write_together(lambda connection: connection.execute(change))

    def forget_server(self, id: str, number: int) -> None:
        """It is gone, and its keys are not to be used again."""
        unknown = ("server_id", "server_name", "address", "host_key", "trust", "instance", "keys")
        self.set_target(id, number, **dict.fromkeys(unknown))

    def target_keys(self, id: str, number: int) -> tuple[guest.KeyPair, guest.KeyPair]:
        """The host and login key of a server to be booted; made once, and the same after a crash."""
        with self._database.write() as connection:
            sealed = connection.scalar(of_target(sa.select(targets.c["keys"]), id, number))
            if sealed is None:
                pairs = [guest.key_pair(), guest.key_pair()]
                sealed = self._vault.seal(json.dumps([dataclasses.asdict(pair) for pair in pairs]))
                connection.execute(of_target(targets.update(), id, number).values(keys=sealed))
        host, login = json.loads(self._vault.open(sealed))
        return guest.KeyPair(**host), guest.KeyPair(**login)

    def write_log(self, id: str, step: str, target: int | None, text: str) -> None:
        self._database.write_together(lambda connection: log.write(connection, id, step, target, text))

    def read_log(self, id: str, limit: int | None = None, marker: int = 0) -> list[LogLine]:
        """What was printed, after the line ``marker``."""
        with self._database.read() as connection:
            return log.lines(connection, id, limit, marker)

    def log_ends(self, ids: Iterable[str]) -> dict[str, int]:
        """The id of the last entry of each deployment that is there."""
        with self._database.read() as connection:
            return log.ends(connection, ids)


def of_target(statement, id: str, number: int):
    return statement.where(targets.c.deployment_id == id, targets.c.number == number)


def read_step(row) -> Step:
    return Step(**{**row, "state": StepState(row["state"])})


def read_target(row) -> Target:
    return Target(**{**row, "aim": Aim(row["aim"]), "trust": Trust(row["trust"]) if row["trust"] else None})
