"""Brings the database to this release's schema (Alembic, ``migrations/versions``)."""

import alembic.command
import alembic.config

from gateway.db import Database

#: Alembic's usual one is TaskFlow's, which keeps its tables in the same database.
VERSION_TABLE = "gateway_version"


def upgrade(database: Database) -> None:
    """Idempotent; the daemon calls it before its roles start, one process at a time."""
    config = alembic.config.Config()
    config.set_main_option("script_location", "gateway.db:migrations")
    with database.write() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")
