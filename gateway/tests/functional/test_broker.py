"""The broker's work on a real Redis: made, taken back, gone on with. See features/broker.feature."""

import contextlib
import dataclasses
import pathlib
import subprocess
import sys
import threading
import time

import pytest
import redis

from gateway import errors
from gateway.broker.broker import Broker, Reach
from gateway.broker.model import Fault, Status
from gateway.tests import brokered, database_servers

PATIENCE = 60  # seconds

pytestmark = pytest.mark.skipif(
    not database_servers.Redis.installed, reason="needs apt-get install redis-server"
)


@pytest.fixture(scope="module")
def server():
    made = database_servers.Redis().start()
    yield made
    made.stop()


@pytest.fixture
def conf(tmp_path):
    return brokered.configuration(tmp_path)


@pytest.fixture
def provider(server):
    return brokered.provider_on(server)


@pytest.fixture
def store(conf, provider):
    made = brokered.store(conf)
    made.add_provider(provider)
    return made


@contextlib.contextmanager
def working(conf, store):
    stop = threading.Event()
    thread = threading.Thread(target=Broker(conf, store, brokered.roll(conf)).run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def until(is_so):
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def status(store, service):
    found = store.by_id(service.id)
    return found and found.status


def logged_in(server, binding):
    with contextlib.closing(
        redis.Redis("127.0.0.1", server.port, username=binding.user, password=binding.password)
    ) as client:
        return client.acl_whoami() == binding.user


def test_made_and_deleted(conf, store, server):
    service = brokered.service()
    store.add(service, 9)
    with working(conf, store):
        until(lambda: status(store, service) is Status.READY)
        made = store.by_id(service.id)
        assert [each.status for each in made.bindings] == [Status.READY]
        assert logged_in(server, made.current)
        assert store.add_binding(brokered.binding(2), 9)
        until(lambda: store.by_id(service.id).current.id == brokered.binding(2).id)
        store.delete_binding(made.current)
        until(lambda: len(store.by_id(service.id).bindings) == 1)
        with pytest.raises(redis.AuthenticationError):
            logged_in(server, made.current)
        store.delete(made)
        until(lambda: status(store, service) is None)
    assert server.things() == set()


def test_what_was_begun_by_one_that_was_killed_is_gone_on_with(conf, store, provider, server):
    """It had made the login, and died before it could say so."""
    service = brokered.service()
    store.add(service, 9)
    binding, plan = service.bindings[0], provider.plan("redis", "free")
    Reach(conf).driver(provider).bind(service, binding, plan)
    with working(conf, store):
        until(lambda: status(store, service) is Status.READY)
        assert logged_in(server, binding)
        store.delete(service)
        until(lambda: status(store, service) is None)
    assert server.things() == set()


def test_what_was_begun_to_be_taken_back_is_gone_on_with(conf, store, provider, server):
    fault = Fault("gateway.provider.timeout", "It was too slow.")
    service = brokered.service()
    store.add(service, 9)
    binding, plan = service.bindings[0], provider.plan("redis", "free")
    Reach(conf).driver(provider).bind(service, binding, plan)
    store.move(service, Status.REVERTING, fault)
    with working(conf, store):
        until(lambda: status(store, service) is Status.FAILED)
    assert store.by_id(service.id).fault == fault
    assert server.things() == set()


@contextlib.contextmanager
def held(process):
    """While it holds the lock, and not longer."""
    assert process.stdout.readline() == "held\n"
    try:
        yield
    finally:
        process.kill()


def test_one_process_works_at_a_time(conf, store):
    """As while a daemon is started anew and the one before still drains."""
    script = "import fasteners, sys; lock = fasteners.InterProcessLock(sys.argv[1]); lock.acquire()\n"
    script += "print('held', flush=True); input()"
    lock = pathlib.Path(conf.state_path) / "broker.lock"
    service = brokered.service()
    with (
        subprocess.Popen(
            [sys.executable, "-c", script, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other,
        held(other),
        working(conf, store),
    ):
        store.add(service, 9)
        time.sleep(1)  # ten looks for work
        assert status(store, service) is Status.CREATING
        other.kill()
        until(lambda: status(store, service) is Status.READY)
        store.delete(service)
        until(lambda: status(store, service) is None)


def test_a_binding_that_cannot_be_made_is_taken_back_alone(conf, store, provider, server):
    service = brokered.service()
    store.add(service, 9)
    with working(conf, store):
        until(lambda: status(store, service) is Status.READY)
        store.change_provider(dataclasses.replace(provider, password="wrong"))
        store.add_binding(brokered.binding(2), 9)
        until(lambda: store.by_id(service.id).bindings[1].status is Status.REVERTING)
        store.change_provider(provider)
        until(lambda: store.by_id(service.id).bindings[1].status is Status.FAILED)
        made = store.by_id(service.id)
        assert made.bindings[1].fault.code == "gateway.provider.refused"
        assert made.current == made.bindings[0]
        store.delete(made)
        until(lambda: status(store, service) is None)
    assert server.things() == set()


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("127.0.0.1", "gateway.provider.host"),
        ("localhost", "gateway.provider.host"),
        ("169.254.169.254", "gateway.provider.host"),
        ("[::ffff:127.0.0.1]", "gateway.provider.host"),
        ("no host", "gateway.provider.host"),
        ("nowhere.invalid", "gateway.provider.unreachable"),
    ],
)
def test_where_no_provider_may_be(conf, provider, host, code):
    conf.set_override("allowed_networks", [], "broker")
    with pytest.raises(errors.GatewayError) as refused:
        Reach(conf).driver(dataclasses.replace(provider, url=f"redis://{host}:6379"))
    assert refused.value.code == code
