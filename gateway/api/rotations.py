"""New credentials of a service in place of those that it has: how they are asked for, and shown."""

import time
from collections.abc import Collection
from typing import Any

from gateway.api.expose import isoformat
from gateway.api.shapes import Time, many, of, shape
from gateway.broker.model import Binding, Fault, Rotation, RotationStatus, Service
from gateway.deploy.bound import Use
from gateway.deploy.model import Status

_ROTATION = shape(
    status=RotationStatus,
    successor=str,
    replaces=list[str],
    fault=Fault | None,
    request_id=str,
    started_at=Time,
    updated_at=Time,
)
#: Of ``view``.
SHOWN = {
    "deployments": many(shape(id=str, service=str, status=Status, binding=str)),
    "rotation": {"anyOf": [_ROTATION, of(None)]},
}


def wanted(context, service: Service, uses: Collection[Use], successor: Binding) -> Rotation:
    """In place of those that are told, and of those that deployments run with. Others stay, as do those of
    platforms, which rotate them by themselves."""
    known = {service.current.id} if service.current else set()
    known |= {use.binding_id for use in uses}
    replaces = sorted(each.id for each in service.bindings if each.id in known and each.platform is None)
    now = time.time()
    return Rotation(
        service_id=service.id,
        successor=successor.id,
        replaces=tuple(replaces),
        status=RotationStatus.RUNNING,
        fault=None,
        user_id=context.user_id,
        request_id=context.request_id,
        started_at=now,
        updated_at=now,
    )


def view(rotation: Rotation | None, uses: Collection[Use]) -> dict[str, Any]:
    """What is said of a service besides."""
    return {
        "deployments": [
            {"id": use.deployment_id, "service": use.service, "status": use.status, "binding": use.binding_id}
            for use in uses
        ],
        "rotation": rotation
        and {
            "status": rotation.status,
            "successor": rotation.successor,
            "replaces": list(rotation.replaces),
            "fault": rotation.fault and vars(rotation.fault),
            "request_id": rotation.request_id,
            "started_at": isoformat(rotation.started_at),
            "updated_at": isoformat(rotation.updated_at),
        },
    }
