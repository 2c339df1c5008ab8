"""The database: one engine per process (oslo.db), read and write transactions, SQLAlchemy Core.

Each capability's ``store`` declares its tables on ``metadata`` and writes its own SQL.
Times are seconds since the epoch, UTC, as floats.
"""

import contextlib
import dataclasses
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import oslo_db.exception
import sqlalchemy as sa
from oslo_config import cfg
from oslo_db import api as db_api
from oslo_db.sqlalchemy import enginefacade

metadata = sa.MetaData()

#: For a method that is one transaction: done anew where the database has ended it, since it and another one
#: waited for each other (on MariaDB two that look whether a name is free, and then take it, do so).
tried_again = db_api.wrap_db_retry(retry_interval=0.05, max_retries=10, retry_on_deadlock=True)

#: What says that the database is away, or has no time, and not that something is wrong with what is asked.
AWAY = (
    oslo_db.exception.DBConnectionError,
    oslo_db.exception.DBDeadlock,
    sa.exc.OperationalError,
    sa.exc.InterfaceError,
    sa.exc.TimeoutError,
)

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


#: How long the drivers wait for a server that does not answer, where the URL does not say it: seconds, but
#: milliseconds for tcp_user_timeout (libpq). A lock may take MariaDB 50 s.
_PATIENCE = {
    "postgresql+psycopg2": {
        "connect_timeout": "10",
        "tcp_user_timeout": "15000",
        "keepalives_idle": "5",
        "keepalives_interval": "5",
    },
    "mysql+pymysql": {
        "connect_timeout": "10",
        "read_timeout": "60",
        "write_timeout": "10",
    },
}


def url(conf: cfg.ConfigOpts) -> str:
    """[database] connection, with ``_PATIENCE``: a server that is cut off is given up in time."""
    given = sa.make_url(conf.database.connection)
    driver = f"{given.get_backend_name()}+{given.get_driver_name()}"
    told = {name: text for name, text in _PATIENCE.get(driver, {}).items() if name not in given.query}
    if given.get_backend_name() == "mysql":
        told["charset"] = "utf8mb4"  # oslo.db's and DevStack's is utf8, which lacks characters of four bytes
    return given.update_query_dict(told).render_as_string(hide_password=False)


class Sealed(sa.TypeDecorator):
    """A text that gateway.vault has sealed. Every such column is of this type: by it a rotation of the keys
    finds what to seal anew. What is not sealed is refused."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        if value is not None and not value.startswith("gAAAA"):  # Fernet's version and the time's high bytes
            raise ValueError("a secret must be sealed before it is stored")
        return value


class _Sqlite(sa.CreateEnginePlugin):
    """Keeps connections in a pool, which oslo.db does not for SQLite: to open the file for each transaction
    costs more than most of them."""

    def __init__(self, url: sa.URL, kwargs: dict[str, Any]):
        kwargs |= {"poolclass": sa.QueuePool, "max_overflow": -1}

    def update_url(self, url: sa.URL) -> sa.URL:
        return url

    def engine_created(self, engine: sa.Engine) -> None:
        """WAL, so that readers never wait, and every commit on disk before it is acknowledged."""

        @sa.event.listens_for(engine, "connect")
        def _connect(dbapi_connection, _record):
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON"):
                dbapi_connection.execute("PRAGMA " + pragma)


sa.dialects.plugins.register("gateway", __name__, _Sqlite.__name__)


class Database:
    """Make one per process, after any fork. Threads may share it."""

    def __init__(self, conf: cfg.ConfigOpts):
        context = enginefacade.transaction_context()
        sqlite = conf.database.connection.startswith("sqlite")
        context.configure(
            connection=url(conf),
            max_pool_size=conf.database.max_pool_size,
            max_overflow=conf.database.max_overflow,
            max_retries=conf.database.max_retries,
            retry_interval=conf.database.retry_interval,
            connection_parameters="plugin=gateway" if sqlite else "",
            thread_checkin=False,  # it is for eventlet
        )
        self.engine: sa.Engine = context.writer.get_engine()
        self.engine.hide_parameters = True  # an error's text goes into logs
        # SQLite lets one write at a time, and the others ask again, ever more seldom: here they queue
        self._turn = contextlib.nullcontext()
        self._each: Together[Callable[[sa.Connection], Any], Any] = Together(self, _do_each)
        self._observing = threading.Lock()
        self._observer: sa.PoolProxiedConnection | None = None
        if self.engine.dialect.name == "sqlite":
            self._turn = threading.Lock()
        end_idle_transactions(self.engine)

    def version(self) -> int | None:
        """Another number once anyone, in whatever process, has committed anything. Costs microseconds. None
        where that cannot be told: by databases other than SQLite, and while the file cannot be read."""
        if self.engine.dialect.name != "sqlite":
            return None
        try:
            # by a connection of its own, which never writes: the number counts the commits of the others
            return self._observed().execute("PRAGMA data_version").fetchone()[0]
        except (sqlite3.Error, sa.exc.SQLAlchemyError):
            return None

    def commits(self) -> "Commits":
        """For one reader, which reads again only what may have changed."""
        return Commits(self)

    def _observed(self) -> sqlite3.Connection:
        """Threads use it at once, which SQLite itself puts in order (sqlite3.threadsafety is 3)."""
        if self._observer is None:
            with self._observing:
                if self._observer is None:
                    observer = self.engine.raw_connection()
                    observer.detach()  # the pool has its place back
                    self._observer = observer
        return self._observer.dbapi_connection

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads: a consistent view of the tables."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that writes; commits at the end, rolls back on any exception. One in another is none:
        they would wait for each other."""
        with self._turn, self.engine.connect() as connection:
            if self.engine.dialect.name == "sqlite":
                _begin_immediate(connection)
            with connection.begin():
                yield connection

    def write_together(self, work: Callable[[sa.Connection], _Result]) -> _Result:
        """``write`` for what many threads do at once, by ``Together``. Returns what ``work`` returns."""
        return self._each.write(work)


class Commits:
    """Up to which one reader has seen them, by ``Database.version``."""

    def __init__(self, database: Database):
        self._database = database
        self._seen: int | None = None

    def are_told(self) -> bool:
        """By the database, when it was looked at last."""
        return self._seen is not None

    def all_seen(self) -> bool:
        """False where the database does not tell."""
        return self._seen is not None and self._seen == self._database.version()

    @contextlib.contextmanager
    def looking(self) -> Iterator[bool]:
        """Gives whether there may be any that were not seen; then these are, unless the block raises. What is
        committed meanwhile is not."""
        version = self._database.version()
        yield version is None or version != self._seen
        self._seen = version


def _do_each(connection: sa.Connection, works: Sequence[Callable[[sa.Connection], Any]]) -> list[Any]:
    return [work(connection) for work in works]


class Together(Generic[_Item, _Result]):
    """One kind of write that many threads ask for at once: those that wait for their turn share one
    transaction, and one wait for the disk. ``work`` gets their items and gives a result for each, in order.
    When it fails, each item is tried a second time, alone."""

    def __init__(
        self, database: Database, work: Callable[[sa.Connection, Sequence[_Item]], Sequence[_Result]]
    ):
        self._database = database
        self._work = work
        self._queue, self._leading = threading.Lock(), threading.Lock()
        self.waiting: list[_Piece] = []

    def write(self, item: _Item) -> _Result:
        """Its result, or raises what ``work`` raises for it alone."""
        mine = _Piece(item)
        with self._queue:
            self.waiting.append(mine)
        with self._leading:
            if not mine.done:
                with self._queue:
                    pieces, self.waiting = self.waiting, []
                self._write_all(pieces)
        if mine.error is not None:
            raise mine.error
        return mine.result

    def _write_all(self, pieces: list["_Piece"]) -> None:
        try:
            with self._database.write() as connection:
                results = self._work(connection, [piece.item for piece in pieces])
            for piece, result in zip(pieces, results, strict=True):
                piece.result = result
        except BaseException as error:
            if len(pieces) > 1 and isinstance(error, Exception):
                for piece in pieces:
                    self._write_all([piece])
            for piece in pieces:
                piece.error = piece.error or (None if piece.done else error)
        for piece in pieces:
            piece.done = True


@dataclasses.dataclass
class _Piece:
    item: Any
    result: Any = None
    done: bool = False
    error: BaseException | None = None


_IDLE = 5  # seconds


def end_idle_transactions(engine: sa.Engine) -> None:
    """A process that stands still, or is cut off, in the midst of a transaction keeps what it has locked from
    all others, on whatever host: the server ends its session then."""
    statement = {
        "postgresql": f"SET idle_in_transaction_session_timeout = '{_IDLE}s'",
        "mysql": f"SET @gateway = 1 /*M!100300 , SESSION idle_transaction_timeout = {_IDLE} */",  # MariaDB's
    }.get(engine.dialect.name)
    if statement is None:
        return

    @sa.event.listens_for(engine, "connect")
    def _connect(dbapi_connection, _record):
        with contextlib.closing(dbapi_connection.cursor()) as cursor:
            cursor.execute(statement)
        dbapi_connection.commit()

    engine.dispose()  # oslo.db has opened one already


def _begin_immediate(connection: sa.Connection) -> None:
    """A writer takes SQLite's lock at BEGIN and waits for it there: a transaction that reads first and writes
    then is refused at once when another one has written in between."""
    connection.connection.dbapi_connection.execute("BEGIN IMMEDIATE")
    connection.info["in_transaction"] = True  # oslo.db begins only what has not begun
