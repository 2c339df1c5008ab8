"""Providers of type ``server``: a service is a deployment in the project that asks for it, on a server of its
own, made by the plan's recipe.

Only who asks can give the gateway the right to boot it: the deployment is stored with the service, in one
transaction (``gateway.api.provision``), and the engine of deployments makes it. Here is what the broker does
about it then: wait, tell its credentials, and have it deleted.
"""

from collections.abc import Mapping
from typing import Any

from gateway import errors
from gateway.broker.model import Binding, Offers, Pending, Plan, Service, on_server
from gateway.broker.model import Status as Provided
from gateway.deploy.model import SETTLED, UNFINISHED, Deployment, Status
from gateway.deploy.store import DeploymentStore

ONE_BINDING = "A service on a server of its own has one login, and so one binding."
_LOOK = 1.0  # seconds between looks


class OnServers:
    def __init__(self, deployments: DeploymentStore):
        self._deployments = deployments

    def check(self, offers: Offers) -> Offers:
        """There is nothing to be reached yet."""
        return offers

    def ensure(self, service: Service, plan: Plan) -> None:
        found = self._deployment(service)
        if found is None or found.status in (Status.FAILED, Status.DELETING):
            raise _failed(found)
        if found.status not in SETTLED:
            raise Pending(service, found.id, _LOOK)

    def bind(self, service: Service, binding: Binding, plan: Plan) -> Mapping[str, Any]:
        """With the password that it was deployed with: it has one login."""
        others = [each for each in service.bindings if each.id != binding.id]
        if any(each.status is Provided.READY for each in others):
            raise errors.ProviderError("gateway.binding.only_one", ONE_BINDING)
        found = self._deployment(service)
        if found is None:
            raise _failed(None)
        known = {"host": _host(found), "port": found.spec.port, "name": service.name}
        known["password"] = self._deployments.secrets(found.id, found.release.number)["env"]["PASSWORD"]
        return {name: text.format(**known) for name, text in plan.settings["credentials"].items()}

    def unbind(self, service: Service, binding: Binding, plan: Plan) -> None:
        """Its one login goes with it."""

    def remove(self, service: Service, plan: Plan) -> None:
        found = self._deployment(service)
        if found is None or found.status is Status.FAILED:
            return
        self._deployments.move(found.id, Status.DELETING, [*UNFINISHED, *SETTLED])
        raise Pending(service, found.id, _LOOK)

    def _deployment(self, service: Service) -> Deployment | None:
        """Its name is not another's while it lives; of one that has failed the service knows the id."""
        if live := self._deployments.live(service.project_id, on_server(service.id)):
            return live
        try:
            return self._deployments.deployment(service.operation) if service.operation else None
        except errors.NotFound:
            return None


def _host(found: Deployment) -> str:
    """As a URL has it."""
    address = found.targets[0].address
    return f"[{address}]" if ":" in address else address


def _failed(found: Deployment | None) -> errors.ProviderError:
    if found is None or found.fault is None:
        return errors.ProviderError("gateway.provider.deployment_gone", "There is no deployment of it.")
    fault = found.fault
    where = f"deployment {found.id}, step {fault.step}"
    return errors.ProviderError(fault.code, f"{fault.message.rstrip('.')} ({where}).")
