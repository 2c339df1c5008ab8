"""Brings the database to this release's schema (Alembic, ``migrations/versions``)."""

import contextlib
from collections.abc import Iterator

import alembic.command
import alembic.config
import alembic.runtime.migration
import alembic.script
import sqlalchemy as sa

from gateway import errors
from gateway.db import Database, locks

#: Alembic's usual one is TaskFlow's, which keeps its tables in the same database.
VERSION_TABLE = "gateway_version"

_PATIENCE = 300.0  # seconds


def _config() -> alembic.config.Config:
    config = alembic.config.Config()
    config.set_main_option("script_location", "gateway.db:migrations")
    return config


def wanted() -> str:
    """The revision that this release works with."""
    return alembic.script.ScriptDirectory.from_config(_config()).get_current_head()


def revisions() -> list[str]:
    """Every one up to that, oldest first."""
    walked = alembic.script.ScriptDirectory.from_config(_config()).walk_revisions()
    return [each.revision for each in walked][::-1]


def current(database: Database) -> str | None:
    """The revision that the database has; None for one without the gateway's tables."""
    with database.read() as connection:
        options = {"version_table": VERSION_TABLE}
        context = alembic.runtime.migration.MigrationContext.configure(connection, opts=options)
        return context.get_current_revision()


@contextlib.contextmanager
def alone(engine: sa.Engine) -> Iterator[None]:
    """While no one else, on whatever host, changes the schema. Raises Conflict when that takes too long."""
    with locks.held(engine, "schema", _PATIENCE) as taken:
        if not taken:
            said = "another gatewayd changes the database's schema, and does not end"
            raise errors.Conflict("gateway.database.schema", said)
        yield


def upgrade(database: Database, to: str = "head") -> None:
    """Idempotent; the daemon calls it before its roles start."""
    config = _config()
    with alone(database.engine):
        if database.engine.dialect.name == "mysql" and current(database) is None:
            _let_names_differ(database)
        with database.write() as connection:
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, to)


def _let_names_differ(database: Database) -> None:
    """In MariaDB a table that says nothing of it has its database's character set and collation, and that has
    its server's: few of them know every character, and small letters from large ones."""
    with database.write() as connection:
        name = connection.dialect.identifier_preparer.quote(connection.engine.url.database)
        connection.execute(sa.text(f"ALTER DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"))
    database.engine.dispose()  # a session that was open goes on making tables as it was before
