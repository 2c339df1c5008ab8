"""The migrations and the tables that the stores declare are the same thing, on a real database."""

from alembic import autogenerate
from alembic.runtime import migration

import gateway.broker.store
import gateway.cloud.credentials
import gateway.db.alive
import gateway.deploy.store
import gateway.registry.signing_keys
import gateway.registry.store
import gateway.registry.subscriptions  # noqa: F401 (importing them declares their tables)
from gateway.db import Database, metadata, schema
from gateway.tests.registered import configuration


def test_the_migrations_make_what_the_stores_declare(tmp_path):
    database = Database(configuration(tmp_path))
    schema.upgrade(database)
    schema.upgrade(database)  # idempotent
    with database.read() as connection:
        options = {"compare_type": True, "version_table": schema.VERSION_TABLE}
        context = migration.MigrationContext.configure(connection, opts=options)
        assert autogenerate.compare_metadata(context, metadata) == []
