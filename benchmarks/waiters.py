#!/usr/bin/env python3
"""How soon 1,000 requests that wait on one API process are answered, and what `best` takes meanwhile.

    devstack/aio/cloud exec .venv/bin/python benchmarks/waiters.py

A gatewayd of its own with one API process, on the first core; this program on the second: it holds the
connections, and commits the changes through the store as another process of the gateway does. See README.md.
"""

import argparse
import contextlib
import http.client
import itertools
import os
import pathlib
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "features"))

from harness import clouds
from harness.gatewayd import Gatewayd

from gateway import conf as options
from gateway.db import Database
from gateway.registry.model import Check, Health, Kind, Registration, Status
from gateway.registry.store import RegistryStore

TYPE = "bench"
PATIENCE = 30.0  # seconds


class Waiters:
    """Connections that wait for the next change, over and over: ``streams``, or asked each time."""

    def __init__(self, port: int, token: str, count: int, streams: bool):
        self._streams = streams
        self._head = (
            f"Host: 127.0.0.1\r\nX-Auth-Token: {token}\r\n"
            f"Accept: {'text/event-stream' if streams else 'application/json'}\r\n\r\n"
        )
        self._selector = selectors.DefaultSelector()
        self._sockets = [socket.create_connection(("127.0.0.1", port), PATIENCE) for _ in range(count)]
        for each in self._sockets:
            self._selector.register(each, selectors.EVENT_READ)

    def ask(self, index: int) -> None:
        """Returns once all of them wait."""
        for each in self._sockets:
            each.sendall(f"GET /registry/changes?index={index}&wait=600 HTTP/1.1\r\n{self._head}".encode())
        self._hear(b"retry:" if self._streams else b"HTTP/1.1 200 OK\r\n")

    def answered(self, index: int) -> list[float]:
        """When each had its answer to the change ``index``, time.monotonic."""
        return self._hear(f"id: {index}\n".encode() if self._streams else f'{{"index": {index},'.encode())

    def _hear(self, text: bytes) -> list[float]:
        times: list[float] = []
        heard: dict[socket.socket, bytes] = dict.fromkeys(self._sockets, b"")
        while heard:
            ready = self._selector.select(PATIENCE)
            if not ready:
                raise TimeoutError(f"{len(heard)} are not answered")
            for key, _ in ready:
                each = key.fileobj
                data = each.recv(65536)
                if not data:
                    raise ConnectionError(f"cut off after {heard.get(each)!r}")
                if each in heard:
                    heard[each] += data
                    if text in heard[each]:
                        times.append(time.monotonic())
                        del heard[each]
        return times

    def close(self) -> None:
        for each in self._sockets:
            each.close()


class Best(threading.Thread):
    """Asks for the best instance again and again, and notes how long each took, until the daemon is gone."""

    def __init__(self, port: int, token: str):
        super().__init__(daemon=True)
        self._port, self._token = port, token
        self.took: list[float] = []

    def run(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            self._ask()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        while True:
            began = time.monotonic()
            path = f"/registry/service/types/{TYPE}/best"
            connection.request("GET", path, headers={"X-Auth-Token": self._token})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise SystemExit(f"best: {answer.status}")
            self.took.append(time.monotonic() - began)
            time.sleep(0.02)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=1000, help="requests that wait (1000)")
    parser.add_argument("--changes", type=int, default=20, help="changes that they are told, each (20)")
    asked = parser.parse_args()
    run(asked.n, asked.changes)


def run(count: int, changes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.sched_setaffinity(0, {0})  # the daemon inherits it
        settings = {"api": {"workers": 1, "max_waiters": 2 * count}}
        daemon = Gatewayd(pathlib.Path(folder) / "gatewayd", settings)
        daemon.start()
        os.sched_setaffinity(0, {1})
        try:
            measure(daemon, count, changes)
        except (OSError, SystemExit):
            print(daemon.tail(), file=sys.stderr)
            raise
        finally:
            daemon.stop()


def measure(daemon: Gatewayd, count: int, changes: int) -> None:
    user = clouds.as_user("a member")
    token, project_id = user.auth_token, user.current_project_id
    conf = options.load(["--state_path", str(daemon.state)], [])
    store = RegistryStore(Database(conf))
    ports = itertools.count(1000)

    def commit() -> tuple[int, float]:
        unchecked = Check(kind=Kind.TTL, interval=3600.0)
        wanted = Registration(TYPE, "http", "192.0.2.1", next(ports), check=unchecked)
        made = store.insert(project_id, wanted, Health(Status.PASSING, 1, "", time.time()), time.time())
        return made.index, time.monotonic()

    index, _ = commit()
    best = Best(daemon.port, token)
    best.start()
    time.sleep(5)
    alone, best.took = best.took, []
    print(f"{'milliseconds':<34} {'p50':>7} {'p99':>7} {'most':>7}")
    print(row("best, nobody waits", alone))
    for streams in (True, False):
        waiters = Waiters(daemon.port, token, count, streams)
        waiters.ask(index)
        best.took = []
        took = []
        for _ in range(changes):
            time.sleep(0.5)
            index, committed = commit()
            took += [each - committed for each in waiters.answered(index)]
            if not streams:
                waiters.ask(index)
        kind = "events" if streams else "long polls"
        print(row(f"commit → answer, {count} {kind}", took))
        print(row("best meanwhile", best.took))
        print(memory(daemon))
        waiters.close()


def row(name: str, seconds: list[float]) -> str:
    cuts = statistics.quantiles(seconds, n=100)
    return f"{name:<34} {cuts[49] * 1000:7.1f} {cuts[98] * 1000:7.1f} {max(seconds) * 1000:7.1f}"


def memory(daemon: Gatewayd) -> str:
    """Of the process that serves, with its threads."""
    command = ["ps", "-o", "rss=,nlwp=", "-g", str(daemon.pid)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    rss, threads = max(zip(map(int, shown[::2]), map(int, shown[1::2]), strict=True))
    return f"the process: {rss / 1024:.0f} MB, {threads} threads"


if __name__ == "__main__":
    main()
