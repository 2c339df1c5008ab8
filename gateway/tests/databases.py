"""The database that a test, or a daemon of the features, has for itself: SQLite in its folder, or one where
GATEWAY_TEST_DATABASE says.

``make databases`` starts such servers (``database_servers``, whose ``url`` it is).
"""

import contextlib
import hashlib
import os

import sqlalchemy as sa
from oslo_config import cfg

SERVER = os.environ.get("GATEWAY_TEST_DATABASE")


def made(folder: str, server: str | None = SERVER) -> str:
    """The URL of the database of that folder on ``server``, empty at first."""
    name = "gateway_" + hashlib.sha256(folder.encode()).hexdigest()[:32]
    with _connected(server) as connection, contextlib.suppress(sa.exc.ProgrammingError):  # it is there
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    return sa.make_url(server).set(database=name).render_as_string(hide_password=False)


def dropped(url: str) -> None:
    with _connected(SERVER) as connection:
        connection.execute(sa.text(f"DROP DATABASE {sa.make_url(url).database}"))


def _connected(server: str) -> sa.Connection:
    return sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool).connect()


def of_the_folder(conf: cfg.ConfigOpts) -> cfg.ConfigOpts:
    """``conf``, whose database is that of its state_path, as the file is; empty at first."""
    if SERVER:
        conf.set_override("connection", made(conf.state_path), "database")
    return conf
