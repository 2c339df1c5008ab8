"""Three engines over PostgreSQL and etcd, on the real cloud: the one that works on a deployment is killed,
frozen, told to stop, or cut off from etcd, from the database, from both, and comes back while
another one works.

    make several-engines          (SEVERAL="frozen" for one of them)

Prints a row for each; exits with 1 when anything is not as it should.
"""

import contextlib
import json
import os
import pathlib
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable

import etcd3gw
import requests
import sqlalchemy as sa
from crash.ground import Ground, Lane
from crash.rows import KINDS
from harness.gatewayd import Gatewayd
from harness.tcp_proxy import Proxy

from gateway.tests import databases
from gateway.tests.database_servers import PostgreSQL
from gateway.tests.etcd import Etcd

_AWAY = 12.0  # seconds that a fault lasts: twice the lease
_WORK = 20  # seconds of a deployment's setup
_SOON = 60.0  # seconds


class Engine(Gatewayd):
    """One with the role engine alone, behind proxies of its own; it shares the others' state."""

    def __init__(self, folder: pathlib.Path, shared: pathlib.Path, database: sa.URL, etcd_port: int):
        self.database_proxy, self.etcd_proxy = Proxy(database.port), Proxy(etcd_port)
        url = database.set(port=self.database_proxy.port).render_as_string(hide_password=False)
        super().__init__(folder, _options(shared, "engine", url, self.etcd_proxy.port))

    def _wait_until_up(self) -> None:
        """It has no port; the deployment waits for it."""

    def end(self) -> None:
        """However a fault has left it."""
        with contextlib.suppress(ProcessLookupError):
            self.kill()

    def all_processes(self, number: signal.Signals) -> None:
        os.killpg(self.pid, number)


def _options(shared: pathlib.Path, role: str, database: str, etcd_port: int) -> dict[str, dict]:
    return {
        "DEFAULT": {"state_path": shared, "role": role},
        "database": {"connection": database},
        "coordination": {"backend_url": f"etcd3+http://127.0.0.1:{etcd_port}"},
        "deploy": {"healthy_timeout": 120},
        "api": {"workers": 1},
    }


class Hosts(Lane):
    """A user, an API and three engines."""

    def __init__(self, ground: Ground, made: contextlib.ExitStack):
        super().__init__(ground, "several", 0)
        server = PostgreSQL().start()
        made.callback(server.stop)
        url = databases.made("gateway", server.url)
        etcd = Etcd(ground.folder / "etcd").start()
        made.callback(etcd.stop)
        self._etcd = etcd3gw.Etcd3Client(port=etcd.port, timeout=5)
        self.daemon.configure(_options(self.daemon.state, "api", url, etcd.port))
        self.daemon.start()
        made.callback(self.daemon.stop)
        folders = [ground.folder / f"engine-{number}" for number in range(3)]
        self.engines = [Engine(each, self.daemon.state, sa.make_url(url), etcd.port) for each in folders]
        for each in self.engines:
            each.start()
            made.callback(each.end)

    def owner(self) -> str | None:
        """Of the one job on the board."""
        for value, _ in self._etcd.get_prefix("/taskflow/jobs/gateway/"):
            found = json.loads(value)  # the board keeps a number there, too
            if isinstance(found, dict) and "owner" in found:
                return found["owner"]
        return None

    def at_work(self) -> Engine:
        """The one that works on it."""
        pid = int(self.owner().split("-engine-")[1].split("-")[0])
        return next(each for each in self.engines if each.pid == os.getpgid(pid))


def _until(is_so: Callable[[], object], what: str) -> float:
    """The seconds that it took."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() < began + _SOON, f"not within {_SOON:g} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - began


def _kill(engine: Engine) -> Callable[[], object]:
    engine.kill()
    return engine.start


def _freeze(engine: Engine) -> Callable[[], object]:
    engine.all_processes(signal.SIGSTOP)
    return lambda: engine.all_processes(signal.SIGCONT)


def _stop(engine: Engine) -> Callable[[], object]:
    engine.signal(signal.SIGTERM)
    return lambda: (engine.exit_code(), engine.start())


def _cut(*names: str) -> Callable[[Engine], Callable[[], object]]:
    """Nothing is answered any more; what was asked is done all the same, and answered in the end."""

    def fault(engine: Engine) -> Callable[[], object]:
        proxies = [getattr(engine, f"{name}_proxy") for name in names]
        for each in proxies:
            each.hold_answers_after(b"")
        return lambda: [each.mend() for each in proxies]

    return fault


FAULTS = {
    "killed": _kill,
    "frozen": _freeze,
    "told to stop": _stop,
    "cut off from etcd": _cut("etcd"),
    "cut off from the database": _cut("database"),
    "cut off from both": _cut("etcd", "database"),
}


def _at_its_setup(hosts: Hosts, version: str) -> str:
    """The id of a deployment; begun anew where the cloud was too busy for it."""
    server = hosts.on(hosts.guests[:1]) | {"trust_on_first_use": True}  # its console is slow
    while True:
        id = hosts.deploy(version, server, setup=f"sleep {_WORK}")
        while not hosts.is_over(id):
            steps = {step["name"]: step["state"] for step in hosts.deployment(id)["steps"]}
            if steps["install"] == "running":
                return id
            time.sleep(0.2)
        print(f"before any fault: {hosts.deployment(id)['fault']}", file=sys.stderr)
        hosts.undeploy(id)


def row(hosts: Hosts, name: str, version: str) -> tuple[str, ...]:
    """The fault, after how many seconds another engine had taken over, how it ended, and what is left."""
    id = _at_its_setup(hosts, version)
    first = hosts.owner()
    mend = FAULTS[name](hosts.at_work())
    took = _until(lambda: (owner := hosts.owner()) and owner != first, "another engine has it")
    time.sleep(max(0.0, _AWAY - took))
    mend()
    found = hosts.ended(id)
    ended = _judged(hosts, id, found, version)
    hosts.undeploy(id)
    left = hosts.left(id, set())
    _until(lambda: hosts.owner() is None, "the board is empty")
    return (name, f"{took:.1f}", ended, *(str(left[kind]) for kind in KINDS))


def _judged(hosts: Hosts, id: str, found: dict, version: str) -> str:
    if found["status"] != "succeeded":
        return f"WRONG: {found['status']}, {found['fault']}"
    has = {kind: count for kind, count in hosts.has(id, set()).items() if count}
    if has != {"groups": 1, "trusts": 1}:
        return f"WRONG: OpenStack has {has}"
    serving = requests.get(f"{found['instances'][0]['url']}/version.txt", timeout=20).text
    instances = [(each["version"], each["weight"]) for each in hosts.instances()]
    if serving != version or instances != [(version, 1)]:
        return f"WRONG: {serving} serves, and the registry has {instances}"
    return "succeeded"


def main(names: list[str]) -> int:
    folder, good = pathlib.Path(tempfile.mkdtemp(prefix="gateway-several-")), True
    print("| the engine at work is | taken over in, s | ended as | " + " | ".join(KINDS) + " |", flush=True)
    with Ground(1, folder) as ground, contextlib.ExitStack() as made:
        ground.boot_guests(1)
        hosts = Hosts(ground, made)
        for number, name in enumerate(names or FAULTS):
            try:
                cells = row(hosts, name, str(number + 1))
            except Exception as error:
                traceback.print_exc()
                cells = (name, "", f"WRONG: {error}")
            good = good and not cells[2].startswith("WRONG") and not any(map(int, cells[3:]))
            print("| " + " | ".join(cells) + " |", flush=True)
    print(f"logs in {folder}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
