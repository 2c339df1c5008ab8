"""Health checks by a command on the server: over a kept SSH connection to each."""

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Callable

from oslo_config import cfg

from gateway import errors
from gateway.deploy import ssh
from gateway.deploy.model import Access, Deployment
from gateway.deploy.recipe import Command
from gateway.deploy.store import DeploymentStore
from gateway.registry.checks import MAX_OUTPUT
from gateway.registry.model import Check, Instance, Key, Reading

_IDLE = 900.0  # seconds that a connection is kept without being used


def probe(connection: ssh.Connection, check: Check) -> Reading:
    """Exit status 0 passes; what the command prints is the output."""
    began = time.monotonic()
    command = Command("health check", ("sh", "-c", check.command), check.timeout, root=False)
    try:
        result = connection.run(command)
    except errors.Timeout:
        ok, output = False, f"timed out after {check.timeout:g} s"
    except errors.Unhealthy as error:
        ok, output = False, error.message
    else:
        ok, output = result.status == 0, result.output.strip() or f"exit status {result.status}"
    return Reading(ok, output.replace("\x00", "")[:MAX_OUTPUT], time.time(), time.monotonic() - began)


class Commands:
    """A ``gateway.registry.monitor.Probe``. Each instance is checked once at a time, and so is its connection
    used. ``access``: the way into one of a deployment's targets, by its number; raises NotFound."""

    def __init__(
        self, conf: cfg.ConfigOpts, store: DeploymentStore, access: Callable[[Deployment, int], Access]
    ):
        self._conf = conf
        self._store = store
        self._access = access
        self._threads = concurrent.futures.ThreadPoolExecutor(conf.monitor.max_tunnelled, "command")
        self._lock = threading.Lock()
        self._kept: dict[Key, tuple[ssh.Connection, float]] = {}

    async def read(self, instance: Instance) -> Reading:
        return await asyncio.wrap_future(self._threads.submit(self._read, instance))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for connection, _used in self._kept.values():
            connection.close()

    def _read(self, instance: Instance) -> Reading:
        try:
            connection = self._connection(instance)
        except errors.GatewayError as error:
            return Reading(False, error.message[:MAX_OUTPUT], time.time())
        reading = probe(connection, instance.check)
        with self._lock:
            self._kept[instance.key] = connection, time.monotonic()
        return reading

    def _connection(self, instance: Instance) -> ssh.Connection:
        """Raises what ``ssh.connect`` raises, and NotFound where there is no way in any more."""
        with self._lock:
            self._forget_idle(time.monotonic())
            connection, _used = self._kept.pop(instance.key, (None, 0.0))
        if connection is not None and connection.is_open():
            return connection
        deployment = self._store.deployment(instance.deployment_id, instance.project_id)
        target = next((t for t in deployment.targets if t.server_id == instance.server_id), None)
        if target is None or target.host_key is None:
            raise errors.NotFound(
                "gateway.server.access_unknown", f"The gateway has no way into server {instance.server_id}."
            )
        access = self._access(deployment, target.number)
        return ssh.connect(
            ssh.Login(instance.host, access.user, access.private_key, (target.host_key,)), self._conf
        )

    def _forget_idle(self, now: float) -> None:
        for key in [key for key, (_, used) in self._kept.items() if now - used > _IDLE]:
            self._kept.pop(key)[0].close()
