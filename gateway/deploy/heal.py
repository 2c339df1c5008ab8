"""Servers that have died get another one in their place: which of them, if any (pure), and the looking.

A deployment that asks for it (``heal``) is looked at while no flow is under way. What is down together is
counted before Nova is asked, and without Nova's word nothing is replaced.
"""

import dataclasses
import functools
import threading
import time
from collections.abc import Mapping, Sequence

from oslo_config import cfg
from oslo_context import context as oslo_context
from oslo_log import log

from gateway import errors, periodic
from gateway.cloud.openstack import Cloud
from gateway.cloud.sessions import Sessions
from gateway.deploy import flow
from gateway.deploy.model import Aim, Deployment, Heal, Target
from gateway.deploy.store import DeploymentStore
from gateway.registry.model import Instance
from gateway.registry.model import Status as Health
from gateway.registry.registry import Registry

LOG = log.getLogger(__name__)

GONE = "gone"
#: What Nova calls a server that does not come back by itself (compute api-ref, "Server status").
DEAD = (GONE, "ERROR", "DELETED", "SOFT_DELETED", "SHUTOFF")


def down(targets: Sequence[Target], instances: Sequence[Instance]) -> dict[int, float]:
    """The targets whose instance is critical, and since when; one that has none any more (the monitor takes
    those of deleted servers out at once) is down since ever."""
    critical = {i.server_id: i.health.since for i in instances if i.health.status is Health.CRITICAL}
    present = {instance.server_id for instance in instances}
    return {
        target.number: critical.get(target.server_id, 0.0)
        for target in targets
        if target.server_id in critical or target.server_id not in present
    }


def due(heal: Heal, down: Mapping[int, float], now: float) -> list[int]:
    """Those that have been down for long enough, the longest first; none while too many are down at once."""
    if len(down) > heal.max_unhealthy:
        return []
    return sorted((n for n, since in down.items() if now - since >= heal.after), key=lambda n: down[n])


class Healer:
    """For one thread of the engine's process."""

    def __init__(self, conf: cfg.ConfigOpts, store: DeploymentStore, sessions: Sessions, registry: Registry):
        self._conf = conf
        self._store = store
        self._sessions = sessions
        self._registry = registry

    def run(self, stop: threading.Event) -> None:
        """A look every [engine] heal_interval seconds until ``stop``."""
        act = functools.partial(self.look, stop)
        periodic.every(self._conf.engine.heal_interval, stop, "Looking for servers to be replaced", act)

    def look(self, stop: threading.Event) -> None:
        """At those of which an instance is critical or missing: of many, mostly none is."""
        instances = self._registry.view().instances()
        up = {(i.deployment_id, i.server_id) for i in instances if i.health.status is not Health.CRITICAL}
        lacking = [id for id, server_id in self._store.to_be_healed() if (id, server_id) not in up]
        for id in dict.fromkeys(lacking):
            if not stop.is_set():
                self._look_at(id)

    def _look_at(self, id: str) -> None:
        try:
            deployment = self._store.deployment(id)
            self._heal(deployment, time.time())
        except errors.NotFound:
            LOG.debug("Deployment %s is gone", id)
        except errors.GatewayError as error:  # Nova does not answer: it is not the servers then
            LOG.warning("Deployment %s is not healed now: %s", id, error.message)

    def _heal(self, deployment: Deployment, now: float) -> None:
        wanted = deployment.spec.heal
        if now - deployment.updated_at < wanted.after:  # also after a try that failed
            return
        found = down(deployment.targets, self._instances(deployment))
        candidates = due(wanted, found, now)
        if not candidates:
            return
        cloud = self._sessions.trust(deployment.trust_id)
        by_number = {target.number: target for target in deployment.targets}
        for number in candidates:
            status = _status(cloud, by_number[number])
            if status in DEAD:
                self._replace(deployment, by_number[number], status)
                return

    def _instances(self, deployment: Deployment) -> list[Instance]:
        return self._registry.of_deployment(deployment.project_id, deployment.spec.service, deployment.id)

    def _replace(self, deployment: Deployment, dead: Target, status: str) -> None:
        targets = tuple(
            dataclasses.replace(t, aim=Aim.REPLACE if t.number == dead.number else Aim.KEEP)
            for t in deployment.targets
        )
        request_id = oslo_context.generate_request_id()
        replacing = flow.next_of(deployment, deployment.release, targets, request_id, deployment.trust_id)
        if self._store.begin(replacing, secrets=None):
            said = f"server {dead.server_name} is {status}: it gets another one in its place"
            LOG.info("Deployment %s: %s (%s)", deployment.id, said, replacing.request_id)
            self._store.write_log(deployment.id, "replace", dead.number, said)


def _status(cloud: Cloud, target: Target) -> str:
    if target.server_id is None:
        return GONE
    try:
        return cloud.server(target.server_id).status
    except errors.NotFound:
        return GONE
