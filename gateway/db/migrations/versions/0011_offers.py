"""Providers have a URL and offer plans of several types of services; bindings keep their credentials."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade():
    # No batch_alter_table: SQLite would delete what refers to the table that it makes anew.
    op.add_column("providers", sa.Column("project_id", sa.String(64), nullable=False, server_default=""))
    op.add_column("providers", sa.Column("url", sa.String(1024), nullable=False, server_default=""))
    op.add_column("providers", sa.Column("ca", sa.Text))
    op.add_column("providers", sa.Column("offers", sa.JSON, nullable=False, server_default="{}"))
    op.add_column("services", sa.Column("in_force", sa.String(64)))
    op.add_column("services", sa.Column("operation", sa.Text))
    op.add_column("bindings", sa.Column("credentials", sa.Text))  # sealed
    op.add_column("bindings", sa.Column("operation", sa.Text))
    _move(op.get_bind())
    for column in ("host", "port", "plans"):
        op.drop_column("providers", column)
    _widen()


def _move(connection):
    providers = sa.table(
        "providers",
        *(sa.column(name) for name in ("name", "type", "host", "port", "url")),
        *(sa.column(name, sa.JSON) for name in ("plans", "offers")),
    )
    for row in connection.execute(providers.select()).all():
        host = f"[{row.host}]" if ":" in row.host else row.host
        plans = {
            name: {"description": "", "limits": limits, "settings": {}, "is_offered": True}
            for name, limits in row.plans.items()
        }
        connection.execute(
            providers.update()
            .where(providers.c.name == row.name)
            .values(url=f"{row.type}://{host}:{row.port}", offers={row.type: plans})
        )
    services = sa.table("services", *(sa.column(name) for name in ("plan", "in_force", "status")))
    connection.execute(services.update().values(in_force=services.c.plan))
    ready = services.update().where(services.c.status == "ready")
    connection.execute(ready.values(status="updating"))  # which stores their credentials


def _widen():
    """A column that SQLite cannot alter."""
    op.add_column("services", sa.Column("wide", sa.String(64), nullable=False, server_default=""))
    services = sa.table("services", sa.column("wide"), sa.column("type"))
    op.execute(services.update().values(wide=services.c.type))
    op.drop_column("services", "type")
    op.alter_column(
        "services", "wide", new_column_name="type", existing_type=sa.String(64), existing_nullable=False
    )
