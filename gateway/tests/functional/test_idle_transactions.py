"""Who stands still in the midst of a transaction does not keep the others waiting, on real servers."""

import time

import pytest
import sqlalchemy as sa

from gateway import conf as options
from gateway import db
from gateway.tests import databases
from gateway.tests.database_servers import MariaDB, PostgreSQL

_PATIENCE = 30  # seconds; MariaDB itself would wait 50 for the lock


@pytest.fixture(params=[PostgreSQL, MariaDB], ids=lambda kind: kind.type)
def database(request, tmp_path, monkeypatch):
    if not request.param.installed:
        pytest.skip(f"{request.param.type} is not installed")
    server = request.param()
    try:
        server.start()
        conf = options.load(["--state_path", str(tmp_path)], config_files=[])
        conf.set_override("connection", databases.made("idle", server.url), "database")
        monkeypatch.setattr(db, "_IDLE", 1)
        yield db.Database(conf)
    finally:
        server.stop()


def test_it_is_ended(database):
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
