"""What one core of the monitor carries: `python benchmarks/health_checks.py [-n INSTANCES] [-s SECONDS]`.

Two parts, in one run on one machine: how many checks a second this check, aiohttp and requests make, with a
new connection for each; and a real Monitor on a real SQLite file with INSTANCES instances, each checked every
ten seconds, of which some die. The checker has the first core, nginx and all else the last one. Nothing but
127.0.0.0/8 is connected to: each instance is an address of its own there.
"""

import argparse
import asyncio
import contextlib
import json
import os
import pathlib
import queue
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

import uvloop

from gateway import conf as options
from gateway import vault
from gateway.db import Database, schema
from gateway.registry import checks, store
from gateway.registry.model import Check, Health, Instance, Status
from gateway.registry.monitor import Monitor
from gateway.registry.registry import Registry
from gateway.registry.schedule import Schedule
from gateway.registry.signature import Signer
from gateway.registry.store import RegistryStore

INTERVAL = 10.0
AT_ONCE = 64
PROJECTS, TYPES = 100, 3  # of each project
DYING = 100
DYING_CHECK = Check(path="/up", interval=INTERVAL, timeout=2, failures_before_critical=2)
LIVING_CHECK = Check(path="/up", interval=INTERVAL, timeout=2)
_FIRST, _LAST = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))

_NGINX = """
daemon off; master_process off; worker_rlimit_nofile 65536; pid {folder}/pid; error_log /dev/null;
events {{ worker_connections 32768; }}
http {{
  access_log off; keepalive_timeout 0;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  default_type application/json;
  server {{ listen {port} backlog=16384; location / {{ return 200 '{{"up": true}}'; }} }}
}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-n", type=int, default=30_000, metavar="INSTANCES")
    parser.add_argument("-s", type=float, default=40, metavar="SECONDS", help="of the monitor (40)")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        os.sched_setaffinity(0, {_FIRST})
        print(json.dumps(_PARTS[arguments.part](*json.loads(os.environ["BENCHMARK"]))))
        return
    if not shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"):
        sys.exit("nginx is needed: apt-get install nginx-light")
    os.sched_setaffinity(0, {_LAST})
    with tempfile.TemporaryDirectory() as folder, nginx(folder) as (living, _):
        print(f"{'checks of one nginx, a new connection each':<44} checks/s   CPU us/check")
        for name in ("gateway", "gateway, asyncio's loop", "aiohttp", "requests, 64 threads"):
            made, cpu = part(name, living, 5.0)
            print(f"  {name:<42} {made / 5:>8,.0f} {cpu / made * 1e6:>14,.0f}")
    with tempfile.TemporaryDirectory() as folder, nginx(folder) as living, nginx(folder) as dying:
        found = monitor(arguments.n, arguments.s, living, dying)
    print(f"\n{arguments.n:,} instances every {INTERVAL:g} s, the whole monitor on one core")
    for name, value in found.items():
        print(f"  {name:<42} {value}")


def part(name: str, *arguments) -> list:
    """Runs in a process of its own, whose CPU is only the checker's."""
    command = [sys.executable, __file__, "--part", name]
    environment = os.environ | {"BENCHMARK": json.dumps(arguments)}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


@contextlib.contextmanager
def nginx(folder: str) -> Iterator[tuple[int, subprocess.Popen]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home = pathlib.Path(folder) / str(port)
    home.mkdir()
    config = home / "nginx.conf"
    config.write_text(_NGINX.format(folder=home, port=port))
    process = subprocess.Popen(["nginx", "-c", config], env={"PATH": f"{os.environ['PATH']}:/usr/sbin"})
    try:
        until(lambda: _answers(port))
        yield port, process
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    return checks.probe("http", "127.0.0.1", port, LIVING_CHECK).ok


def until(fact, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > end:
            raise TimeoutError(f"not so after {seconds:g} s")
        time.sleep(0.05)


def address(number: int) -> str:
    return f"127.{1 + number // 65536}.{number // 256 % 256}.{number % 256}"


# How many checks a second


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def at_once(check, seconds: float, factory=uvloop.new_event_loop) -> tuple[int, float]:
    """``check(number)`` by AT_ONCE coroutines for so long: checks made, CPU seconds."""
    made = 0

    async def one(end: float) -> None:
        nonlocal made
        while time.monotonic() < end:
            assert await check(made)
            made += 1

    async def run() -> None:
        await check(0)
        nonlocal began
        began, end = cpu(), time.monotonic() + seconds
        await asyncio.gather(*(one(end) for _ in range(AT_ONCE)))

    began = 0.0
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(run())
    return made, cpu() - began


def of_gateway(port: int, seconds: float, factory=uvloop.new_event_loop) -> tuple[int, float]:
    async def check(number: int) -> bool:
        return (await checks.read("http", address(number % 30_000), port, LIVING_CHECK)).ok

    return at_once(check, seconds, factory)


def of_aiohttp(port: int, seconds: float) -> tuple[int, float]:
    import aiohttp

    session = None

    async def check(number: int) -> bool:
        nonlocal session
        if session is None:
            session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=0))
        async with session.get(f"http://{address(number % 30_000)}:{port}/up") as answer:
            return (await answer.json())["up"] is True

    return at_once(check, seconds)


def of_requests(port: int, seconds: float) -> tuple[int, float]:
    import requests

    numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
    began, end = cpu(), time.monotonic() + seconds

    def work(first: int) -> None:
        number = first
        while time.monotonic() < end:
            url = f"http://{address(number % 30_000)}:{port}/up"
            assert requests.get(url, timeout=2).json()["up"] is True
            numbers.put(number)
            number += AT_ONCE

    threads = [threading.Thread(target=work, args=(first,)) for first in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return numbers.qsize(), cpu() - began


# The monitor


def monitor(instances: int, seconds: float, living, dying) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        options_ = [folder, instances, seconds, living[0], dying[0], dying[1].pid]
        return part("monitor", *options_)


def of_monitor(
    folder: str, instances: int, seconds: float, living: int, dying: int, pid: int
) -> dict[str, str]:
    conf = options.load(["--state_path", folder], [])
    for name, value in {"blocked_networks": [], "allowed_networks": ["127.0.0.0/8"]}.items():
        conf.set_override(name, value, "registry")
    registry = _registry(conf)
    _register(registry, instances, living, dying)
    late = _measured()
    stop = threading.Event()
    thread = threading.Thread(target=Monitor(conf, registry).run, args=(stop,))
    thread.start()
    time.sleep(2 * INTERVAL + 5)  # after a start, failures count only after one interval and timeout
    late.clear()
    began, used = time.monotonic(), cpu()
    os.kill(pid, signal.SIGKILL)
    died = time.time()
    time.sleep(seconds)
    took, used = time.monotonic() - began, cpu() - used
    stop.set()
    thread.join()
    found = sorted(late)
    lags = statistics.median(found), found[len(found) * 99 // 100], found[-1]
    seen = [i.health for i in registry.view().instances() if i.check == DYING_CHECK]
    dead = [health.since - died for health in seen if health.status is Status.CRITICAL]
    wrong = sum(
        i.health.status is not Status.PASSING for i in registry.view().instances() if i.check == LIVING_CHECK
    )
    limit = INTERVAL * DYING_CHECK.failures_before_critical + 1
    return {
        "checks/s": f"{len(found) / took:,.0f}",
        "CPU of the core": f"{used / took:.0%}",
        "CPU us/check, judging and keeping included": f"{used / len(found) * 1e6:,.0f}",
        "lag of a check's start, p50 / p99 / most, ms": " / ".join(f"{1000 * lag:.1f}" for lag in lags),
        "memory, MB": f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f}",
        f"dead ones critical within, of {limit:g} s": f"{max(dead, default=0):.1f} s ({len(dead)}/{DYING})",
        "living ones that were thought ill": str(wrong),
    }


def _registry(conf) -> Registry:
    database = Database(conf)
    schema.upgrade(database)
    return Registry(conf, RegistryStore(database), Signer(conf, vault.opened(conf), database))


def _register(registry: Registry, instances: int, living: int, dying: int) -> None:
    """In one transaction: one each would take longer than the run."""
    now = time.time()
    rows = []
    for number in range(instances):
        is_dying = number < DYING
        instance = Instance(
            project_id=f"p{number % PROJECTS}",
            type="dying" if is_dying else f"t{number // PROJECTS % TYPES}",
            ordinal=number,
            proto="http",
            host=address(number),
            port=dying if is_dying else living,
            http_port=0,
            https_port=0,
            routes=(),
            check=DYING_CHECK if is_dying else LIVING_CHECK,
            health=Health(since=now),
            weight=1,
            signature="",
            created_at=now,
        )
        rows.append(store._row(instance))
    with registry._store._database.write() as connection:
        connection.execute(store._instances.insert(), rows)


def _measured() -> list[float]:
    """How late each check begins, in seconds."""
    late: list[float] = []
    start = Schedule._start

    def measured(self, watch) -> None:
        late.append(self._loop.time() - watch.due)
        start(self, watch)

    Schedule._start = measured
    return late


_PARTS = {
    "gateway": of_gateway,
    "gateway, asyncio's loop": lambda port, seconds: of_gateway(port, seconds, asyncio.new_event_loop),
    "aiohttp": of_aiohttp,
    "requests, 64 threads": of_requests,
    "monitor": of_monitor,
}

if __name__ == "__main__":
    main()
