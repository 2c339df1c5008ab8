"""Several engines, in one process here: TaskFlow's jobboard on a real etcd and a real Redis, and what the
database refuses from whoever has been followed."""

# ruff: noqa: F401, F811  (pytest finds the fixtures by these names)
import contextlib
import threading
import time
import urllib.parse

import pytest
import sqlalchemy as sa

from features.harness.tcp_proxy import Proxy
from gateway import conf as options
from gateway.daemon import parts as built
from gateway.db import Database, schema
from gateway.deploy import jobboard
from gateway.deploy.claims import Suspended
from gateway.deploy.engine import Engine
from gateway.deploy.jobboard import Jobboard
from gateway.deploy.model import Status
from gateway.deploy.store import DeploymentStore
from gateway.tests import database_servers, databases, deployed
from gateway.tests.functional.test_cloud_api import keystone, openstack, parts
from gateway.tests.functional.test_coordination import etcd, redis_url
from gateway.tests.functional.test_deploy_engine import asked_for, cloud, ended, engine, states, store, until


@pytest.fixture
def place(request):
    """The URL of a coordination's backend, as the test wants it."""
    wanted = request.getfixturevalue(request.param)
    return wanted if isinstance(wanted, str) else wanted.url


BOTH = pytest.mark.parametrize("place", ["etcd", "redis_url"], indirect=True)


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Boards of engines of their own, each through a proxy of its own; the first posts the jobs."""
    monkeypatch.setattr(jobboard, "_LOOK_INTERVAL", 0.05)
    boards = []

    def board(place, store):
        parts = urllib.parse.urlsplit(place)
        proxy = Proxy(parts.port)
        conf = options.load(["--state_path", str(tmp_path)], [])
        behind = parts.netloc.replace(f":{parts.port}", f":{proxy.port}")
        conf.set_override("backend_url", f"{parts.scheme}://{behind}", "coordination")
        conf.set_override("lease", 6, "coordination")
        is_first = not boards
        boards.append(Jobboard(conf, store, f"engine-{len(boards)}", lambda _: is_first))
        boards[-1].proxy, boards[-1].conf = proxy, conf
        return boards[-1]

    yield board
    for each in boards:
        each.close()


def added(store):
    made = deployed.deployment()
    store.add(made, {"env": {}})
    return made.id


def taken(board, id):
    return next(board.take([id], [id], 1), None)


@BOTH
def test_one_has_it_and_gives_it_back(place, tmp_path, opened):
    store = deployed.store(tmp_path)
    id = added(store)
    first, second = opened(place, store), opened(place, store)
    claim = until(lambda: taken(first, id))
    until(lambda: id in jobboard.worked_on(second.conf))
    assert taken(second, id) is None
    with claim.held() as own:
        assert own.move(id, Status.RUNNING, [Status.PENDING])
    other = until(lambda: taken(second, id))
    with other.held() as own:
        assert own.move(id, Status.FAILED, [Status.RUNNING])
    assert jobboard.worked_on(second.conf) == set()
    assert list(jobboard._opened(second._place).iterjobs(ensure_fresh=True)) == []


@BOTH
def test_one_that_is_cut_off_stops_before_another_begins_and_writes_nothing_any_more(place, tmp_path, opened):
    store = deployed.store(tmp_path)
    id = added(store)
    first, second = opened(place, store), opened(place, store)
    claim = until(lambda: taken(first, id))
    begun = claim._renewed_at
    with claim.held() as before:
        until(lambda: claim._renewed_at > begun + 1)
        assert claim.is_alive()
        assert taken(second, id) is None
        first.proxy.go_away()
        other = until(lambda: taken(second, id))
        assert not claim.is_alive()
        first.proxy.come_back()
        with other.held() as own:
            own.write_log(id, "boot", 0, "the second one")
            with pytest.raises(Suspended):
                before.move(id, Status.FAILED, [Status.PENDING])
            with pytest.raises(Suspended):
                before.write_log(id, "boot", 0, "the first one")
            assert not claim.is_alive()
            until(lambda: id in jobboard.worked_on(second.conf))
    assert [line.text for line in store.read_log(id)] == ["the second one"]
    assert store.status(id) is Status.PENDING


@pytest.mark.parametrize("place", ["etcd"], indirect=True)
def test_what_is_lost_on_the_board_is_posted_again_and_what_is_twice_there_is_worked_on_once(
    place, tmp_path, opened
):
    store = deployed.store(tmp_path)
    id = added(store)
    board = opened(place, store)
    claim = until(lambda: taken(board, id))
    claim.give_back(ended=False)
    jobboard._opened(board._place).post(id)
    claim = until(lambda: taken(board, id))
    assert taken(board, id) is None
    board._place[1].delete_prefix("/taskflow/jobs/gateway/")
    until(lambda: not claim.is_alive())
    board._seen.clear()  # as an engine that has just come
    again = until(lambda: taken(board, id))
    with again.held() as own:
        own.move(id, Status.FAILED, [Status.PENDING])
    jobboard._opened(board._place).post(id)
    next_one = added(store)
    with until(lambda: taken(board, next_one)).held():
        left = jobboard._opened(board._place).iterjobs(ensure_fresh=True)
        assert [job.name for job in left] == [next_one]


@pytest.fixture
def postgresql():
    if not database_servers.PostgreSQL.installed:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    server = database_servers.PostgreSQL()
    try:
        yield server.start()
    finally:
        server.stop()


def fails_at_ssh(parts):
    """Where a flow ends that needs a guest."""
    parts.conf.set_override("port", 1, "ssh")
    parts.conf.set_override("ready_timeout", 1, "ssh")


@pytest.mark.parametrize("place", ["redis_url"], indirect=True)
def test_another_engine_goes_on_with_the_flow_of_one_that_is_cut_off(place, parts, store, cloud, opened):
    """With what was made, and nothing is taken back."""
    fails_at_ssh(parts)
    first, second = opened(place, store), opened(place, store)
    id = asked_for(store)
    with engine(parts, first):
        until(lambda: states(store.deployment(id))["active"] == "running")
        first.proxy.go_away()
        with engine(parts, second):
            until(lambda: store.epochs([id]) == {id: 2})
            assert (cloud.booted, states(store.deployment(id))["active"]) == (1, "running")
            for server in cloud.servers.values():
                server["status"] = "ACTIVE"
            found = ended(store, id)
    assert (found.fault.step, found.fault.code) == ("ssh", "gateway.ssh.unreachable")
    assert states(found)["boot"] == "reverted"
    assert (cloud.booted, cloud.left) == (1, [])


def test_a_database_that_is_away_is_no_failure(postgresql, parts, store, cloud, tmp_path):
    fails_at_ssh(parts)
    proxy = Proxy(postgresql.port)
    url = sa.make_url(databases.made("gateway", postgresql.url)).set(port=proxy.port)
    parts.conf.set_override("connection", url.render_as_string(hide_password=False), "database")
    parts.conf.set_override("max_retries", 1, "database")
    schema.upgrade(Database(parts.conf))
    own = built(parts.conf)
    id = asked_for(own.deployments)
    with engine(own):
        until(lambda: states(own.deployments.deployment(id))["active"] == "running")
        proxy.go_away()
        for server in cloud.servers.values():
            server["status"] = "ACTIVE"
        time.sleep(2)
        proxy.come_back()
        found = ended(own.deployments, id)
    assert (found.fault.step, found.fault.code) == ("ssh", "gateway.ssh.unreachable")
    assert own.deployments.epochs([id])[id] > 1
    assert (cloud.booted, cloud.left) == (1, [])


def test_taskflow_is_refused_too(tmp_path):
    store = deployed.store(tmp_path)
    id = added(store)
    before = store.taken(id)
    engine = before.fenced(store._database.engine)
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT 1"))
    store.taken(id)
    with pytest.raises(Suspended), engine.begin() as connection:
        connection.execute(sa.text("SELECT 1"))
    with store._database.engine.begin() as connection:
        connection.execute(sa.text("SELECT 1"))
