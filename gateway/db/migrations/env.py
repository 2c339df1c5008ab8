"""Alembic's entry: runs the migrations on the connection that ``schema.upgrade`` opened."""

from alembic import context

from gateway.db import metadata, schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    version_table=schema.VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
