"""Locks in the database servers, by which hosts wait for each other."""

import pytest
import sqlalchemy as sa

from gateway.db import locks
from gateway.tests import database_servers


@pytest.mark.parametrize("server", [database_servers.PostgreSQL, database_servers.MariaDB])
def test_one_has_it_until_its_end(server):
    if not server.installed:
        pytest.skip(f"{server.__name__} is not installed")
    running = server()
    try:
        running.start()
        first, second = sa.create_engine(running.url), sa.create_engine(running.url)
        with locks.held(first, "engine", 0) as taken:
            assert taken
            with locks.held(second, "engine", 0.3) as taken_too:
                assert not taken_too
            with locks.held(second, "schema", 0) as another:
                assert another
        with locks.held(second, "engine", 5) as taken:
            assert taken
    finally:
        running.stop()


def test_sqlite_is_on_one_host():
    engine = sa.create_engine("sqlite://")
    with locks.held(engine, "engine", 0) as first, locks.held(engine, "engine", 0) as second:
        assert (first, second) == (True, True)
