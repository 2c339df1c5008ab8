"""Several processes' parts in one here, against a real etcd and a real Redis."""

import contextlib
import subprocess
import sys
import threading
import time

import pytest

from gateway import conf as options
from gateway import coordination, errors
from gateway.coordination import Coordination
from gateway.tests.database_servers import Redis
from gateway.tests.etcd import Etcd

KEYS = [f"project/hello/{number}" for number in range(300)]


@pytest.fixture
def etcd(tmp_path):
    try:
        server = Etcd(tmp_path / "etcd").start()
    except FileNotFoundError:
        pytest.skip("etcd is not installed (apt-get install etcd-server)")
    yield server
    server.stop()


@pytest.fixture
def redis_url():
    if not Redis.installed:
        pytest.skip("Redis is not installed (apt-get install redis-server)")
    server = Redis()
    try:
        yield server.start().url
    finally:
        server.stop()


def conf(tmp_path, **coordination):
    loaded = options.load(["--state_path", str(tmp_path)], config_files=[])
    for name, value in coordination.items():
        loaded.set_override(name, value, "coordination")
    return loaded


def until(condition, what):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def owners(members):
    return [[each for each in members if each.mine(key)] for key in KEYS]


@contextlib.contextmanager
def group(conf, size):
    with contextlib.ExitStack() as stack:
        members = []
        for _ in range(size):
            member = Coordination(conf, "monitor")
            member.start()
            stack.callback(member.stop)
            members.append(member)
        until(lambda: all(member.alive for member in members), "all have joined")
        yield members


def check_shares(conf):
    """Every key is one member's; when one goes, and one comes, the keys of the others stay where they are."""
    with group(conf, 3) as members:
        before = owners(members)
        assert {len(each) for each in before} == {1}
        assert {each[0] for each in before} == set(members)
        members[0].stop()
        until(lambda: all(len(each) == 1 for each in owners(members[1:])), "the others took it over")
        assert all(a == b for a, b in zip(before, owners(members[1:]), strict=True) if a[0] is not members[0])
        with group(conf, 1) as (newcomer,):
            found = owners([*members[1:], newcomer])
            assert {len(each) for each in found} == {1}
            assert any(each[0] is newcomer for each in found)


def test_shares_by_etcd(tmp_path, etcd):
    check_shares(conf(tmp_path, backend_url=etcd.url, lease=3))


def test_shares_by_redis(tmp_path, redis_url):
    check_shares(conf(tmp_path, backend_url=redis_url, lease=3))


def test_who_cannot_renew_its_lease_stops_and_who_comes_back_waits(tmp_path, etcd):
    with group(conf(tmp_path, backend_url=etcd.url, lease=3), 2) as members:
        assert 0 < members[0].remaining <= 2
        etcd.stop()
        until(lambda: not any(member.alive for member in members), "they stop by themselves")
        assert owners(members) == [[]] * len(KEYS)
        etcd.start()
        until(lambda: all(len(each) == 1 for each in owners(members)), "they go on")


def test_one_alone(tmp_path, etcd):
    stop, running = threading.Event(), []

    def run(over):
        running.append(threading.current_thread().name)
        over.wait()
        running.remove(threading.current_thread().name)

    with group(conf(tmp_path, backend_url=etcd.url, lease=3), 2) as members:
        threads = [
            threading.Thread(target=member.alone, args=("sweeper", run, stop), name=str(number), daemon=True)
            for number, member in enumerate(members)
        ]
        for thread in threads:
            thread.start()
        until(lambda: running, "one does it")
        (first,) = running
        members[int(first)].stop()
        until(lambda: running not in ([], [first]), "the other does it")
        assert len(running) == 1
        stop.set()
        for thread in threads:
            thread.join(10)
        assert not running


def test_alone_on_one_machine(tmp_path):
    coordinated = Coordination(conf(tmp_path), "engine")
    coordinated.start()
    assert coordinated.alive
    assert owners([coordinated]) == [[coordinated]] * len(KEYS)
    done = []
    coordinated.alone("once", done.append, threading.Event())  # it returns by itself, and that is all
    assert len(done) == 1
    coordinated.stop()


def test_a_second_gatewayd_on_sqlite_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(coordination, "_FREED_WITHIN", 0.2)
    loaded = conf(tmp_path, backend_url="etcd3+http://127.0.0.1:1")
    script = "import fasteners, sys; lock = fasteners.InterProcessLock(sys.argv[1])\n"
    script += "lock.acquire(); print(1, flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path / "gateway.db.engine.lock"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    other.stdout.readline()
    with pytest.raises(errors.Conflict, match="another gatewayd on this machine has the role engine"):
        coordination.only_one(loaded, "engine")
    assert coordination.only_one(loaded, "monitor").acquired
    other.communicate(b"\n")
    assert coordination.only_one(loaded, "engine").acquired


def test_several_on_another_database_with_a_backend(tmp_path):
    loaded = conf(tmp_path, backend_url="etcd3+http://127.0.0.1:1")
    loaded.set_override("connection", "postgresql+psycopg2://db/gateway", "database")
    assert coordination.only_one(loaded, "engine") is None


def test_a_backend_that_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("OS_COORDINATION__BACKEND_URL", "localhost:2379")
    with pytest.raises(ValueError, match=r"it must begin with one of etcd3\+http://"):
        options.load(["--state_path", str(tmp_path)], config_files=[])
