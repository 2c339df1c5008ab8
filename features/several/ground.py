"""A database, a coordinator, HAProxy, and the gateway on five hosts: two APIs, three monitors."""

import base64
import configparser
import contextlib
import pathlib
import secrets
import subprocess
import sys
import time

import jwt
import requests
from several import hosts
from several.hosts import HUB, NETWORK, Host, until
from several.watched import Watched

from gateway.tests import databases
from gateway.tests.database_servers import MariaDB, PostgreSQL, Redis
from gateway.tests.etcd import Etcd

INTERVAL = 2  # seconds between two checks of what is watched
PROJECT = "p" * 32
URL = f"http://{HUB}:8080"
_API_PORT = 8080
_HAPROXY = f"""
defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 15s
    option redispatch
    retries 2
frontend gateway
    bind {HUB}:8080
    default_backend apis
backend apis
    option httpchk GET /registry/health
    timeout check 2s
    default-server check inter 1s fall 2 rise 2
"""


class Ground:
    """``ends``: what is to be undone at the end. ``database`` (postgresql, mysql) and ``coordinator`` (etcd3,
    redis) are what their URLs begin with."""

    def __init__(
        self, folder: pathlib.Path, ends: contextlib.ExitStack, count: int, database: str, coordinator: str
    ):
        self.folder = folder
        self.secret, self._key = secrets.token_hex(32), base64.urlsafe_b64encode(secrets.token_bytes(32))
        hosts.make_network()
        self._database = (MariaDB if database == "mysql" else PostgreSQL)(address=HUB)
        ends.callback(self._database.stop)
        self._url = databases.made("gateway", self._database.start().url)
        self._coordinator = Redis(address=HUB) if coordinator == "redis" else Etcd(folder / "etcd", HUB)
        ends.callback(self._coordinator.stop)
        self._coordinator.start()
        self.watched = Watched(count, HUB)
        self.apis = [self._host("api", f"api{number}", 10 + number) for number in (1, 2)]
        self.monitors = [self._host("monitor", f"monitor{number}", 20 + number) for number in (1, 2, 3)]
        self._start_haproxy(ends)
        first, *others = *self.apis, *self.monitors
        self.start(first)  # it makes the tables
        until(lambda: self._is_up(f"http://{first.address}:{_API_PORT}"), 60, first.tail())
        for host in others:
            self.start(host)
        until(lambda: self._is_up(URL), 60, "HAProxy hands on")

    def ports(self, what: str) -> list[int]:
        """Of "the database", "the coordinator" or "both"."""
        found = {"the database": [self._database.port], "the coordinator": [self._coordinator.port]}
        return found.get(what) or [port for ports in found.values() for port in ports]

    # The hosts

    def _host(self, role: str, name: str, number: int) -> Host:
        host = Host(name, number, self.folder)
        state = host.folder / "state"
        (state / "keys").mkdir(parents=True, mode=0o700)
        (state / "keys").chmod(0o700)
        for path, content in ((state / "keys" / "0", self._key), (state / "shared", self.secret.encode())):
            path.touch(mode=0o600)
            path.write_bytes(content)
        parser = configparser.RawConfigParser(default_section="")
        parser.read_dict(self._sections(role, host, state))
        with (host.folder / "gateway.conf").open("w") as file:
            parser.write(file)
        return host

    def _sections(self, role: str, host: Host, state: pathlib.Path) -> dict[str, dict]:
        return {
            "DEFAULT": {"state_path": state, "role": role},
            "database": {"connection": self._url},
            "coordination": {"backend_url": self._coordinator.url},
            "api": {"host": host.address, "workers": 1},
            "standalone": {
                "host": host.address,
                "http_port": _API_PORT,
                "project_id": PROJECT,
                "allowed_networks": NETWORK,
                "retries": 1,
            },
            "registry": {
                "allowed_networks": NETWORK,
                "shared_secret_file": state / "shared",
                "trusted_project_id": PROJECT,
            },
            "keystone_authtoken": {
                "auth_type": "password",
                "auth_url": "http://127.0.0.1:5000/v3",
                "username": "gateway",
                "password": "none",
            },
        }

    def start(self, host: Host) -> None:
        host.start(
            pathlib.Path(sys.executable).parent / "gatewayd", "--config-file", host.folder / "gateway.conf"
        )

    def _start_haproxy(self, ends: contextlib.ExitStack) -> None:
        path = self.folder / "haproxy.cfg"
        servers = [f"    server {api.name} {api.address}:{_API_PORT}\n" for api in self.apis]
        path.write_text(_HAPROXY + "".join(servers))
        process = subprocess.Popen(["/usr/sbin/haproxy", "-db", "-f", path], stderr=subprocess.DEVNULL)
        ends.callback(process.wait)
        ends.callback(process.terminate)

    def _is_up(self, url: str) -> bool:
        try:
            return requests.get(f"{url}/registry/health", timeout=5).ok
        except OSError:
            return False

    # The registry

    def register(self, type: str, port: int, **more) -> requests.Response:
        """Until it is answered; raises OSError where it is not within 12 s."""
        claims = {"type": type, "host": HUB, "port": port, "exp": time.time() + 86400}
        body = {"proto": "http", "type": type, "host": HUB, "port": port, "health": "/up"}
        body["signature"] = jwt.encode(claims, self.secret, "HS256")
        return requests.post(f"{URL}/registry/service", json=body | more, timeout=12)

    def registered(self, type: str) -> dict[int, dict]:
        """By port."""
        answer = self._read(f"/registry/service/types/{type}")
        return {int(each["port"]): each for each in answer["services"]}

    def changes(self, type: str, index: int | None) -> tuple[int, list[dict]]:
        """Where to go on from, and what came."""
        answer = self._read(f"/registry/changes?type={type}" + ("" if index is None else f"&index={index}"))
        return answer["index"], answer["changes"]

    def _read(self, path: str) -> dict:
        """Again until it is answered, by whichever API."""
        deadline = time.monotonic() + 60
        while True:
            try:
                answer = requests.get(URL + path, timeout=12)
                if answer.ok:
                    return answer.json()
                error = f"{answer.status_code}: {answer.text[:200]}"
            except OSError as caught:
                error = str(caught)
            assert time.monotonic() < deadline, f"{path}: {error}"
            time.sleep(0.2)
