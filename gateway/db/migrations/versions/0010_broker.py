"""Providers, services and bindings of the broker."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade():
    op.create_table(
        "providers",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("username", sa.String(64), nullable=False),
        sa.Column("password", sa.Text, nullable=False),  # sealed
        sa.Column("plans", sa.JSON, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
    )
    op.create_table(
        "services",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("provider", sa.String(64), sa.ForeignKey("providers.name"), nullable=False, index=True),
        sa.Column("plan", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False, index=True),
        sa.Column("fault", sa.JSON),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
    )
    op.create_index("uq_services_name", "services", ["project_id", "name"], unique=True)
    op.create_table(
        "bindings",
        sa.Column(
            "service_id", sa.String(16), sa.ForeignKey("services.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("id", sa.String(8), primary_key=True),
        sa.Column("password", sa.Text, nullable=False),  # sealed
        sa.Column("status", sa.String(16), nullable=False, index=True),
        sa.Column("fault", sa.JSON),
        sa.Column("created_at", sa.Double, nullable=False),
    )
