"""/osb/v2/catalog: what the providers offer, whoever of them does it."""

import dataclasses
import email.utils
import hashlib
import json
import uuid
from collections.abc import Iterable
from typing import Any

from gateway import errors
from gateway.api.osb_call import Answer, Call
from gateway.broker.model import Limits, Plan, Provider, Status

_OFFERINGS = uuid.UUID("6f0f2f0c-4a3b-5c0e-9d6b-0f3f5d0c7b11")  # ours; ids are made of it and never change
_POLLING = 3600  # seconds, of what takes longest
_NO_PARAMETERS = {
    "parameters": {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "object",
        "properties": {},
        "additionalProperties": False,
    }
}
_SCHEMAS = {
    "service_instance": {"create": _NO_PARAMETERS, "update": _NO_PARAMETERS},
    "service_binding": {"create": _NO_PARAMETERS},
}


def service_id(type: str) -> str:
    return str(uuid.uuid5(_OFFERINGS, type))


def plan_id(type: str, plan: str) -> str:
    return str(uuid.uuid5(_OFFERINGS, f"{type}/{plan}"))


def offered(providers: Iterable[Provider]) -> dict[str, dict[str, Plan]]:
    """Plans by type of service, each as of the provider that comes first by name."""
    found: dict[str, dict[str, Plan]] = {}
    for provider in sorted(providers, key=lambda each: each.name):
        for type, plans in provider.offers.items() if provider.status is Status.READY else ():
            for name, plan in plans.items():
                if plan.is_offered:
                    found.setdefault(type, {}).setdefault(name, plan)
    return found


def named(providers: Iterable[Provider], service: str, plan: str) -> tuple[str, str]:
    """The type and the plan of these ids. Raises Invalid."""
    there = offered(providers)
    types = [type for type in there if service_id(type) == service]
    if not types:
        raise errors.Invalid("gateway.service.type", f"service_id: the catalog has no {service}.")
    plans = [name for name in there[types[0]] if plan_id(types[0], name) == plan]
    if not plans:
        raise errors.Invalid("gateway.service.plan", f"plan_id: {types[0]} has no plan {plan}.")
    return types[0], plans[0]


class Catalog:
    def __init__(self, parts):
        self._store = parts.broker

    def get(self, call: Call) -> Answer:
        providers = self._store.providers()
        there = offered(providers)
        single = {type for each in providers if each.type == "server" for type in each.offers}
        services = [_offering(type, there[type], type not in single) for type in sorted(there)]
        body = {"services": services}
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        changed = max((each.updated_at for each in providers), default=0.0)
        headers = {"ETag": f'"{digest}"', "Last-Modified": email.utils.formatdate(changed, usegmt=True)}
        seen = call.request.if_none_match
        is_known = bool(call.request.headers.get("If-None-Match")) and digest in seen
        return Answer(304 if is_known else 200, body, headers)


def _offering(type: str, plans: dict[str, Plan], is_rotatable: bool) -> dict[str, Any]:
    """``is_rotatable``: wherever it is made it may have several logins."""
    return {
        "id": service_id(type),
        "name": type,
        "description": f"{type}: a service of one's own, and logins to it",
        "tags": [type],
        "bindable": any(plan.is_bindable for plan in plans.values()),
        "plan_updateable": any(plan.is_updateable for plan in plans.values()),
        "instances_retrievable": True,
        "bindings_retrievable": True,
        "allow_context_updates": False,
        "metadata": {"displayName": type},
        "plans": [_plan(type, name, plans[name], is_rotatable) for name in sorted(plans)],
    }


def _plan(type: str, name: str, plan: Plan, is_rotatable: bool) -> dict[str, Any]:
    return {
        "id": plan_id(type, name),
        "name": name,
        "description": plan.description or _told(plan.limits),
        "free": True,
        "bindable": plan.is_bindable,
        "plan_updateable": plan.is_updateable,
        "binding_rotatable": plan.is_bindable and is_rotatable,
        "maximum_polling_duration": plan.patience or _POLLING,
        "schemas": _SCHEMAS,
    }


def _told(limits: Limits) -> str:
    given = {name: value for name, value in dataclasses.asdict(limits).items() if value is not None}
    return ", ".join(f"{name} {value}" for name, value in given.items()) or "no limits but the server's own"
