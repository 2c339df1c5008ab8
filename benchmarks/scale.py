#!/usr/bin/env python3
"""What grows with the number of instances and deployments, and what does not.

    .venv/bin/python benchmarks/scale.py [--rounds 3] [--large 100000]

It needs no cloud. A database of its own is filled for each size, and a process that has nothing else to do
measures on it, in turns with those of the other sizes: the CPU seconds of each thing, the least of several
times, so that what else the machine does matters little. Those who ask own half of everything.
"""

import argparse
import asyncio
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator

import dns.message
import uvloop
import webob
from filled import PROJECT, Size, fill
from keystoneauth1 import fixture as keystone

from gateway import conf as options
from gateway import daemon
from gateway.api import app as api
from gateway.api import auth, consul, policies
from gateway.deploy import heal
from gateway.registry import brake, ledger
from gateway.registry import dns as zone
from gateway.registry.model import Reading, Registration
from gateway.registry.schedule import Schedule

_SECONDS, _FEWEST, _MOST = 0.3, 3, 300  # of each thing measured, and how often
_LONG = 2.0  # seconds after which it is not repeated


def configured(folder: pathlib.Path):
    file = folder / "gateway.conf"
    file.write_text(
        "[keystone_authtoken]\nauth_type = password\nauth_url = http://127.0.0.1:9/v3\n"
        "www_authenticate_uri = http://127.0.0.1:9/v3\n"
        "username = gateway\npassword = secret\nproject_name = service\n"
        "user_domain_name = Default\nproject_domain_name = Default\n"
        f"[consul]\nproject_id = {PROJECT}\nallowed_networks = 127.0.0.0/8\n"
        f"[dns]\nproject_id = {PROJECT}\nmax_rate = 1000000\n"
        "[registry]\nblocked_networks =\nallowed_networks = 10.0.0.0/8\nmax_changes = 100000000\n"
    )
    return options.load(["--state_path", str(folder)], [str(file)])


# What is measured, in a process of its own


def measured(conf) -> dict[str, float]:
    """Seconds of CPU by what took them, and MiB."""
    imported = time.process_time()
    empty = _resident()
    parts = daemon.parts(conf)
    loaded = Loaded(conf, parts)
    loaded.best()
    found = {
        "start-up: from python's start to the first best": time.process_time(),
        "  of it reading the instances": time.process_time() - imported,
        "  memory for them, MiB": _resident() - empty,
    }
    for name, work in loaded.works():
        found[name] = least(work)
    return found


def least(work: Callable[[], object]) -> float:
    seconds, until = [], time.monotonic() + _SECONDS
    while (len(seconds) < _FEWEST and sum(seconds) < _LONG) or (
        time.monotonic() < until and len(seconds) < _MOST
    ):
        before = time.process_time()
        told = work()
        seconds.append(told if isinstance(told, float) else time.process_time() - before)
    return min(seconds)


def _resident() -> float:
    """MiB."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


class Loaded:
    """A process over a full database, as the daemon's are."""

    def __init__(self, conf, parts: api.Parts):
        self._conf, self._parts = conf, parts
        self._registry = parts.registry
        self._app = api.application(parts)
        self._token = uuid.uuid4().hex
        self._caller = _caller(conf, self._token)
        self._others: api.Parts | None = None

    def best(self) -> bytes:
        return self.get("/registry/service/types/type-1/best")

    def get(self, path: str) -> bytes:
        environ = webob.Request.blank(path, headers={"X-Auth-Token": self._token}).environ
        environ[auth.CALLER] = self._caller  # as if Keystone had been asked
        return _answered(self._app, environ)

    def works(self) -> Iterator[tuple[str, Callable[[], object]]]:
        yield from self._reads()
        yield from self._facades()
        yield from self._lists()
        yield from self._writes()
        yield from self._engine()
        yield from self._monitor()

    def _reads(self):
        registry, service = "/registry", "/registry/service"
        last = json.loads(self.get(f"{service}?limit=1&health=passing"))["services"][0]["name"]
        index = self._registry.view().index
        for name, path in (
            ("best", f"{service}/types/type-1/best"),
            ("best?tag=", f"{service}/types/type-1/best?tag=http"),
            ("an instance", f"{service}/type-1-3"),
            ("its readings", f"{service}/{last}/readings"),
            ("search: a page of 100", f"{service}?limit=100"),
            ("search: a page of 100 in the middle", f"{service}?limit=100&marker=type-5-0"),
            ("search: 10 of a version", f"{service}?version=1.3.0&limit=10"),
            ("search: 10 of a tag", f"{service}?tag=rack-7&limit=10"),
            ("search: what no instance is (critical)", f"{service}?health=critical"),
            ("changes: the next 100 of 200", f"{registry}/changes?index={index - 200}&limit=100"),
            ("changes: 100 from long ago", f"{registry}/changes?index=5&limit=100"),
            ("changes: of one type, from long ago", f"{registry}/changes?index=5&type=type-1&limit=5"),
        ):
            yield name, lambda path=path: self.get(path)

    def _facades(self):
        of_consul = consul.application(self._parts)
        listener = zone.Listener(self._conf, self._registry)

        def asked(path: str):
            environ = webob.Request.blank(path).environ
            environ["REMOTE_ADDR"] = "127.0.0.1"
            return _answered(of_consul, environ)

        def resolved(name: str, kind: str):
            return listener.datagram(dns.message.make_query(name, kind).to_wire(), "127.0.0.1")

        yield "DNS: an instance's address", lambda: resolved("type-1-3.instance.gateway", "A")
        yield "DNS: a name that is not there", lambda: resolved("nobody.service.gateway", "A")
        yield "whole: a type (fast path)", lambda: self.get("/registry/service/types/type-1")
        yield "whole: Consul, a type", lambda: asked("/v1/health/service/type-1?passing")
        yield "whole: DNS, SRV of a type", lambda: resolved("type-1.service.gateway", "SRV")
        yield "whole: Prometheus, a type", lambda: self.get("/registry/facades/http_sd?type=type-1")
        yield "whole: names of types", lambda: self.get("/registry/service/types")
        yield "whole: Consul, types and tags", lambda: asked("/v1/catalog/services")
        yield "whole: Prometheus, all instances", lambda: self.get("/registry/facades/http_sd")

    def _lists(self):
        page = json.loads(self.get("/v1/deployments?limit=20"))["deployments"]
        marker = page[-1]["id"]
        yield "deployments: a page of 20", lambda: self.get("/v1/deployments?limit=20")
        path = f"/v1/deployments?limit=20&marker={marker}"
        yield "deployments: the next page", lambda: self.get(path)
        yield "a deployment", lambda: self.get(f"/v1/deployments/{marker}")
        yield "its log", lambda: self.get(f"/v1/deployments/{marker}/log")

    def _writes(self):
        """By another process, as it seems to this one."""
        others = daemon.parts(self._conf).registry
        others.view()
        weights = iter(range(10, 1_000_000))

        def seen() -> float:
            others.amend(PROJECT, "type-1", 3, weight=next(weights) % 100 + 1)
            before = time.process_time()
            self.best()
            return time.process_time() - before

        def changed():
            others.amend(PROJECT, "type-1", 3, weight=next(weights) % 100 + 1)

        def registered() -> float:
            wanted = {"type": "new", "proto": "http", "host": "10.200.0.1", "port": 8080}
            before = time.process_time()
            instance = others.register(PROJECT, _registration(wanted), verify=False)
            spent = time.process_time() - before
            others.remove(PROJECT, "new", instance.ordinal)
            return spent

        yield "a change, written", changed
        yield "best after another's change", seen
        yield "a registration, written", registered

    def _engine(self):
        store = self._parts.deployments
        healer = heal.Healer(self._conf, store, self._parts.sessions, self._registry)
        id = json.loads(self.get("/v1/deployments?limit=1"))["deployments"][0]["id"]
        yield "engine: a look for work", store.unfinished
        yield (
            "engine: of one deployment in the registry",
            lambda: self._registry.of_deployment(PROJECT, "type-1", id),
        )
        yield "whole: sweep, what the gateway knows", store.known
        yield "whole: a look for servers to replace", lambda: healer.look(threading.Event())

    def _monitor(self):
        registry = self._registry
        book = ledger.Ledger(registry, brake.Rule(share=0.5, minimum=5, window=60, patience=600))
        some = list(registry.view().types(PROJECT)["type-1"].instances.values())[:10]
        outputs = iter(range(1_000_000))

        def judged():
            at = time.time()
            output = f"{next(outputs)}"
            book.record([(i.key, _reading(output, at)) for i in some])

        yield "monitor: ten readings that change something", judged
        yield "monitor: a round's settling", lambda: book.settle(ledger.CALM)
        before = time.process_time()
        registry.renew_signatures()
        first = time.process_time() - before
        yield (
            "monitor: ten readings, kept",
            lambda: registry.readings.write([(i.key, _reading("200 OK", time.time())) for i in some]),
        )
        yield "monitor: a look for old changes", registry.forget_changes
        yield "whole: monitor, a look for old signatures", registry.renew_signatures
        yield "whole: monitor's start, that look", lambda: first
        yield "whole: monitor's start, whom to check", lambda: _run(_scheduled(registry))
        yield "whole: monitor's start, readings of the gone", registry.readings.known
        book.record([(some[0].key, Reading(False, "refused", time.time())) for _ in range(3)])
        yield "whole: monitor, settling while one is ill", lambda: book.settle(ledger.CALM)


def _caller(conf, token: str) -> auth.Caller:
    made = keystone.V3Token(project_id=PROJECT, user_id="u" * 32)
    made.add_role(name="member")
    environ = {
        "HTTP_X_AUTH_TOKEN": token,
        "HTTP_X_PROJECT_ID": PROJECT,
        "HTTP_X_USER_ID": "u" * 32,
        "HTTP_X_ROLES": "member,reader",
        "keystone.token_info": made,
    }
    return auth.Caller(environ, policies.enforcer(conf))


def _answered(app: Callable, environ: dict) -> bytes:
    statuses = []
    body = b"".join(app(environ, lambda status, headers, *_: statuses.append(status)))
    assert statuses[0].startswith("200"), (environ["PATH_INFO"], statuses, body[:300])
    return body


def _registration(fields: dict) -> Registration:
    return Registration(**fields)


def _reading(output: str, at: float) -> Reading:
    return Reading(True, output, at)


def _run(work) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


async def _scheduled(registry) -> None:
    """As the monitor does when it starts, but that nothing is checked."""

    async def check(_instance) -> None:
        pass

    schedule = Schedule(check, 1)
    for instance in registry.view().instances():
        schedule.watch(instance)
    await schedule.stop()


# All sizes, in turns


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", type=int, default=100_000, help="instances, ten times the deployments")
    parser.add_argument("--measure", type=pathlib.Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measured(configured(args.measure))))
        return 0
    many = args.large // 10
    sizes = [Size(1_000, 100, 100), Size(args.large, 100, many), Size(args.large, many, many)]
    with tempfile.TemporaryDirectory(prefix="gateway-benchmark-") as name:
        places = [pathlib.Path(name) / str(number) for number in range(len(sizes))]
        for place, size in zip(places, sizes, strict=True):
            place.mkdir()
            fill(configured(place), size)
        rounds = [[_one(place) for place in places] for _ in range(args.rounds)]
    print_table(sizes, [_least(column) for column in zip(*rounds, strict=True)])
    return 0


def _one(place: pathlib.Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", str(place)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def _least(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: min(each[name] for each in rounds) for name in rounds[0]}


def print_table(sizes: list[Size], columns: list[dict[str, float]]) -> None:
    print(f"{'CPU milliseconds; instances in types':52}" + "".join(f"{size!s:>20}" for size in sizes))
    for name in columns[0]:
        scale = 1 if name.endswith("MiB") else 1000
        told = [f"{column[name] * scale:9.2f}" for column in columns]
        times = [f"{column[name] / max(columns[0][name], 1e-9):6.1f}x" for column in columns[1:]]
        print(
            f"{name:52}{told[0]:>20}"
            + "".join(f"{t:>12}{x:>8}" for t, x in zip(told[1:], times, strict=True))
        )


if __name__ == "__main__":
    sys.exit(main())
