"""Brings the database to this release's schema (Alembic, ``migrations/versions``)."""

import contextlib
from collections.abc import Iterator

import alembic.command
import alembic.config
import alembic.runtime.migration
import alembic.script
import sqlalchemy as sa

from gateway.db import Database

#: Alembic's usual one is TaskFlow's, which keeps its tables in the same database.
VERSION_TABLE = "gateway_version"


def _config() -> alembic.config.Config:
    config = alembic.config.Config()
    config.set_main_option("script_location", "gateway.db:migrations")
    return config


def wanted() -> str:
    """The revision that this release works with."""
    return alembic.script.ScriptDirectory.from_config(_config()).get_current_head()


def current(database: Database) -> str | None:
    """The revision that the database has; None for one without the gateway's tables."""
    with database.read() as connection:
        options = {"version_table": VERSION_TABLE}
        context = alembic.runtime.migration.MigrationContext.configure(connection, opts=options)
        return context.get_current_revision()


#: By which whoever changes the schema keeps the other hosts waiting, and ends that.
_LOCKS = {
    "postgresql": ("SELECT pg_advisory_lock(714025)", "SELECT pg_advisory_unlock(714025)"),
    "mysql": ("SELECT GET_LOCK('gateway-schema', 50)", "SELECT RELEASE_LOCK('gateway-schema')"),
}


@contextlib.contextmanager
def alone(engine: sa.Engine) -> Iterator[None]:
    """While no one else, on whatever host, is in here; SQLite sees to that by itself."""
    lock, unlock = _LOCKS.get(engine.dialect.name, (None, None))
    if lock is None:
        yield
        return
    with engine.connect() as connection:
        connection.execute(sa.text(lock))
        try:
            yield
        finally:
            connection.execute(sa.text(unlock))


def upgrade(database: Database) -> None:
    """Idempotent; the daemon calls it before its roles start."""
    config = _config()
    with alone(database.engine), database.write() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")
