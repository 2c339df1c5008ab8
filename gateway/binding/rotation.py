"""Credentials that take the place of others: what runs with the old ones is deployed anew with the new ones,
one deployment after the other, batch by batch, and then the old ones go.

What is under way stands in the database: a rotation, the bindings of its service, and the deployments with
the bindings that they run with. From these alone follows what is to be done next, whoever was killed.
"""

import dataclasses
import functools
import threading
import time
from collections.abc import Sequence

from oslo_config import cfg
from oslo_log import log

from gateway import errors, periodic
from gateway.binding.environment import environment
from gateway.broker.model import LIVE, Fault, Rotation, RotationStatus, Service, Status
from gateway.broker.store import BrokerStore
from gateway.deploy import flow, plan
from gateway.deploy.bound import Use
from gateway.deploy.model import SETTLED, Deployment, Release, Spec
from gateway.deploy.model import Status as Deployed
from gateway.deploy.store import DeploymentStore

LOG = log.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Next:
    """What a rotation needs now; nothing of it: to be looked at again."""

    fault: Fault | None = None  # it has failed
    redeploy: Use | None = None
    delete: tuple[str, ...] = ()  # bindings
    done: bool = False


def due(rotation: Rotation, service: Service, uses: Sequence[Use]) -> Next:
    """Pure. ``uses``: of the service."""
    successor = service.binding(rotation.successor)
    if successor is None or successor.status not in (Status.CREATING, Status.READY):
        gone = Fault("gateway.binding.not_found", f"Binding {rotation.successor} was deleted meanwhile.")
        return Next(fault=(successor and successor.fault) or gone)
    if successor.status is Status.CREATING:
        return Next()
    behind = next((use for use in uses if use.binding_id != successor.id), None)
    if behind is not None:
        return _with(behind, rotation)
    left = [each for each in service.bindings if each.id in rotation.replaces]
    unwanted = tuple(each.id for each in left if each.status is not Status.DELETING)
    return Next(delete=unwanted, done=not left)


def _with(behind: Use, rotation: Rotation) -> Next:
    """One that runs with another binding; while something is under way with it that is waited for."""
    if behind.status not in SETTLED:
        return Next()
    if behind.status is Deployed.ROLLED_BACK and behind.request_id == rotation.request_id:
        said = f"With the new credentials {behind} did not pass, and runs with the old ones again; both work."
        return Next(fault=Fault("gateway.service.not_rotated", said))
    return Next(redeploy=behind)


class Rotator:
    """For one thread of the engine's process."""

    def __init__(self, conf: cfg.ConfigOpts, broker: BrokerStore, deployments: DeploymentStore):
        self._conf = conf
        self._broker = broker
        self._deployments = deployments

    def run(self, stop: threading.Event) -> None:
        """A look every [engine] poll_interval seconds until ``stop``."""
        act = functools.partial(self._look, stop)
        seconds = self._conf.engine.poll_interval
        periodic.every(seconds, stop, "Looking for rotations", act, self._broker.commits().looking)

    def _look(self, stop: threading.Event) -> None:
        for rotation in self._broker.rotations():
            if stop.is_set():
                return
            try:
                self._advance(rotation)
            except errors.Conflict as error:  # someone else was quicker: it is another look's
                LOG.info("The rotation of service %s waits: %s", rotation.service_id, error.message)

    def _advance(self, rotation: Rotation) -> None:
        service = self._broker.by_id(rotation.service_id)
        if service is None or service.status not in LIVE:
            return
        step = due(rotation, service, self._deployments.uses(service.id))
        if step.fault:
            LOG.info("The rotation of service %s failed: %s", service.id, step.fault.message)
            self._broker.end_rotation(rotation, RotationStatus.FAILED, step.fault)
        elif step.redeploy:
            self._redeploy(step.redeploy, rotation)
        elif step.done:
            self._broker.end_rotation(rotation, RotationStatus.SUCCEEDED)
        for id in step.delete:
            self._broker.delete_binding(service.binding(id))

    def _redeploy(self, use: Use, rotation: Rotation) -> None:
        """Its next release, which differs in the credentials alone."""
        live = self._deployments.deployment(use.deployment_id)
        bind = tuple(
            dataclasses.replace(each, binding_id=rotation.successor)
            if each.service_id == rotation.service_id
            else each
            for each in live.spec.bind
        )
        if bind == live.spec.bind or live.status not in SETTLED:
            return
        spec = dataclasses.replace(live.spec, bind=bind)
        try:
            bound = environment(self._broker, spec)
        except errors.GatewayError as error:
            fault = Fault(error.code, f"{use} cannot be deployed: {error.message}")
            self._broker.end_rotation(rotation, RotationStatus.FAILED, fault)
            return
        secrets = self._deployments.secrets(live.id, live.release.number) | {"bound": bound}
        number = self._deployments.releases(live.id)[0].number + 1
        if self._deployments.begin(_next(live, spec, rotation, number), secrets):
            LOG.info("Deployment %s gets new credentials (%s)", live.id, rotation.request_id)


def _next(live: Deployment, spec: Spec, rotation: Rotation, number: int) -> Deployment:
    release = Release.wanted(number, spec, rotation.user_id, rotation.request_id, time.time())
    targets = plan.following(live.spec, live.targets, spec, same=False)
    return flow.next_of(live, release, targets, rotation.request_id, live.trust_id)
