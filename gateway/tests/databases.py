"""The database that a test has for itself: SQLite in its folder, or one where GATEWAY_TEST_DATABASE says.

``make databases`` starts such servers; a URL is postgresql+psycopg2://USER@127.0.0.1:PORT/postgres, or
mysql+pymysql://USER@127.0.0.1:PORT/mysql.
"""

import contextlib
import hashlib
import os

import sqlalchemy as sa
from oslo_config import cfg

SERVER = os.environ.get("GATEWAY_TEST_DATABASE")


def of_the_folder(conf: cfg.ConfigOpts) -> cfg.ConfigOpts:
    """``conf``, whose database is that of its state_path, as the file is; empty at first."""
    if SERVER:
        name = "gateway_" + hashlib.sha256(conf.state_path.encode()).hexdigest()[:32]
        server = sa.create_engine(SERVER, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with server.connect() as connection, contextlib.suppress(sa.exc.ProgrammingError):  # it is there
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        url = server.url.set(database=name).render_as_string(hide_password=False)
        conf.set_override("connection", url, "database")
    return conf
