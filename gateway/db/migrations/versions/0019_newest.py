"""A page of a project's deployments costs the same however many it has."""

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade():
    op.create_index("ix_deployments_newest", "deployments", ["project_id", "created_at", "id"])
    op.drop_index("ix_deployments_project_id", "deployments")
