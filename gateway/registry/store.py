"""Instances, the log of their changes, and the SQL for both.

Every change of an instance and its row in ``changes`` are one transaction, which holds the one row of
``last_change``: indexes rise by one, and nobody ever sees a higher one before a lower.
"""

import contextlib
import dataclasses
import functools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from gateway import errors
from gateway.db import Database, Together
from gateway.registry.model import Change, Check, Entry, Health, Instance, Key, Registration, Status
from gateway.registry.readings import Readings
from gateway.registry.tables import changes, instances, last_change, ordinals

# Made once: the monitor writes thousands. ``since`` tells an instance from an earlier one of the same name,
# and one status from the next.
_HEALTH_UPDATE = (
    instances.update()
    .where(
        *(
            instances.c[name] == sa.bindparam(f"old_{name}")
            for name in ("project_id", "type", "ordinal", "status", "since")
        )
    )
    .values(
        {
            name: sa.bindparam(name)
            for name in [*(f.name for f in dataclasses.fields(Health)), "index", "updated_at"]
        }
    )
)
_FEW = 1000  # rows deleted in one transaction
_INDEX = sa.select(last_change.c.index)
_LAST = _INDEX.with_for_update()  # SQLite has one writer at a time, the others lock the row

# What each registration asks, made once, too: to make a statement costs more than SQLite's answer. JSON comes
# as text: most instances have what others have, and are given the same objects.
_HEALTH = [field.name for field in dataclasses.fields(Health)]
_TEXTS = ("routes", "check", "tags")
_COLUMNS = [
    sa.cast(instances.c[name], sa.Text).label(name) if name in _TEXTS else instances.c[name]
    for field in dataclasses.fields(Instance)
    for name in (_HEALTH if field.name == "health" else [field.name])
]
_EVERYTHING = sa.select(*_COLUMNS).execution_options(yield_per=1000)
_ALL = sa.select(*_COLUMNS).order_by(instances.c.ordinal)
_LATER = _ALL.where(instances.c.index > sa.bindparam("after"))
_AT_ADDRESS = _ALL.where(
    *(instances.c[name] == sa.bindparam(name) for name in ("project_id", "host", "port"))
)
_FOLLOWING_AND_REMOVED = sa.select(
    changes.c.index, changes.c.project_id, changes.c.type, changes.c.ordinal, changes.c.change
).where(
    sa.or_(
        changes.c.index == sa.bindparam("following"),
        sa.and_(changes.c.index >= sa.bindparam("following"), changes.c.change == Change.REMOVED),
    )
)
_ORDINAL_OF_TYPE = [ordinals.c[name] == sa.bindparam(f"of_{name}") for name in ("project_id", "type")]
_NEXT_ORDINAL = sa.select(ordinals.c.next).where(*_ORDINAL_OF_TYPE)
_SET_ORDINAL = ordinals.update().where(*_ORDINAL_OF_TYPE).values(next=sa.bindparam("of_next"))
_NEW_ORDINAL = ordinals.insert().values(
    project_id=sa.bindparam("of_project_id"), type=sa.bindparam("of_type"), next=sa.bindparam("of_next")
)


class RegistryStore:
    """Threads and processes may share it. ``now`` is seconds since the epoch."""

    def __init__(self, database: Database):
        self._database = database
        self.commits = database.commits
        self._additions = Together(database, _add)
        self.readings = Readings(database)

    def index(self) -> int:
        """The index of the last change: one row, read by its key."""
        with self._database.read() as connection:
            return connection.scalar(_INDEX)

    def everything(self) -> tuple[int, list[Instance]]:
        """All instances, and the index that they stand at."""
        with self._database.read() as connection:
            index = connection.scalar(_INDEX)  # first: what is newer than it is merely read again
            return index, _instances_of(connection.execute(_EVERYTHING))

    def changed_since(self, index: int) -> tuple[int, dict[Key, Instance | None]] | None:
        """The index now, and what became of every instance that changed after ``index``: None for the
        removed. None at all when the log no longer reaches back to ``index``."""
        with self._database.read() as connection:
            last = connection.scalar(_INDEX)  # first: what is newer than it is merely read again
            if last <= index:
                return last, {}
            rows = connection.execute(_FOLLOWING_AND_REMOVED, {"following": index + 1}).all()
            if not any(row.index == index + 1 for row in rows):
                return None
            found: dict[Key, Instance | None] = {
                Key(row.project_id, row.type, row.ordinal): None
                for row in rows
                if row.change == Change.REMOVED
            }
            changed = _instances_of(connection.execute(_LATER, {"after": index}))
            return last, found | {instance.key: instance for instance in changed}

    def changes(
        self,
        after: int,
        upto: int,
        limit: int | None = None,
        project_id: str | None = None,
        type: str | None = None,
    ) -> list[Entry]:
        """Those with ``after`` < index <= ``upto``, in order: all, or a project's, or those of a type."""
        query = sa.select(changes).where(changes.c.index > after, changes.c.index <= upto)
        if project_id is not None:
            query = query.where(changes.c.project_id == project_id)
        if type is not None:
            query = query.where(changes.c.type == type)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(changes.c.index).limit(limit))
            return [_entry(row) for row in rows]

    def first_change(self) -> int:
        """The index of the oldest change that is kept; of the next one where none is."""
        following = _INDEX.scalar_subquery() + 1  # in one statement: else a change could come in between
        with self._database.read() as connection:
            return connection.scalar(sa.select(sa.func.coalesce(sa.func.min(changes.c.index), following)))

    def forget_changes(self, most: int, before: float) -> int:
        """Deletes those from before the time ``before``, and the oldest of more than ``most``; how many. A
        few in each transaction, since others wait meanwhile."""
        forgotten = 0
        while True:
            with self._database.write() as connection:
                last = connection.scalar(_INDEX)
                oldest = sa.select(changes.c.index, changes.c.at).order_by(changes.c.index).limit(_FEW)
                rows = connection.execute(oldest).all()
                old = [index for index, at in rows if at < before or index <= last - most]
                if old:
                    connection.execute(changes.delete().where(changes.c.index <= old[-1]))
            forgotten += len(old)
            if len(old) < _FEW:
                return forgotten

    def find(self, project_id: str, wanted: Registration) -> Instance | None:
        """The instance that ``wanted`` already has, by its deployment and server. Raises Conflict when
        another one has its host, port and signature."""
        with self._database.read() as connection:
            return _same(_near(connection, project_id, wanted), project_id, wanted)

    def insert(self, project_id: str, wanted: Registration, health: Health, now: float) -> Instance:
        """Adds it with its type's next ordinal, unless it is there (``find``, whose errors it raises)."""
        added = self._additions.write(_Addition(project_id, wanted, health, now))
        if isinstance(added, errors.Conflict):
            raise added
        return added

    def replace(self, before: Instance, after: Instance) -> Instance | None:
        """Writes ``after``, of the same key, and returns it with its index; None where the instance is not,
        or no longer, ``before``. Raises Conflict when another one has its host, port and signature."""
        with self._changing() as (connection, last):
            if _read(connection, _of_key(before.key)) != [before]:
                return None
            if _place(after) != _place(before):
                _refuse_same(_at_address(connection, after.project_id, after), after)
            index = _log(connection, last, Change.CHANGED, [before.key], after.updated_at)
            after = dataclasses.replace(after, index=index)
            connection.execute(instances.update().where(_of_key(before.key)).values(**_row(after)))
            return after

    def delete(self, key: Key, now: float) -> int | None:
        """The index of the change; None when it is not there."""
        return self._delete(_of_key(key), now)

    def delete_deployment(self, deployment_id: str, server_id: str | None, now: float) -> None:
        condition = instances.c.deployment_id == deployment_id
        if server_id is not None:
            condition = sa.and_(condition, instances.c.server_id == server_id)
        self._delete(condition, now)

    def _delete(self, condition: sa.ColumnElement[bool], now: float) -> int | None:
        with self._changing() as (connection, last):
            keys = [instance.key for instance in _read(connection, condition)]
            if not keys:
                return None
            connection.execute(instances.delete().where(condition))
            for project_id, type_ in {(key.project_id, key.type) for key in keys}:
                _forget_dead_type(connection, project_id, type_)
            return _log(connection, last, Change.REMOVED, keys, now)

    def update_health(
        self, updates: Iterable[tuple[Instance, Health]], now: float, alive: Callable[[], bool]
    ) -> None:
        """Writes each, unless the instance is gone or its status was changed by someone else meanwhile; none
        where ``alive`` says so once it is this one's turn."""
        with self._changing() as (connection, last):
            if not alive():
                return
            written: list[Key] = []
            for instance, health in updates:
                row = _health_row(instance, health, last + 1 + len(written), now)
                if connection.execute(_HEALTH_UPDATE, row).rowcount:
                    written.append(instance.key)
            _log(connection, last, Change.CHANGED, written, now)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[tuple[sa.Connection, int]]:
        """A transaction that no other change runs beside, and the index that it begins at."""
        with self._database.write() as connection:
            yield connection, connection.scalar(_LAST)


def _of_type(project_id: str, type_: str) -> sa.ColumnElement[bool]:
    return sa.and_(instances.c.project_id == project_id, instances.c.type == type_)


def _of_key(key: Key) -> sa.ColumnElement[bool]:
    return sa.and_(_of_type(key.project_id, key.type), instances.c.ordinal == key.ordinal)


def _read(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> list[Instance]:
    """In the order of their ordinals."""
    return _instances_of(connection.execute(_ALL.where(condition)))


def _instances_of(rows: sa.CursorResult) -> list[Instance]:
    return [_instance(row) for row in rows]


def _instance(row: sa.Row) -> Instance:
    """Of ``_COLUMNS``."""
    return Instance(
        sys.intern(row[0]),
        sys.intern(row[1]),
        *row[2:8],
        _words(row[8]),
        _check(row[9]),
        Health(_STATUSES[row[10]], row[11], sys.intern(row[12]), *row[13:15]),
        *row[15:18],
        _words(row[18]),
        *row[19:],
    )


_STATUSES = {str(status): status for status in Status}


@functools.lru_cache(10_000)
def _words(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


@functools.lru_cache(10_000)
def _check(text: str) -> Check:
    return Check.from_dict(json.loads(text))


def _entry(row: sa.Row) -> Entry:
    key = Key(row.project_id, row.type, row.ordinal)
    return Entry(row.index, row.at, key, Change(row.change))


def _row(instance: Instance) -> dict:
    fields = {**vars(instance), **vars(instance.health), "check": vars(instance.check)}
    del fields["health"]
    return fields


class _Addition(NamedTuple):
    project_id: str
    wanted: Registration
    health: Health
    now: float


def _add(connection: sa.Connection, additions: Sequence[_Addition]) -> list[Instance | errors.Conflict]:
    """Those that many threads add at once: a statement that writes costs a hundred of them what it costs one.
    What of them is there already is as it is."""
    last = connection.scalar(_LAST)
    counts = _Ordinals(connection)
    results: list[Instance | errors.Conflict] = []
    new: list[Instance] = []
    for each in additions:
        near = [*_near(connection, each.project_id, each.wanted), *new]
        try:
            found = _same(near, each.project_id, each.wanted)
        except errors.Conflict as error:
            results.append(error)
            continue
        if found is None:
            ordinal = counts.take(each.project_id, each.wanted.type)
            found = _instance_of(each, ordinal, last + len(new) + 1)
            new.append(found)
        results.append(found)
    if new:
        counts.keep()
        _log(connection, last, Change.CREATED, [instance.key for instance in new], new[-1].created_at)
        connection.execute(instances.insert(), [_row(instance) for instance in new])
    return results


def _instance_of(addition: _Addition, ordinal: int, index: int) -> Instance:
    fields = {name: value for name, value in vars(addition.wanted).items() if name != "host_key"}
    return Instance(
        addition.project_id,
        ordinal=ordinal,
        health=addition.health,
        index=index,
        created_at=addition.now,
        updated_at=addition.now,
        **fields,
    )


class _Ordinals:
    """The next ones of types, counted in memory until they are kept."""

    def __init__(self, connection: sa.Connection):
        self._connection = connection
        self._next: dict[tuple[str, str], int] = {}
        self._is_new: dict[tuple[str, str], bool] = {}

    def take(self, project_id: str, type_: str) -> int:
        key = project_id, type_
        if key not in self._next:
            known = self._connection.scalar(_NEXT_ORDINAL, {"of_project_id": project_id, "of_type": type_})
            self._next[key], self._is_new[key] = known or 0, known is None
        self._next[key] += 1
        return self._next[key] - 1

    def keep(self) -> None:
        rows = [
            (self._is_new[key], {"of_project_id": key[0], "of_type": key[1], "of_next": following})
            for key, following in self._next.items()
        ]
        for is_new, statement in ((True, _NEW_ORDINAL), (False, _SET_ORDINAL)):
            if chosen := [row for new, row in rows if new is is_new]:
                self._connection.execute(statement, chosen)


def _near(connection: sa.Connection, project_id: str, wanted: Registration) -> list[Instance]:
    """All that ``wanted`` might be, or have the place of."""
    same = []
    if wanted.deployment_id and wanted.server_id:
        same += [
            instances.c.deployment_id == wanted.deployment_id,
            instances.c.server_id == wanted.server_id,
        ]
    elif wanted.provider:
        same += [instances.c.provider == wanted.provider]
    own = _read(connection, sa.and_(instances.c.project_id == project_id, *same)) if same else []
    return own + _at_address(connection, project_id, wanted)


def _at_address(
    connection: sa.Connection, project_id: str, wanted: Instance | Registration
) -> list[Instance]:
    place = {"project_id": project_id, "host": wanted.host, "port": wanted.port}
    return _instances_of(connection.execute(_AT_ADDRESS, place))


def _same(near: Iterable[Instance], project_id: str, wanted: Registration) -> Instance | None:
    """The one that ``wanted`` already has. Raises Conflict when another one has its place."""
    near = [instance for instance in near if instance.project_id == project_id]
    if wanted.deployment_id and wanted.server_id:
        for instance in near:
            if (instance.deployment_id, instance.server_id) == (wanted.deployment_id, wanted.server_id):
                return instance
    if wanted.provider:
        return next((instance for instance in near if instance.provider == wanted.provider), None)
    _refuse_same(near, wanted)
    return None


def _place(service: Instance | Registration) -> tuple[str, int, str]:
    """What no two instances of a project have in common, but for providers."""
    return service.host, service.port, service.signature


def _refuse_same(near: Iterable[Instance], wanted: Instance | Registration) -> None:
    for instance in near:
        if instance.provider is None and _place(instance) == _place(wanted):
            raise errors.Conflict(
                "gateway.registry.exists",
                f"{wanted.host} port {wanted.port} is already registered with this signature, "
                f"as {instance.name}.",
            )


def _forget_dead_type(connection: sa.Connection, project_id: str, type_: str) -> None:
    """A type lives as long as it has instances; numbering starts again when it comes back."""
    alive = sa.select(sa.literal(1)).where(_of_type(project_id, type_)).exists()
    connection.execute(
        ordinals.delete().where(ordinals.c.project_id == project_id, ordinals.c.type == type_, ~alive)
    )


def _health_row(instance: Instance, health: Health, index: int, now: float) -> dict:
    before = {**instance.key._asdict(), "status": instance.health.status, "since": instance.health.since}
    after = {**dataclasses.asdict(health), "index": index, "updated_at": now}
    return after | {f"old_{name}": value for name, value in before.items()}


def _log(connection: sa.Connection, last: int, change: Change, keys: Sequence[Key], now: float) -> int:
    """After the index ``last``. Returns the index of the last of them."""
    if keys:
        rows = [
            {"index": index, "at": now, "change": change, **key._asdict()}
            for index, key in enumerate(keys, start=last + 1)
        ]
        connection.execute(changes.insert(), rows)
        connection.execute(last_change.update().values(index=last + len(keys)))
    return last + len(keys)
