"""The database: one engine per process (oslo.db), read and write transactions, SQLAlchemy Core.

Each capability's ``store`` declares its tables on ``metadata`` and writes its own SQL.
Times are seconds since the epoch, UTC, as floats.
"""

import contextlib
from collections.abc import Iterator

import sqlalchemy as sa
from oslo_config import cfg
from oslo_db.sqlalchemy import enginefacade

metadata = sa.MetaData()


class Sealed(sa.TypeDecorator):
    """A text that gateway.vault has sealed. Every such column is of this type: by it a rotation of the keys
    finds what to seal anew. What is not sealed is refused."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        if value is not None and not value.startswith("gAAAA"):  # Fernet's version and the time's high bytes
            raise ValueError("a secret must be sealed before it is stored")
        return value


class Database:
    """Make one per process, after any fork. Threads may share it."""

    def __init__(self, conf: cfg.ConfigOpts):
        context = enginefacade.transaction_context()
        context.configure(
            connection=conf.database.connection,
            max_pool_size=conf.database.max_pool_size,
            max_overflow=conf.database.max_overflow,
            max_retries=conf.database.max_retries,
            retry_interval=conf.database.retry_interval,
        )
        self.engine: sa.Engine = context.writer.get_engine()
        self.engine.hide_parameters = True  # an error's text goes into logs
        if self.engine.dialect.name == "sqlite":
            _tune_sqlite(self.engine)

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads: a consistent view of the tables."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that writes; commits at the end, rolls back on any exception."""
        with self.engine.connect() as connection:
            if self.engine.dialect.name == "sqlite":
                _begin_immediate(connection)
            with connection.begin():
                yield connection


def _begin_immediate(connection: sa.Connection) -> None:
    """A writer takes SQLite's lock at BEGIN and waits for it there: a transaction that reads first and writes
    then is refused at once when another one has written in between."""
    connection.connection.dbapi_connection.execute("BEGIN IMMEDIATE")
    connection.info["in_transaction"] = True  # oslo.db begins only what has not begun


def _tune_sqlite(engine: sa.Engine) -> None:
    """WAL, so that readers never wait, and every commit on disk before it is acknowledged."""

    @sa.event.listens_for(engine, "connect")
    def _connect(dbapi_connection, _record):
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON"):
            dbapi_connection.execute("PRAGMA " + pragma)
