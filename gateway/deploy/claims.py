"""The right to work on a deployment: one engine has it at a time, and what another still writes is refused.

It has a number, the deployment's epoch, that rises each time the right is taken. Who takes it gets a store of
its own, each transaction of which begins with a look whether the epoch is still the same, under a lock on the
deployment's row: an engine that was frozen, or cut off, and wakes up after another has taken over, writes
nothing any more, whatever it believes.
"""

import contextlib
import copy
from collections.abc import Callable, Collection, Iterator
from typing import Protocol, Self, TypeVar

import sqlalchemy as sa

from gateway import errors
from gateway.db import AWAY, Database
from gateway.deploy.tables import deployments

_Result = TypeVar("_Result")


class Claim(Protocol):
    """That an engine may work on a deployment; given by ``Working`` or ``Jobboard``."""

    id: str

    def held(self) -> contextlib.AbstractContextManager["Claims"]:
        """While it is worked on: the store to do it with. Raises NotFound where the deployment is gone."""

    def is_alive(self) -> bool:
        """Whether to go on with the work."""


class Suspended(BaseException):
    """The work on a deployment ends here, as if its process had been killed: nothing is taken back, and
    whoever has the right to it goes on. No Exception: neither a step nor TaskFlow, which then reverts, may
    take it for a failure."""


class _Taken(Exception):
    pass


@contextlib.contextmanager
def no_failure() -> Iterator[None]:
    """A database that is away, or a deployment that is another engine's now, is no failure of what is done:
    raises Suspended for them."""
    try:
        yield
    except (_Taken, *AWAY) as error:
        raise Suspended(str(error)) from error


class Fenced:
    """The database as one epoch of a deployment may use it; raises Suspended where it may not."""

    def __init__(self, database: Database, id: str, epoch: int):
        self._database = database
        self._id = id
        self.epoch = epoch

    def check(self, connection: sa.Connection) -> None:
        """Holds until the end of the transaction. Raises what ``no_failure`` knows."""
        query = sa.select(deployments.c.epoch).where(deployments.c.id == self._id)
        if connection.scalar(query.with_for_update()) != self.epoch:
            raise _Taken(f"another engine has taken deployment {self._id} over")

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        with no_failure(), self._database.read() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        with no_failure(), self._database.write() as connection:
            self.check(connection)
            yield connection

    def write_together(self, work: Callable[[sa.Connection], _Result]) -> _Result:
        def checked(connection: sa.Connection) -> _Result:
            self.check(connection)
            return work(connection)

        with no_failure():
            return self._database.write_together(checked)


class Claims:
    """The part of ``DeploymentStore`` that keeps who may write."""

    _database: Database | Fenced

    def taken(self, id: str) -> Self:
        """The store for who works on the deployment from now on. Raises NotFound."""
        one = deployments.c.id == id
        with self._database.write() as connection:
            change = deployments.update().where(one).values(epoch=deployments.c.epoch + 1)
            if not connection.execute(change).rowcount:
                raise errors.NotFound("gateway.deployment.not_found", f"There is no deployment {id}.")
            epoch = connection.scalar(sa.select(deployments.c.epoch).where(one))
        own = copy.copy(self)
        own._database = Fenced(self._database, id, epoch)
        return own

    @property
    def epoch(self) -> int:
        """Of a store that ``taken`` has given."""
        return self._database.epoch

    def epochs(self, ids: Collection[str]) -> dict[str, int]:
        """Of those that are there."""
        query = sa.select(deployments.c.id, deployments.c.epoch).where(deployments.c.id.in_(ids))
        with self._database.read() as connection:
            return dict(connection.execute(query).tuples().all())

    def fenced(self, engine: sa.Engine) -> sa.Engine:
        """``engine`` on the same database, each transaction of which is refused, too, once the deployment has
        been taken again. Of a store that ``taken`` has given."""
        own, fence = engine.execution_options(), self._database

        @sa.event.listens_for(own, "begin")
        def _check(connection: sa.Connection) -> None:
            with no_failure():
                fence.check(connection)

        return own
