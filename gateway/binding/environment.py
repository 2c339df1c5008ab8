"""What the credentials of services are called in a deployment's environment, and what they are.

A deployment runs with the binding that is its service's current one, which is what everybody is told: all
bindings of a service have the same rights, so one of its own would give it no lesser ones, and some providers
have but one. It remembers which one that is, so that it is known until another takes its place.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from gateway import errors
from gateway.broker.model import LIVE
from gateway.broker.store import BrokerStore
from gateway.deploy.model import Bound, Spec

_FIELD = "deployment.bind"


def chosen(broker: BrokerStore, project_id: str, wanted: Iterable[tuple[str, str]]) -> tuple[Bound, ...]:
    """The current bindings of services (name, prefix). Raises Invalid for one that is not there, Conflict
    for one that cannot be used yet, or any more."""
    return tuple(_chosen(broker, project_id, name, prefix) for name, prefix in wanted)


def _chosen(broker: BrokerStore, project_id: str, name: str, prefix: str) -> Bound:
    try:
        service = broker.service(project_id, name)
    except errors.NotFound as error:
        raise errors.Invalid(error.code, f"bind: {error.message}", field=_FIELD) from error
    if service.current is None:
        is_what = "has no credentials" if service.status in LIVE else f"is {service.status}"
        raise errors.Conflict(
            "gateway.deployment.bind_not_ready",
            f"bind: service {name} {is_what}; it can be bound once it is ready.",
            field=_FIELD,
        )
    return Bound(name, prefix, service.id, service.current.id)


def environment(broker: BrokerStore, spec: Spec) -> dict[str, str]:
    """The credentials of what it binds, by their names. Raises Invalid for a name that is had twice, Conflict
    for a binding that is no longer there."""
    found: dict[str, str] = {}
    owners = dict.fromkeys(("PORT", *spec.env, *spec.secrets), "the deployment's own environment")
    for each in spec.bind:
        for name, value in variables(_credentials(broker, each), each.prefix).items():
            if name in owners:
                raise _clash(each, name, owners[name])
            found[name], owners[name] = value, f"service {each.service}"
    return found


def _credentials(broker: BrokerStore, bound: Bound) -> Mapping[str, Any]:
    service = broker.by_id(bound.service_id)
    binding = service and service.binding(bound.binding_id)
    credentials = service.credentials(binding) if binding else None
    if credentials is None:
        raise errors.Conflict(
            "gateway.deployment.bind_gone",
            f"bind: service {bound.service} has no binding {bound.binding_id} any more.",
            field=_FIELD,
        )
    return credentials


def variables(credentials: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Named as a shell can have it; what is no text is written as JSON."""
    return {
        prefix + re.sub(r"\W|^(?=\d)", "_", name, flags=re.ASCII): value
        if isinstance(value, str)
        else json.dumps(value)
        for name, value in credentials.items()
    }


def _clash(bound: Bound, name: str, owner: str) -> errors.Invalid:
    suggested = re.sub(r"[^A-Z0-9]", "_", bound.service.upper())
    return errors.Invalid(
        "gateway.deployment.bind_clash",
        f"bind: {name} of service {bound.service} is in {owner} already; give it a prefix: "
        f'{{"service": "{bound.service}", "prefix": "{suggested}_"}}.',
        field=_FIELD,
    )
