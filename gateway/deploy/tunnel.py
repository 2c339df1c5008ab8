"""Health checks of services that only a jump host reaches: over a kept SSH connection to it."""

import asyncio
import concurrent.futures
import contextlib
import threading
import time

import paramiko
from oslo_config import cfg

from gateway import errors
from gateway.deploy import ssh
from gateway.deploy.model import Jump
from gateway.deploy.store import DeploymentStore
from gateway.registry.checks import MAX_OUTPUT, http
from gateway.registry.model import Check, Instance, Kind, Reading

#: What can be checked through a tunnel: there is no TLS in one.
KINDS = (Kind.HTTP, Kind.TCP)

_IDLE = 900.0  # seconds that a connection is kept without being used
_RETRY_AFTER = 5.0  # seconds after a connection that could not be made
_MAX_PIECES = 256  # reads of one answer: each is judged from its start


def login(store: DeploymentStore, jump: Jump, project_id: str, secrets: dict) -> ssh.Login:
    """To the jump host. ``secrets``: the deployment's. Raises NotFound when the gateway's own key is gone."""
    key = secrets.get("jump_private_key")
    if key is None:
        known = store.access(project_id, jump.server)
        if known is None:
            raise errors.NotFound(
                "gateway.server.access_unknown", f"The gateway has no way into the jump host {jump.server}."
            )
        key = known.private_key
    return ssh.Login(jump.address, jump.user, key, jump.host_keys, is_jump=True)


def probe(jump: ssh.Connection, proto: str, host: str, port: int, check: Check) -> Reading:
    """One check from the jump host, as ``checks.probe`` makes it from here."""
    began = time.monotonic()
    end = began + check.timeout
    try:
        ok, output = _verdict(jump, proto, host, port, check, end)
    except TimeoutError:
        ok, output = False, f"timed out after {check.timeout:g} s"
    except paramiko.ChannelException as error:
        ok, output = False, error.text.lower()
    except (paramiko.SSHException, OSError, EOFError):
        late = f"timed out after {check.timeout:g} s"  # the channel was not opened in time
        ok, output = False, late if jump.is_open() else "the jump host's connection broke"
    return Reading(ok, output[:MAX_OUTPUT], time.time(), time.monotonic() - began)


def _verdict(
    jump: ssh.Connection, proto: str, host: str, port: int, check: Check, end: float
) -> tuple[bool, str]:
    with contextlib.closing(jump.tunnel(host, port, check.timeout)) as channel:
        if check.kind is Kind.TCP:
            return True, "connected"
        channel.settimeout(max(0.01, end - time.monotonic()))
        channel.sendall(http.request(proto, host, port, check.path))
        answer = b""
        for _ in range(_MAX_PIECES):
            channel.settimeout(max(0.01, end - time.monotonic()))
            part = channel.recv(http.MAX_ANSWER - len(answer))
            answer += part
            ended = not part or len(answer) >= http.MAX_ANSWER
            if (verdict := http.judge_answer(answer, ended, check)) is not None:
                return verdict
        return False, f"answered in more than {_MAX_PIECES} pieces"


class Tunnels:
    """What the monitor asks; safe to share between threads."""

    def __init__(self, conf: cfg.ConfigOpts, store: DeploymentStore):
        self._conf = conf
        self._store = store
        self._threads = concurrent.futures.ThreadPoolExecutor(conf.monitor.max_tunnelled, "tunnel")
        self._lock = threading.Lock()
        self._logins: dict[str, ssh.Login] = {}  # by deployment
        self._kept: dict[ssh.Login, _Kept] = {}

    async def read(self, instance: Instance) -> Reading:
        """One check of an instance whose check is to be made through its deployment's jump host."""
        return await asyncio.wrap_future(self._threads.submit(self._read, instance))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for kept in self._kept.values():
            kept.close()

    def _read(self, instance: Instance) -> Reading:
        try:
            jump = self._jump(instance)
            return probe(jump, instance.proto, instance.host, instance.port, instance.check)
        except errors.GatewayError as error:
            with self._lock:
                self._logins.pop(instance.deployment_id, None)
            return Reading(False, error.message[:MAX_OUTPUT], time.time())

    def _jump(self, instance: Instance) -> ssh.Connection:
        login = self._logins.get(instance.deployment_id) or self._login(instance)
        with self._lock:
            self._forget_idle(time.monotonic())
            self._logins[instance.deployment_id] = login
            kept = self._kept.setdefault(login, _Kept())
        return kept.connection(login, self._conf, instance.check.timeout)

    def _login(self, instance: Instance) -> ssh.Login:
        deployment = self._store.deployment(instance.deployment_id, instance.project_id)
        secrets = self._store.secrets(deployment.id, deployment.release.number)
        return login(self._store, deployment.spec.server.jump, deployment.project_id, secrets)

    def _forget_idle(self, now: float) -> None:
        for each in [each for each, kept in self._kept.items() if now - kept.used > _IDLE]:
            self._kept.pop(each).close()
        self._logins = {id: each for id, each in self._logins.items() if each in self._kept}


class _Kept:
    """One connection to a jump host, made again when it broke. While it cannot be made, those who want it are
    told so at once: they would take the threads of others."""

    def __init__(self):
        self.used = time.monotonic()
        self._lock = threading.Lock()
        self._connection: ssh.Connection | None = None
        self._failure: tuple[float, errors.GatewayError] | None = None  # until when, and why

    def connection(self, login: ssh.Login, conf: cfg.ConfigOpts, patience: float) -> ssh.Connection:
        """Raises what ``ssh.connect`` raises."""
        if not self._lock.acquire(timeout=patience):
            raise errors.Unavailable("gateway.ssh.unreachable", f"{login.name} has not answered yet.")
        try:
            self.used = time.monotonic()
            if self._connection is None or not self._connection.is_open():
                self._connection = self._made(login, conf)
            return self._connection
        finally:
            self._lock.release()

    def _made(self, login: ssh.Login, conf: cfg.ConfigOpts) -> ssh.Connection:
        if self._failure and time.monotonic() < self._failure[0]:
            raise self._failure[1]
        try:
            return ssh.connect(login, conf)
        except errors.GatewayError as error:
            self._failure = time.monotonic() + _RETRY_AFTER, error
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
