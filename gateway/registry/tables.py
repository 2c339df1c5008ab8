"""Instances, the log of their changes, and what both are counted by."""

import sqlalchemy as sa

from gateway.db import metadata

_ID = sa.String(36)

instances = sa.Table(
    "instances",
    metadata,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("type", sa.String(128), primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("proto", sa.String(8), nullable=False),
    sa.Column("host", sa.String(64), nullable=False),
    sa.Column("port", sa.Integer, nullable=False),
    sa.Column("http_port", sa.Integer, nullable=False),
    sa.Column("https_port", sa.Integer, nullable=False),
    sa.Column("routes", sa.JSON, nullable=False),
    sa.Column("check", sa.JSON, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("streak", sa.Integer, nullable=False),
    sa.Column("output", sa.Text, nullable=False),
    sa.Column("since", sa.Double, nullable=False),
    sa.Column("held", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("weight", sa.Integer, nullable=False),
    sa.Column("signature", sa.Text, nullable=False),
    sa.Column("version", sa.String(64), nullable=False),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("reason", sa.String(255), nullable=False),
    sa.Column("index", sa.BigInteger, nullable=False),  # of its last row in changes
    sa.Column("deployment_id", _ID),
    sa.Column("server_id", _ID),
    sa.Column("provider", sa.String(64)),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Index("ix_instances_address", "project_id", "host", "port"),
    sa.Index("ix_instances_deployment", "deployment_id"),
    sa.Index("ix_instances_index", "index"),
)
ordinals = sa.Table(
    "instance_ordinals",
    metadata,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("type", sa.String(128), primary_key=True),
    sa.Column("next", sa.Integer, nullable=False),
)
last_change = sa.Table(
    "last_change",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("index", sa.BigInteger, nullable=False),
)
changes = sa.Table(
    "changes",
    metadata,
    sa.Column("index", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("type", sa.String(128), nullable=False),
    sa.Column("ordinal", sa.Integer, nullable=False),
    sa.Column("change", sa.String(16), nullable=False),
)
