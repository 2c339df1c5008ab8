"""The last readings of each instance, and the heartbeats of those that report by themselves.

Neither is a change of the registry: nobody who waits for changes is woken by them.
"""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from oslo_db import exception as db_exception

from gateway.db import Database, metadata
from gateway.registry.model import Key, Reading

KEPT = 10  # readings of one instance

_CHUNK = 500  # rows of one transaction: others write, too


def _key_columns() -> list[sa.Column]:
    return [
        sa.Column("project_id", sa.String(64), primary_key=True),
        sa.Column("type", sa.String(128), primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
    ]


_readings = sa.Table(
    "readings",
    metadata,
    *_key_columns(),
    sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("ok", sa.Boolean, nullable=False),
    sa.Column("output", sa.Text, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("latency", sa.Double, nullable=False),
)
_heartbeats = sa.Table(
    "heartbeats",
    metadata,
    *_key_columns(),
    sa.Column("ok", sa.Boolean, nullable=False),
    sa.Column("output", sa.Text, nullable=False),
    sa.Column("at", sa.Double, nullable=False, index=True),
)

Rows = Iterable[tuple[Key, Reading]]


class Readings:
    """Threads and processes may share it, but of one instance one thread ``write``s: its monitor's."""

    def __init__(self, database: Database):
        self._database = database
        self.commits = database.commits
        self._slots: dict[Key, int] | None = None  # where the last reading of each went

    def last(self, key: Key, since: float) -> list[Reading]:
        """The newest first; those before ``since`` are of an earlier instance of that name."""
        query = sa.select(_readings).where(_of(_readings, key), _readings.c.at >= since)
        with self._database.read() as connection:
            return [_reading(row) for row in connection.execute(query.order_by(_readings.c.at.desc()))]

    def latencies(self, project_id: str, type: str) -> dict[int, float]:
        """The mean seconds of the good readings kept, by ordinal."""
        of_type = sa.and_(_readings.c.project_id == project_id, _readings.c.type == type, _readings.c.ok)
        mean = sa.func.avg(_readings.c.latency)
        query = sa.select(_readings.c.ordinal, mean).where(of_type).group_by(_readings.c.ordinal)
        with self._database.read() as connection:
            return {row.ordinal: row[1] for row in connection.execute(query)}

    def look_again(self) -> None:
        """Others have written meanwhile."""
        self._slots = None

    def write(self, readings: Rows) -> None:
        """Each takes the place of its instance's oldest."""
        if self._slots is None:
            self._slots = self._newest_slots()
        rows = []
        for key, reading in readings:
            slot = self._slots[key] = (self._slots.get(key, -1) + 1) % KEPT
            rows.append(
                {
                    **key._asdict(),
                    "slot": slot,
                    "ok": reading.ok,
                    "output": reading.output,
                    "at": reading.at,
                    "latency": reading.latency,
                }
            )
        rows = list({(r["project_id"], r["type"], r["ordinal"], r["slot"]): r for r in rows}.values())
        for start in range(0, len(rows), _CHUNK):
            self._replace(rows[start : start + _CHUNK])

    def _replace(self, rows: Sequence[dict]) -> None:
        names = ("project_id", "type", "ordinal", "slot")
        old = sa.and_(*(_readings.c[name] == sa.bindparam(f"old_{name}") for name in names))
        with self._database.write() as connection:
            connection.execute(
                _readings.delete().where(old), [{f"old_{name}": row[name] for name in names} for row in rows]
            )
            connection.execute(_readings.insert(), list(rows))

    def _newest_slots(self) -> dict[Key, int]:
        key = [_readings.c.project_id, _readings.c.type, _readings.c.ordinal]
        newest = sa.select(*key, sa.func.max(_readings.c.at).label("at")).group_by(*key).subquery()
        same = sa.and_(*(column == newest.c[column.name] for column in [*key, _readings.c.at]))
        query = sa.select(*key, _readings.c.slot).join(newest, same)
        with self._database.read() as connection:
            return {Key(*row[:3]): row[3] for row in connection.execute(query)}

    def forget(self, keys: Iterable[Key]) -> None:
        """Of instances that are gone."""
        keys = list(keys)
        for key in keys:
            (self._slots or {}).pop(key, None)
        with self._database.write() as connection:
            for key in keys:
                for table in (_readings, _heartbeats):
                    connection.execute(table.delete().where(_of(table, key)))

    def known(self) -> set[Key]:
        """The instances that have any."""
        every = (
            sa.select(table.c.project_id, table.c.type, table.c.ordinal).distinct()
            for table in (_readings, _heartbeats)
        )
        with self._database.read() as connection:
            return {Key(*row) for query in every for row in connection.execute(query)}

    def beat(self, key: Key, beat: Reading) -> None:
        """The instance's own word."""
        values = {"ok": beat.ok, "output": beat.output, "at": beat.at}
        try:
            with self._database.write() as connection:
                update = _heartbeats.update().where(_of(_heartbeats, key)).values(**values)
                if not connection.execute(update).rowcount:
                    connection.execute(_heartbeats.insert(), {**key._asdict(), **values})
        except db_exception.DBDuplicateEntry:
            pass  # it has just told another process, for the first time

    def beats(self, since: float) -> list[tuple[Key, Reading]]:
        """The last one of each instance that has told any since."""
        query = sa.select(_heartbeats).where(_heartbeats.c.at > since).order_by(_heartbeats.c.at)
        with self._database.read() as connection:
            return [(Key(*row[:3]), Reading(row.ok, row.output, row.at)) for row in connection.execute(query)]


def _of(table: sa.Table, key: Key) -> sa.ColumnElement[bool]:
    return sa.and_(
        table.c.project_id == key.project_id, table.c.type == key.type, table.c.ordinal == key.ordinal
    )


def _reading(row: sa.Row) -> Reading:
    return Reading(row.ok, row.output, row.at, row.latency)
