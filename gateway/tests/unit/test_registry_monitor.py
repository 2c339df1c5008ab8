"""The monitor on real services; what is waited for is waited for by event, never by time."""

import contextlib
import socket
import threading
import time

import pytest
import sqlalchemy as sa

from gateway.registry.model import Check, Key, Kind, Reading, Registration
from gateway.registry.monitor import Monitor
from gateway.tests import registered

FAST = Check(path="/up", interval=0.05, timeout=1, failures_before_critical=2)


@pytest.fixture
def conf(tmp_path):
    conf = registered.configuration(tmp_path, refresh_interval=0.01)
    conf.set_override("refresh_interval", 0.05, "monitor")
    return conf


@pytest.fixture
def registry(conf):
    """The one of an API process; the monitor has its own."""
    return registered.registry(conf)


@contextlib.contextmanager
def running(conf, *probes, **servers):
    stop = threading.Event()
    monitor = Monitor(conf, registered.registry(conf), *probes, **servers)
    thread = threading.Thread(target=monitor.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(5)
        assert not thread.is_alive()


def until(fact, seconds: float = 20):
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def add(registry, port: int, check: Check = FAST, type: str = "auth"):
    wanted = Registration(type=type, proto="http", host="127.0.0.1", port=port, check=check)
    return registry.register("p", wanted, verify=False)


def status(registry, ordinal: int = 0) -> str:
    return registry.instance("p", "auth", ordinal).health.status


def test_what_dies_turns_critical_and_what_comes_back_passes(conf, registry):
    with running(conf), registered.service() as alive:
        with registered.service() as dying:
            add(registry, alive.port)
            add(registry, dying.port)
            until(lambda: dying.asked and alive.asked)
        until(lambda: status(registry, 1) == "critical")
        assert registry.instance("p", "auth", 1).health.output == "connection refused"
        assert {registry.best("p", "auth").ordinal for _ in range(3)} == {0}
        with registered.service(dying.port):
            until(lambda: status(registry, 1) == "passing")
        assert {registry.best("p", "auth").ordinal for _ in range(4)} == {0, 1}


def test_what_is_removed_is_left_alone(conf, registry):
    with running(conf), registered.service() as gone, registered.service() as kept:
        add(registry, gone.port)
        add(registry, kept.port)
        until(lambda: gone.asked and kept.asked)
        registry.deregister("p", "auth", 0)
        until(lambda: quiet(gone, kept))


def quiet(gone, kept) -> bool:
    """The one was not asked while the other was asked three times."""
    before, seen = len(gone.asked), len(kept.asked)
    until(lambda: len(kept.asked) >= seen + 3)
    return len(gone.asked) == before


def test_no_instance_is_checked_twice_at_once(conf, registry):
    """Not even when a check takes longer than the interval, and not more than max_checks of all."""
    conf.set_override("max_checks", 2, "monitor")
    watched = Slow()
    with running(conf), contextlib.ExitStack() as stack:
        for _ in range(4):
            service = stack.enter_context(watched.service())
            add(registry, service.port, Check(interval=0.01, timeout=5))
        until(lambda: watched.done >= 20)
    assert max(watched.most_of_one.values()) == 1
    assert watched.most == 2


class Slow:
    """Services that take a while to answer, and count who is in them."""

    def __init__(self):
        self.lock, self.inside, self.most_of_one = threading.Lock(), {}, {}
        self.done = self.most = 0

    @contextlib.contextmanager
    def service(self):
        with registered.service() as made:
            made.asked = Counted(self, made.port)
            yield made

    def enter(self, port):
        with self.lock:
            self.inside[port] = self.inside.get(port, 0) + 1
            self.most_of_one[port] = max(self.most_of_one.get(port, 0), self.inside[port])
            self.most = max(self.most, sum(self.inside.values()))
        time.sleep(0.03)
        with self.lock:
            self.inside[port] -= 1
            self.done += 1


class Counted(list):
    def __init__(self, slow: Slow, port: int):
        super().__init__()
        self._slow, self._port = slow, port

    def append(self, path):
        self._slow.enter(self._port)


def test_checks_go_on_while_the_database_is_away_and_are_recorded_after(conf, registry):
    with running(conf), registered.service() as service:
        add(registry, service.port)
        until(lambda: service.asked)
        rename(registry, "last_change", "away")
        service.status = 500
        seen = len(service.asked)
        until(lambda: len(service.asked) > seen + 5)
        rename(registry, "away", "last_change")
        until(lambda: status(registry) == "critical")


def rename(registry, before: str, after: str) -> None:
    with registry._store._database.write() as connection:
        connection.execute(sa.text(f"ALTER TABLE {before} RENAME TO {after}"))


def test_who_reports_by_itself_is_critical_without_a_word(conf, registry):
    check = Check(kind=Kind.TTL, interval=0.3, failures_before_critical=1)
    add(registry, 1, check)
    with running(conf):
        until(lambda: status(registry) == "critical")
        assert registry.instance("p", "auth", 0).health.output == "no heartbeat for 0.3 s"
        registry.beat("p", "auth", 0, True, "well")
        until(lambda: any(reading.output == "well" for reading in kept(registry)))
        until(lambda: status(registry) == "passing" or not registry.beat("p", "auth", 0, True, "well"))
        registry.beat("p", "auth", 0, False, "disk full")
        until(lambda: any(reading.output == "disk full" for reading in kept(registry)))


def kept(registry):
    return registry.last_readings(registry.instance("p", "auth", 0))


def test_readings_are_kept_until_the_instance_goes(conf, registry):
    with running(conf), registered.service() as service:
        added = add(registry, service.port)
        until(lambda: len(kept(registry)) == 10)
        assert {reading.output for reading in kept(registry)} == {"200 OK"}
        assert all(0 < reading.latency < 10 for reading in kept(registry))
        registry.deregister(*added.key)
        until(lambda: registry.readings.last(added.key, 0) == [])


def test_what_vanished_while_no_monitor_ran_is_forgotten(conf, registry):
    gone = Key("p", "gone", 3)
    registry.readings.write([(gone, Reading(True, "", 1.0))])
    with running(conf):
        until(lambda: registry.readings.known() == set())


def test_checks_that_others_make(conf, registry):
    async def probe(instance):
        return Reading(False, f"from {instance.host}", time.time())

    add(registry, 1, Check(kind=Kind.SSH, command="x", interval=0.05, failures_before_critical=1))
    with running(conf, {"ssh": probe}):
        until(lambda: status(registry) == "critical")
    assert registry.instance("p", "auth", 0).health.output == "from 127.0.0.1"


class Nova:
    """Says what it is told to."""

    def __init__(self):
        self.says, self.asked = {}, []

    def __call__(self, instances):
        self.asked += [instance.name for instance in instances]
        return {i.key: self.says[i.server_id] for i in instances if i.server_id in self.says}


def on_server(registry, port: int, server_id: str):
    check = Check(path="/up", interval=0.1, timeout=10, failures_before_critical=100)
    wanted = Registration(
        "auth",
        "http",
        "127.0.0.1",
        port,
        check=check,
        deployment_id="d",
        server_id=server_id,
        signature=server_id,
    )
    return registry.register("p", wanted, verify=False)


def test_nova_explains_the_stopped_and_takes_the_deleted_away(conf, registry):
    nova = Nova()
    nova.says = {"stopped": "SHUTOFF", "deleted": None, "running": "ACTIVE"}
    with running(conf, servers=nova), registered.service() as well:
        for server_id in ("stopped", "deleted", "running", "unknown"):
            on_server(registry, 1, server_id)
        on_server(registry, well.port, "well")
        until(lambda: status(registry) == "critical")
        assert registry.instance("p", "auth", 0).health.output.startswith("its server is SHUTOFF in Nova")
        until(lambda: "auth-1" not in [instance.name for instance in registry.instances("p", "auth")])
        until(lambda: status(registry, 2) == status(registry, 3) == "warning")
    assert "auth-4" not in nova.asked
    assert nova.asked.count("auth-0") == 1  # though it failed often


def test_without_the_reference_the_failing_go_on(conf, registry):
    with socket.create_server(("127.0.0.1", 0)) as reference:
        place = f"127.0.0.1:{reference.getsockname()[1]}"
        conf.set_override("reference", [place], "monitor")
        with running(conf):
            add(registry, 1)
            until(lambda: status(registry) == "critical")
            assert not registry.instance("p", "auth", 0).health.held
            reference.close()
            until(lambda: registry.instance("p", "auth", 0).health.held)
            assert registry.best("p", "auth").ordinal == 0
            with socket.create_server(("127.0.0.1", int(place.partition(":")[2]))):
                until(lambda: not registry.instance("p", "auth", 0).health.held)
