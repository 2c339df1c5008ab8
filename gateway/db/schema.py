"""Brings the database to this release's schema (Alembic, ``migrations/versions``)."""

import alembic.command
import alembic.config
import alembic.runtime.migration
import alembic.script

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


def upgrade(database: Database) -> None:
    """Idempotent; the daemon calls it before its roles start, one process at a time."""
    config = _config()
    with database.write() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")
