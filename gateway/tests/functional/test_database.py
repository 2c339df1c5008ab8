"""On real servers: who stands still in the midst of a transaction does not keep the others waiting; and names
differ by every character, however the database was made."""

import time

import pytest
import sqlalchemy as sa

from gateway import conf as options
from gateway import db
from gateway.db import alive, schema
from gateway.tests import databases
from gateway.tests.database_servers import MariaDB, PostgreSQL

_PATIENCE = 30  # seconds; MariaDB itself would wait 50 for the lock


@pytest.fixture(params=[PostgreSQL, MariaDB], ids=lambda kind: kind.type)
def server(request):
    if not request.param.installed:
        pytest.skip(f"{request.param.type} is not installed")
    server = request.param()
    try:
        yield server.start()
    finally:
        server.stop()


def connected(tmp_path, url):
    conf = options.load(["--state_path", str(tmp_path)], config_files=[])
    conf.set_override("connection", url, "database")
    return db.Database(conf)


def test_it_is_ended(server, tmp_path, monkeypatch):
    monkeypatch.setattr(db, "_IDLE", 1)
    database = connected(tmp_path, databases.made("idle", server.url))
    with database.write() as connection:
        connection.execute(sa.text("CREATE TABLE thing (number INTEGER)"))
        connection.execute(sa.text("INSERT INTO thing VALUES (1)"))
    with pytest.raises(Exception, match=r"(?i)connection|terminat|gone away|lost"):
        stand_still(database)
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT number FROM thing")).scalar_one() == 3


def stand_still(database):
    """While another one writes the same row, which takes it no longer than until the server ends this."""
    began = time.monotonic()
    with database.write() as still:
        still.execute(sa.text("UPDATE thing SET number = 2"))
        with database.write() as connection:
            connection.execute(sa.text("UPDATE thing SET number = 3"))
        assert time.monotonic() - began < _PATIENCE


@pytest.mark.parametrize("server", [MariaDB], indirect=True)
def test_names_differ_by_every_character(server, tmp_path):
    """Though DevStack makes the database so, and says so in its URL."""
    url = databases.made("names", server.url)
    with sa.create_engine(url).connect() as connection:
        connection.execute(sa.text("ALTER DATABASE CHARACTER SET utf8"))
    database = connected(tmp_path, url + "?charset=utf8")
    schema.upgrade(database)
    names = ["duck", "Duck", "\N{DUCK}", "\N{DUCK}\N{DUCK}"]
    with database.write() as connection:
        for name in names:
            connection.execute(alive.processes.insert().values(id=name, role="api", seen_at=0.0))
    with database.read() as connection:
        for name in names:
            found = connection.scalars(sa.select(alive.processes.c.id).where(alive.processes.c.id == name))
            assert found.all() == [name]
