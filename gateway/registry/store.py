"""Instances, the log of their changes, and the SQL for both.

Every change of an instance and its row in ``changes`` are one transaction, which holds the one row of
``last_change``: indexes rise by one, and nobody ever sees a higher one before a lower.
"""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Sequence

import sqlalchemy as sa

from gateway import errors
from gateway.db import Database, metadata
from gateway.registry.model import Change, Check, Entry, Health, Instance, Key, Registration, Status
from gateway.registry.readings import Readings

_ID = sa.String(36)

_instances = sa.Table(
    "instances",
    metadata,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("type", sa.String(128), primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("proto", sa.String(8), nullable=False),
    sa.Column("host", sa.String(64), nullable=False),
    sa.Column("port", sa.Integer, nullable=False),
    sa.Column("http_port", sa.Integer, nullable=False),
    sa.Column("https_port", sa.Integer, nullable=False),
    sa.Column("routes", sa.JSON, nullable=False),
    sa.Column("check", sa.JSON, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("streak", sa.Integer, nullable=False),
    sa.Column("output", sa.Text, nullable=False),
    sa.Column("since", sa.Double, nullable=False),
    sa.Column("held", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("weight", sa.Integer, nullable=False),
    sa.Column("signature", sa.Text, nullable=False),
    sa.Column("version", sa.String(64), nullable=False),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("reason", sa.String(255), nullable=False),
    sa.Column("index", sa.BigInteger, nullable=False),  # of its last row in changes
    sa.Column("deployment_id", _ID),
    sa.Column("server_id", _ID),
    sa.Column("provider", sa.String(64)),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Index("ix_instances_address", "project_id", "host", "port"),
    sa.Index("ix_instances_deployment", "deployment_id"),
    sa.Index("ix_instances_index", "index"),
)
_ordinals = sa.Table(
    "instance_ordinals",
    metadata,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("type", sa.String(128), primary_key=True),
    sa.Column("next", sa.Integer, nullable=False),
)
_last_change = sa.Table(
    "last_change",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("index", sa.BigInteger, nullable=False),
)
_changes = sa.Table(
    "changes",
    metadata,
    sa.Column("index", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("type", sa.String(128), nullable=False),
    sa.Column("ordinal", sa.Integer, nullable=False),
    sa.Column("change", sa.String(16), nullable=False),
)

# Made once: the monitor writes thousands. ``since`` tells an instance from an earlier one of the same name,
# and one status from the next.
_HEALTH_UPDATE = (
    _instances.update()
    .where(
        *(
            _instances.c[name] == sa.bindparam(f"old_{name}")
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
_INDEX = sa.select(_last_change.c.index)
_LAST = _INDEX.with_for_update()  # SQLite has one writer at a time, the others lock the row

# What each registration asks, made once, too: to make a statement costs more than SQLite's answer.
_ALL = sa.select(_instances).order_by(_instances.c.ordinal)
_LATER = _ALL.where(_instances.c.index > sa.bindparam("after"))
_AT_ADDRESS = _ALL.where(
    *(_instances.c[name] == sa.bindparam(name) for name in ("project_id", "host", "port"))
)
_FOLLOWING_AND_REMOVED = sa.select(
    _changes.c.index, _changes.c.project_id, _changes.c.type, _changes.c.ordinal, _changes.c.change
).where(
    sa.or_(
        _changes.c.index == sa.bindparam("following"),
        sa.and_(_changes.c.index >= sa.bindparam("following"), _changes.c.change == Change.REMOVED),
    )
)
_ORDINAL_OF_TYPE = [_ordinals.c[name] == sa.bindparam(f"of_{name}") for name in ("project_id", "type")]
_NEXT_ORDINAL = sa.select(_ordinals.c.next).where(*_ORDINAL_OF_TYPE)
_COUNT_ORDINAL = _ordinals.update().where(*_ORDINAL_OF_TYPE).values(next=_ordinals.c.next + 1)


class RegistryStore:
    """Threads and processes may share it. ``now`` is seconds since the epoch."""

    def __init__(self, database: Database):
        self._database = database
        self.readings = Readings(database)

    def version(self) -> int | None:
        """As ``Database.version``."""
        return self._database.version()

    def index(self) -> int:
        """The index of the last change: one row, read by its key."""
        with self._database.read() as connection:
            return connection.scalar(_INDEX)

    def everything(self) -> tuple[int, list[Instance]]:
        """All instances, and the index that they stand at."""
        with self._database.read() as connection:
            index = connection.scalar(_INDEX)  # first: what is newer than it is merely read again
            return index, _read(connection, sa.true())

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
        query = sa.select(_changes).where(_changes.c.index > after, _changes.c.index <= upto)
        if project_id is not None:
            query = query.where(_changes.c.project_id == project_id)
        if type is not None:
            query = query.where(_changes.c.type == type)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(_changes.c.index).limit(limit))
            return [_entry(row) for row in rows]

    def first_change(self) -> int:
        """The index of the oldest change that is kept; of the next one where none is."""
        following = _INDEX.scalar_subquery() + 1  # in one statement: else a change could come in between
        with self._database.read() as connection:
            return connection.scalar(sa.select(sa.func.coalesce(sa.func.min(_changes.c.index), following)))

    def forget_changes(self, most: int, before: float) -> int:
        """Deletes those from before the time ``before``, and the oldest of more than ``most``; how many. A
        few in each transaction, since others wait meanwhile."""
        forgotten = 0
        while True:
            with self._database.write() as connection:
                last = connection.scalar(_INDEX)
                oldest = sa.select(_changes.c.index, _changes.c.at).order_by(_changes.c.index).limit(_FEW)
                rows = connection.execute(oldest).all()
                old = [index for index, at in rows if at < before or index <= last - most]
                if old:
                    connection.execute(_changes.delete().where(_changes.c.index <= old[-1]))
            forgotten += len(old)
            if len(old) < _FEW:
                return forgotten

    def find(self, project_id: str, wanted: Registration) -> Instance | None:
        """The instance that ``wanted`` already has, by its deployment and server. Raises Conflict when
        another one has its host, port and signature."""
        with self._database.read() as connection:
            return _existing(connection, project_id, wanted)

    def insert(self, project_id: str, wanted: Registration, health: Health, now: float) -> Instance:
        """Adds it with its type's next ordinal, unless it is there (``find``, whose errors it raises). Those
        that many threads add at once are one transaction."""

        def added(connection: sa.Connection) -> Instance:
            last = connection.scalar(_LAST)
            existing = _existing(connection, project_id, wanted)
            if existing is not None:
                return existing
            fields = {field.name: getattr(wanted, field.name) for field in dataclasses.fields(wanted)}
            fields.pop("host_key")
            ordinal = _next_ordinal(connection, project_id, wanted.type)
            index = _log(connection, last, Change.CREATED, [Key(project_id, wanted.type, ordinal)], now)
            times = {"created_at": now, "updated_at": now}
            instance = Instance(project_id, ordinal=ordinal, health=health, index=index, **times, **fields)
            connection.execute(_instances.insert(), _row(instance))
            return instance

        return self._database.write_together(added)

    def replace(self, before: Instance, after: Instance) -> Instance | None:
        """Writes ``after``, of the same key, and returns it with its index; None where the instance is not,
        or no longer, ``before``. Raises Conflict when another one has its host, port and signature."""
        with self._changing() as (connection, last):
            if _read(connection, _of_key(before.key)) != [before]:
                return None
            if _place(after) != _place(before):
                _refuse_same(connection, after.project_id, after)
            index = _log(connection, last, Change.CHANGED, [before.key], after.updated_at)
            after = dataclasses.replace(after, index=index)
            connection.execute(_instances.update().where(_of_key(before.key)).values(**_row(after)))
            return after

    def delete(self, key: Key, now: float) -> int | None:
        """The index of the change; None when it is not there."""
        return self._delete(_of_key(key), now)

    def delete_deployment(self, deployment_id: str, server_id: str | None, now: float) -> None:
        condition = _instances.c.deployment_id == deployment_id
        if server_id is not None:
            condition = sa.and_(condition, _instances.c.server_id == server_id)
        self._delete(condition, now)

    def _delete(self, condition: sa.ColumnElement[bool], now: float) -> int | None:
        with self._changing() as (connection, last):
            keys = [instance.key for instance in _read(connection, condition)]
            if not keys:
                return None
            connection.execute(_instances.delete().where(condition))
            for project_id, type_ in {(key.project_id, key.type) for key in keys}:
                _forget_dead_type(connection, project_id, type_)
            return _log(connection, last, Change.REMOVED, keys, now)

    def update_health(self, updates: Iterable[tuple[Instance, Health]], now: float) -> None:
        """Writes each, unless the instance is gone or its status was changed by someone else meanwhile."""
        with self._changing() as (connection, last):
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
    return sa.and_(_instances.c.project_id == project_id, _instances.c.type == type_)


def _of_key(key: Key) -> sa.ColumnElement[bool]:
    return sa.and_(_of_type(key.project_id, key.type), _instances.c.ordinal == key.ordinal)


def _read(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> list[Instance]:
    """In the order of their ordinals."""
    return _instances_of(connection.execute(_ALL.where(condition)))


def _instances_of(rows: sa.CursorResult) -> list[Instance]:
    return [_instance(row) for row in rows]


def _instance(row: sa.Row) -> Instance:
    fields = dict(row._mapping)
    status, *rest = (fields.pop(name) for name in ("status", "streak", "output", "since", "held"))
    fields["health"] = Health(Status(status), *rest)
    fields["routes"] = tuple(fields["routes"])
    fields["tags"] = tuple(fields["tags"])
    fields["check"] = Check.from_dict(fields["check"])
    return Instance(**fields)


def _entry(row: sa.Row) -> Entry:
    key = Key(row.project_id, row.type, row.ordinal)
    return Entry(row.index, row.at, key, Change(row.change))


def _row(instance: Instance) -> dict:
    fields = dataclasses.asdict(instance)
    health = fields.pop("health")
    return {**fields, **health}


def _existing(connection: sa.Connection, project_id: str, wanted: Registration) -> Instance | None:
    if wanted.deployment_id and wanted.server_id:
        same = sa.and_(
            _instances.c.project_id == project_id,
            _instances.c.deployment_id == wanted.deployment_id,
            _instances.c.server_id == wanted.server_id,
        )
        for instance in _read(connection, same):
            return instance
    if wanted.provider:
        same = sa.and_(_instances.c.project_id == project_id, _instances.c.provider == wanted.provider)
        return next(iter(_read(connection, same)), None)
    _refuse_same(connection, project_id, wanted)
    return None


def _place(service: Instance | Registration) -> tuple[str, int, str]:
    """What no two instances of a project have in common, but for providers."""
    return service.host, service.port, service.signature


def _refuse_same(connection: sa.Connection, project_id: str, wanted: Instance | Registration) -> None:
    place = {"project_id": project_id, "host": wanted.host, "port": wanted.port}
    for instance in _instances_of(connection.execute(_AT_ADDRESS, place)):
        if instance.provider is None and _place(instance) == _place(wanted):
            raise errors.Conflict(
                "gateway.registry.exists",
                f"{wanted.host} port {wanted.port} is already registered with this signature, "
                f"as {instance.name}.",
            )


def _next_ordinal(connection: sa.Connection, project_id: str, type_: str) -> int:
    row = {"of_project_id": project_id, "of_type": type_}
    ordinal = connection.scalar(_NEXT_ORDINAL, row)
    if ordinal is None:
        connection.execute(_ordinals.insert(), {"project_id": project_id, "type": type_, "next": 1})
        return 0
    connection.execute(_COUNT_ORDINAL, row)
    return ordinal


def _forget_dead_type(connection: sa.Connection, project_id: str, type_: str) -> None:
    """A type lives as long as it has instances; numbering starts again when it comes back."""
    alive = sa.select(sa.literal(1)).where(_of_type(project_id, type_)).exists()
    connection.execute(
        _ordinals.delete().where(_ordinals.c.project_id == project_id, _ordinals.c.type == type_, ~alive)
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
        connection.execute(_changes.insert(), rows)
        connection.execute(_last_change.update().values(index=last + len(keys)))
    return last + len(keys)
