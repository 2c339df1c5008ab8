"""Deployments bind services, whose credentials are rotated."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade():
    op.create_table(
        "deployment_bindings",
        sa.Column("deployment_id", sa.String(36), primary_key=True),
        sa.Column("release", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("service_id", sa.String(16), primary_key=True, index=True),
        sa.Column("binding_id", sa.String(8), nullable=False),
        sa.ForeignKeyConstraint(
            ["deployment_id", "release"],
            ["deployment_releases.deployment_id", "deployment_releases.number"],
            name="fk_deployment_bindings_release",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "rotations",
        sa.Column(
            "service_id", sa.String(16), sa.ForeignKey("services.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("successor", sa.String(8), nullable=False),
        sa.Column("replaces", sa.JSON, nullable=False),
        sa.Column("status", sa.String(16), nullable=False, index=True),
        sa.Column("fault", sa.JSON),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
    )
