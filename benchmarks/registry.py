#!/usr/bin/env python3
"""The registry's reads and writes per second, next to etcd, nginx and a bare WSGI callable in the same run.

    devstack/aio/cloud exec .venv/bin/python benchmarks/registry.py [--seconds 3] [--connections 16]

Needs Keystone (OS_CLOUD, or devstack/aio's demo) for one token, and Debian's wrk, nghttp2-client, etcd-server
and nginx. The server under test has the first core to itself, the load the second. CPU is the server's own
time per request, user and system (/proc/…/schedstat), steadier than the rate. The gateway's gRPC: rpc.py.
"""

import argparse
import base64
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import openstack
import requests
import sqlalchemy as sa
import waiters

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "features"))

from harness.gatewayd import Gatewayd  # noqa: E402

SERVER_CORE, LOAD_CORE = 0, 1
TYPES = 100


@dataclasses.dataclass(frozen=True)
class Row:
    what: str
    rate: float
    p50: str
    p99: str
    cpu: float  # microseconds of the server per request
    errors: int

    def __str__(self) -> str:
        told = f"{self.what:58} {self.rate:9,.0f} {self.p50:>9} {self.p99:>9} {self.cpu:8.1f}"
        return told + (f"   {self.errors} errors" if self.errors else "")


HEAD = f"{'':58} {'req/s':>9} {'p50':>9} {'p99':>9} {'CPU µs':>8}"


class Load:
    """wrk or h2load against one server at a time."""

    def __init__(self, folder: pathlib.Path, seconds: int, connections: int):
        self._folder = folder
        self._seconds = seconds
        self._connections = connections

    def run(self, what: str, pid: int, url: str, script: str = "", warm: int = 1, **headers: str) -> Row:
        self._wrk(url, script.replace("FIRST", "0"), headers, warm)
        before = _cpu(pid)
        out = self._wrk(url, script.replace("FIRST", "1000000"), headers, self._seconds)
        spent = _cpu(pid) - before
        requests_made = int(re.search(r"(\d+) requests in", out)[1])
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
        return Row(
            what,
            float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]),
            re.search(r"50%\s+(\S+)", out)[1],
            re.search(r"99%\s+(\S+)", out)[1],
            spent / max(requests_made, 1) / 1000,
            int(bad[1]) if bad else 0,
        )

    def grpc(self, what: str, pid: int, url: str, message: bytes) -> Row:
        """Unary calls, one at a time on each connection; h2load tells the mean alone."""
        body = self._folder / "message"
        body.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
        command = ["taskset", "-c", str(LOAD_CORE), "h2load", "-c", str(self._connections), "-m", "1"]
        command += ["-D", str(self._seconds), "-d", str(body)]
        command += ["-H", "content-type: application/grpc", "-H", "te: trailers", url]
        before = _cpu(pid)
        out = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        done, failed = (int(re.search(rf"(\d+) {word}", out)[1]) for word in ("succeeded", "failed"))
        mean = re.search(r"time for request:\s+\S+\s+\S+\s+(\S+)", out)[1]
        spent = (_cpu(pid) - before) / max(done, 1) / 1000
        return Row(what, done / self._seconds, f"({mean})", "-", spent, failed)

    def _wrk(self, url: str, script: str, headers: dict[str, str], seconds: int) -> str:
        given = [
            arg for name, value in headers.items() for arg in ("-H", f"{name.replace('_', '-')}: {value}")
        ]
        if script:
            file = self._folder / "load.lua"
            file.write_text(script)
            given += ["-s", str(file)]
        load = ["wrk", "-t1", f"-c{self._connections}", f"-d{seconds}s", "--latency", *given, url]
        command = ["taskset", "-c", str(LOAD_CORE), *load]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=seconds + 60
        ).stdout


def _cpu(pid: int) -> int:
    """Nanoseconds of a process and all below it."""
    tasks = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
    own = sum(int(_read(task / "schedstat").split()[0]) for task in tasks)
    return own + sum(_cpu(int(child)) for task in tasks for child in _read(task / "children").split())


def _read(file: pathlib.Path) -> str:
    try:
        return file.read_text()
    except OSError:  # the thread has ended
        return "0" if file.name == "schedstat" else ""


@contextlib.contextmanager
def pinned(core: int) -> Iterator[None]:
    """What is started within runs on that core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def running(command: list[str], port: int, folder: pathlib.Path) -> Iterator[int]:
    """A peer, started on the server's core; its pid."""
    with (folder / f"{pathlib.Path(command[0]).name}.log").open("wb") as log, pinned(SERVER_CORE):
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _answers(port)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _answers(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 5):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


# The gateway


class Gateway:
    """A gatewayd of this run, with one API process and no other role."""

    def __init__(self, folder: pathlib.Path, token: str, project_id: str, fast_path: bool = True):
        self.token, self._project_id = token, project_id
        options = {
            "DEFAULT": {"state_path": folder / "gateway" / "state", "role": "api"},
            "api": {"workers": 1, "fast_path": fast_path},
            "registry": {"blocked_networks": "", "allowed_networks": "127.0.0.0/8"},
        }
        self._daemon = Gatewayd(folder / "gateway")
        options["api"]["port"] = self._daemon.port
        self._daemon.configure(options)

    def __enter__(self) -> "Gateway":
        with pinned(SERVER_CORE):
            self._daemon.start()
        return self

    def __exit__(self, *_):
        self._daemon.stop()

    @property
    def pid(self) -> int:
        return self._daemon.pid

    @property
    def url(self) -> str:
        return f"{self._daemon.url}/registry/service"

    def fill(self, count: int, types: int = TYPES) -> None:
        """``count`` instances, written at once: registering them is measured elsewhere."""
        database = sa.create_engine(f"sqlite:///{self._daemon.log.parent / 'state' / 'gateway.db'}")
        tables = sa.MetaData()
        tables.reflect(database, only=["instances", "instance_ordinals", "last_change", "changes"])
        instances = [self._instance(number, types) for number in range(count)]
        changes = [
            {"index": row["index"], "at": 0.0, "change": "created"}
            | {name: row[name] for name in ("project_id", "type", "ordinal")}
            for row in instances
        ]
        with database.begin() as connection:
            connection.execute(tables.tables["instances"].insert(), instances)
            connection.execute(tables.tables["changes"].insert(), changes)
            connection.execute(tables.tables["last_change"].update().values(index=count))

    def _instance(self, number: int, types: int) -> dict:
        now = time.time()
        return {
            "project_id": self._project_id,
            "type": f"type-{number % types}",
            "ordinal": number // types,
            "proto": "http",
            "host": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
            **{"port": 8080, "http_port": 8080, "https_port": 0, "routes": ["/"], "weight": 1 + number % 3},
            "check": {"path": "/health"},
            **{"status": "passing", "streak": 1, "output": "200 OK", "since": now, "held": False},
            **{"signature": "", "version": "1.0.0", "tags": [], "reason": "", "index": number + 1},
            **{"created_at": now, "updated_at": now},
        }

    def get(self, path: str) -> bytes:
        answer = requests.get(self.url + path, headers={"X-Auth-Token": self.token}, timeout=60)
        answer.raise_for_status()
        return answer.content


#: Each address once: wrk counts from 0 whenever it is started, so FIRST is another one then.
REGISTER = """
local n = FIRST
request = function()
  n = n + 1
  local host = string.format("127.%d.%d.%d", 1 + math.floor(n / 65536), math.floor(n / 256) % 256, n % 256)
  local body = string.format('{"proto": "http", "type": "new-%d", "host": "%s", CHECK}', n % 50, host)
  return wrk.format("POST", nil, {["X-Auth-Token"] = "TOKEN", ["Content-Type"] = "application/json"}, body)
end
"""


def of_gateway(load: Load, gateway: Gateway, healthy_port: int, name: str) -> Iterator[Row]:
    token = {"X_Auth_Token": gateway.token}
    for what, path in (
        ("best", "/types/type-1/best"),
        ("a type of 10", "/types/type-1"),
        ("an instance", "/type-1-0"),
        ("search, 10 of 1,000", "?type=type-1"),
        ("best?explain=true", "/types/type-1/best?explain=true"),
    ):
        yield load.run(f"gateway, {name}: {what}", gateway.pid, gateway.url + path, **token)
    script = REGISTER.replace("TOKEN", gateway.token)
    for what, check in (
        ("with heartbeats", '"port": 8080, "check": {"kind": "ttl", "interval": 3600}'),
        ("checked first", f'"port": {healthy_port}'),
    ):
        told = f"gateway, {name}: register, on disk, {what}"
        yield load.run(told, gateway.pid, gateway.url, script.replace("CHECK", check))


# The peers


def of_nginx(load: Load, folder: pathlib.Path, body: bytes) -> Iterator[Row]:
    with nginx(folder, body) as (pid, port):
        yield load.run("nginx, the same bytes from a file", pid, f"http://127.0.0.1:{port}/best.json")


@contextlib.contextmanager
def nginx(folder: pathlib.Path, body: bytes) -> Iterator[tuple[int, int]]:
    port, root = free_port(), folder / "nginx"
    root.mkdir(exist_ok=True)
    (root / "best.json").write_bytes(body)
    (root / "index.html").write_bytes(b"well\n")
    config = root / "nginx.conf"
    config.write_text(f"""
daemon off; worker_processes 1; pid {root}/pid; error_log {root}/error.log;
events {{ worker_connections 1024; }}
http {{ access_log off; default_type application/json; keepalive_requests 100000000;
  client_body_temp_path {root}/b; proxy_temp_path {root}/p; fastcgi_temp_path {root}/f;
  uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;
  server {{ listen {port}; root {root}; }} }}
""")
    root.chmod(0o755)
    folder.chmod(0o755)
    with running(["/usr/sbin/nginx", "-c", str(config)], port, folder) as pid:
        yield pid, port


_RAW = """
body = open(FILE, "rb").read()
headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]


def application(environ, start_response):
    start_response("200 OK", headers)
    return [body]
"""


def of_raw_wsgi(load: Load, folder: pathlib.Path, body: bytes) -> Iterator[Row]:
    (folder / "raw.json").write_bytes(body)
    (folder / "raw.py").write_text(f"FILE = {str(folder / 'raw.json')!r}\n{_RAW}")
    port, granian = free_port(), str(pathlib.Path(sys.executable).with_name("granian"))
    command = [granian, "--interface", "wsgi", "--port", str(port), "--workers", "1", "--no-ws"]
    with running([*command, "--working-dir", str(folder), "raw:application"], port, folder) as pid:
        yield load.run("a bare WSGI callable on granian", pid, f"http://127.0.0.1:{port}/")


def of_etcd(load: Load, folder: pathlib.Path, body: bytes) -> Iterator[Row]:
    port, peer = free_port(), free_port()
    command = [shutil.which("etcd"), "--data-dir", str(folder / "etcd"), "--log-level", "error"]
    for flag, number in (("client", port), ("peer", peer)):
        command += [f"--listen-{flag}-urls", f"http://127.0.0.1:{number}"]
    command += ["--advertise-client-urls", f"http://127.0.0.1:{port}"]
    base = f"http://127.0.0.1:{port}/v3/kv"
    key, value = "dHlwZS0x", base64.b64encode(body).decode()
    with running(["env", "GOMAXPROCS=1", *command], port, folder) as pid:
        time.sleep(1)  # it elects itself
        requests.post(f"{base}/put", json={"key": key, "value": value}, timeout=10).raise_for_status()
        for what in ("range", "put"):
            sent = json.dumps({"key": key} | ({"value": value} if what == "put" else {}))
            script = f"wrk.method = 'POST'\nwrk.body = [==[{sent}]==]\n"
            yield load.run(f"etcd, {what} by its JSON gateway", pid, f"{base}/{what}", script)
        name = base64.b64decode(key)
        url = f"http://127.0.0.1:{port}/etcdserverpb.KV/Range"
        yield load.grpc("etcd, range by gRPC", pid, url, b"\x0a" + bytes([len(name)]) + name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--sizes", type=int, nargs="*", default=[10, 1_000, 100_000])
    args = parser.parse_args()
    cloud = openstack.connect(cloud=os.environ.get("OS_CLOUD", "demo"))
    access = (cloud.auth_token, cloud.current_project_id)
    with tempfile.TemporaryDirectory(prefix="gateway-benchmark-") as name:
        folder = pathlib.Path(name)
        load = Load(folder, args.seconds, args.connections)
        print(HEAD)
        rates = {}
        for row in rows(load, folder, access, args.sizes):
            print(row, flush=True)
            rates[row.what] = row.rate
        best = rates.pop("gateway, fast path: best")
        for what in (what for what in rates if not what.startswith("gateway")):
            print(f"gateway's best is {best / rates[what]:.2f} times {what}")
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    waiters.run(1000, 10)


def rows(load: Load, folder: pathlib.Path, access: tuple[str, str], sizes: list[int]) -> Iterator[Row]:
    with nginx(folder, b"") as (_, healthy_port):
        for fast in (True, False):
            place = folder / f"fast-{fast}"
            place.mkdir()
            with Gateway(place, *access, fast_path=fast) as gateway:
                gateway.fill(1_000)
                body = gateway.get("/types/type-1/best")
                yield from of_gateway(load, gateway, healthy_port, "fast path" if fast else "pipeline")
    for size in sizes:
        place = folder / f"size-{size}"
        place.mkdir()
        with Gateway(place, *access) as gateway:
            gateway.fill(size, types=1)
            gateway.get("/types/type-0/best")
            url = f"{gateway.url}/types/type-0/best"
            what = f"gateway: best of one type of {size:,}"
            warm = 1 + size // 10_000  # the first answer about each instance is the one that is encoded
            yield load.run(what, gateway.pid, url, warm=warm, X_Auth_Token=gateway.token)
    yield from of_etcd(load, folder, body)
    yield from of_raw_wsgi(load, folder, body)
    yield from of_nginx(load, folder, body)


if __name__ == "__main__":
    main()
