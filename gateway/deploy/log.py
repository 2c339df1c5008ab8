"""The log of a deployment: what its steps printed, and each change of a step's state and of its own status.

Within a deployment ids rise in the order of the commits, since whoever writes holds the deployment's row: a
reader that asks for what is above the last id that it has seen misses nothing and gets nothing twice.
"""

import time
from collections.abc import Iterable

import sqlalchemy as sa

from gateway.db import metadata
from gateway.deploy.model import LogLine, Status, StepState

_log = sa.Table(
    "deployment_log",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column(
        "deployment_id",
        sa.String(36),
        sa.ForeignKey("deployments.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("step", sa.String(32)),
    sa.Column("target", sa.Integer),
    sa.Column("state", sa.String(16)),
    sa.Column("text", sa.Text, nullable=False),
)
_LINE = [_log.c[name] for name in ("id", "at", "step", "target", "text", "state")]
_deployments = sa.table("deployments", sa.column("id"))


def write(connection: sa.Connection, id: str, step: str, target: int | None, text: str) -> None:
    """A line that a step printed."""
    _append(connection, id, step=step, target=target, text=text)


def tell_step(
    connection: sa.Connection, id: str, step: str, target: int | None, state: StepState, detail: str = ""
) -> None:
    """Belongs in the transaction that changes the step."""
    _append(connection, id, step=step, target=target, state=state, text=detail)


def tell_status(connection: sa.Connection, id: str, status: Status) -> None:
    """Belongs in the transaction that changes the deployment."""
    _append(connection, id, state=status, text="")


def _append(connection: sa.Connection, id: str, **values) -> None:
    connection.execute(sa.select(_deployments.c.id).where(_deployments.c.id == id).with_for_update())
    connection.execute(_log.insert(), {"deployment_id": id, "at": time.time(), **values})


def lines(connection: sa.Connection, id: str, limit: int | None, after: int) -> list[LogLine]:
    return _read(connection, limit, _log.c.deployment_id == id, _log.c.id > after, _log.c.state.is_(None))


def everything(connection: sa.Connection, id: str, after: int, limit: int) -> list[LogLine]:
    return _read(connection, limit, _log.c.deployment_id == id, _log.c.id > after)


def _read(connection: sa.Connection, limit: int | None, *where: sa.ColumnElement[bool]) -> list[LogLine]:
    query = sa.select(*_LINE).where(*where).order_by(_log.c.id).limit(limit)
    return [LogLine(*row) for row in connection.execute(query)]


def ends(connection: sa.Connection, ids: Iterable[str]) -> dict[str, int]:
    """The last id of each."""
    query = sa.select(_log.c.deployment_id, sa.func.max(_log.c.id)).group_by(_log.c.deployment_id)
    return dict(connection.execute(query.where(_log.c.deployment_id.in_(ids))).tuples().all())
