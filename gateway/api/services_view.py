"""The broker's services and their bindings as answers show them."""

from typing import Any

from gateway.api import rotations
from gateway.api.expose import isoformat
from gateway.api.shapes import Maybe, Time, extended, of, shape
from gateway.broker.model import Binding, Fault, Service, Status
from gateway.deploy import model as deploy

SERVICE = shape(
    id=str,
    name=str,
    type=str,
    provider=str,
    plan=str,
    user=str,
    platform=dict[str, Any] | None,
    status=Status,
    fault=Fault | None,
    size=int | None,
    created_at=Time,
    updated_at=Time,
)
BINDING = shape(id=str, platform=dict[str, Any] | None, status=Status, fault=Fault | None, created_at=Time)
_CREDENTIALS = {"credentials": Maybe(dict[str, Any] | None)}
_MADE_BY = shape(id=str, status=deploy.Status, step=str | None)
_MORE = {**rotations.SHOWN, "deployment": {"anyOf": [_MADE_BY, of(None)]}, **_CREDENTIALS}
ONE = shape(service=extended(SERVICE, **_MORE))
ONE_BINDING = shape(binding=extended(BINDING, **_CREDENTIALS))


def service_view(service: Service) -> dict[str, Any]:
    return {
        "id": service.id,
        "name": service.name,
        "type": service.type,
        "provider": service.provider,
        "plan": service.plan,
        "user": service.user_id,
        "platform": service.platform,
        "status": service.status,
        "fault": _fault(service.fault),
        "size": service.size,
        "created_at": isoformat(service.created_at),
        "updated_at": isoformat(service.updated_at),
    }


def made_by(deployment: deploy.Deployment | None) -> dict[str, Any] | None:
    """Of a service on a server of its own: how far that is."""
    if deployment is None:
        return None
    running = next((step for step in deployment.steps if step.state is deploy.StepState.RUNNING), None)
    return {"id": deployment.id, "status": deployment.status, "step": running and running.name}


def binding_view(binding: Binding) -> dict[str, Any]:
    return {
        "id": binding.id,
        "platform": binding.platform,
        "status": binding.status,
        "fault": _fault(binding.fault),
        "created_at": isoformat(binding.created_at),
    }


def _fault(fault: Fault | None) -> dict[str, str] | None:
    return fault and vars(fault)
