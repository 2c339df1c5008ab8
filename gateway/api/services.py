"""/v1/services: what providers make for a project, databases for example, and the logins to it.

What is asked for is stored, and done by the role engine; a call waits for it for [broker] answer_timeout, and
answers 202 then. Asked for again by its name, a service is the one that there is.
"""

import functools
import re
import secrets
import time
from collections.abc import Callable
from typing import Any

import pecan
from oslo_db import exception as db_exception

from gateway import errors
from gateway.api import auth, rotations
from gateway.api.collection import PAGE, Collection, page
from gateway.api.expose import expose
from gateway.api.patience import Patience
from gateway.api.providers import NAME, wrapped
from gateway.api.server_plans import Adding
from gateway.api.services_view import BINDING, ONE, ONE_BINDING, SERVICE, binding_view, made_by, service_view
from gateway.api.shapes import listed, shape
from gateway.binding import server as on_its_own
from gateway.broker import choice
from gateway.broker.model import (
    LIVE,
    Binding,
    Fault,
    Provider,
    Rotation,
    RotationStatus,
    Service,
    Status,
    on_server,
)
from gateway.broker.roll import Roll
from gateway.broker.store import BrokerStore
from gateway.deploy.store import DeploymentStore

_TEXT = {"type": "string", "minLength": 1, "maxLength": 64, "error": "must be text of 1 to 64 characters."}
_NEW = {"type": _TEXT, "plan": _TEXT, "provider": _TEXT, "name": NAME}
_EMPTY = {"type": "object", "additionalProperties": False}
_UNDER_WAY = (Status.CREATING, Status.UPDATING, Status.DELETING)
_KINDS = {
    "gateway.provider.timeout": errors.Timeout,
    "gateway.internal": errors.GatewayError,
    "gateway.service.not_rotated": errors.Unhealthy,
}

#: What a provider may make fail.
_MADE = [errors.Conflict, errors.ProviderError, errors.Timeout]


class Services(Collection):
    on_collection = {"GET": "get_all", "POST": "post"}
    on_member = {"GET": "get_one", "PUT": "put", "DELETE": "delete"}
    on_part = {
        "bindings": {"GET": "get_bindings", "POST": "post_binding"},
        "rotate": {"POST": "rotate"},
    }
    on_part_member = {"bindings": {"GET": "get_binding", "DELETE": "delete_binding"}}

    def __init__(self, parts, patience: Patience):
        self._conf = parts.conf
        self._store: BrokerStore = parts.broker
        self._roll = Roll(parts.conf, parts.registry)
        self._deployments: DeploymentStore = parts.deployments
        self._patience = patience
        self._adding = Adding(parts)

    @expose(
        policy="gateway:services:get",
        query={**PAGE, "user": _TEXT, "provider": _TEXT},
        answer=listed("services", SERVICE),
    )
    def get_all(self, context, limit=None, marker=None, user=None, provider=None):
        """By name, without credentials; ``user``: the id of who asked for it."""
        fetch = functools.partial(self._store.services, context.project_id, user, provider)
        return page("services", self._conf, fetch, service_view, limit, marker, lambda each: each.name)

    @expose(policy="gateway:services:get", answer=ONE, headers=["Cache-Control"])
    def get_one(self, name, context):
        return self._shown(self._store.service(context.project_id, name))

    @expose(
        policy="gateway:services:create",
        body=wrapped("service", _NEW, ["type", "plan"]),
        status=201,
        answer=ONE,
        also={200: ONE, 202: ONE},
        raises=_MADE,
        headers=["Location", "Cache-Control"],
    )
    def post(self, context, body):
        """200 for the one that there is already, as it is wanted."""
        wanted = body["service"]
        if known := self._known(context, wanted):
            pecan.response.status_int = 200
            return self._made(known)
        providers = self._store.providers()
        provider = choice.chosen(
            providers,
            self._store.counts([each.name for each in providers]),
            self._roll.health(providers),
            wanted["type"],
            wanted["plan"],
            wanted.get("provider"),
        )
        service = _new_service(context, wanted, provider)
        try:
            self._adding.add(context, service)
        except db_exception.DBDuplicateEntry as error:  # another call was quicker
            raise _busy(service.name, "was just asked for by another call") from error
        return self._made(service)

    @expose(
        policy="gateway:services:update",
        body=wrapped("service", {"plan": _TEXT}, ["plan"]),
        answer=ONE,
        also={202: ONE},
        raises=_MADE,
        headers=["Cache-Control"],
    )
    def put(self, name, context, body):
        """Another plan; the same one has it put in force again."""
        service, plan = self._store.service(context.project_id, name), body["service"]["plan"]
        provider = self._store.provider(service.provider)
        choice.chosen([provider], {}, {}, service.type, plan, service.provider)
        if plan != service.plan and not provider.offers[service.type][service.plan].is_updateable:
            raise errors.Conflict(
                "gateway.service.plan_fixed",
                f"plan: services of the plan {service.plan} stay with it, {provider.name} says.",
                field="service.plan",
            )
        if not self._store.set_plan(service, plan):
            raise _busy(name, f"is {service.status}")
        return self._answered(service.id)

    @expose(
        policy="gateway:services:delete",
        status=204,
        also={202: shape(service=SERVICE)},
        raises=[errors.Conflict],
    )
    def delete(self, name, context):
        service = self._store.service(context.project_id, name)
        self._store.delete(service)
        return self._gone("service", lambda: self._store.by_id(service.id), service_view)

    @expose(policy="gateway:services:get", query=PAGE, answer=listed("bindings", BINDING))
    def get_bindings(self, name, context, limit=None, marker=None):
        """In the order in which they were made, without credentials."""
        bindings = self._store.service(context.project_id, name).bindings

        def fetch(limit, marker):
            ids = [each.id for each in bindings]
            start = ids.index(marker) + 1 if marker in ids else 0
            return bindings[start : start + limit]

        return page("bindings", self._conf, fetch, binding_view, limit, marker)

    @expose(policy="gateway:services:get", answer=ONE_BINDING, headers=["Cache-Control"])
    def get_binding(self, name, id, context):
        service = self._store.service(context.project_id, name)
        return self._shown_binding(service, _found(service, id))

    @expose(
        policy="gateway:services:update",
        body=_EMPTY,
        status=201,
        answer=ONE_BINDING,
        also={202: ONE_BINDING},
        raises=_MADE,
        headers=["Location", "Cache-Control"],
    )
    def post_binding(self, name, context, body):
        """Another login, besides those that there are."""
        service = self._several(context, name)
        binding = new_binding(service.id)
        if not self._store.add_binding(binding, self._conf.broker.max_bindings):
            raise _busy(name, f"is {service.status}")
        found = self._patience.until(
            lambda: self._binding_of(service, binding.id),
            lambda found: found is None or found.status not in _UNDER_WAY,
        )
        if found is None:
            raise _no_binding(name, binding.id)
        check(found.status, found.fault)
        pecan.response.headers["Location"] = f"/v1/services/{name}/bindings/{binding.id}"
        pecan.response.status_int = 201 if found.status is Status.READY else 202
        return self._shown_binding(service, found)

    @expose(
        policy="gateway:services:update",
        status=204,
        also={202: shape(binding=BINDING)},
        raises=[errors.Conflict],
    )
    def delete_binding(self, name, id, context):
        service = self._store.service(context.project_id, name)
        self._store.delete_binding(_found(service, id))
        return self._gone("binding", lambda: self._binding_of(service, id), binding_view)

    @expose(
        policy="gateway:services:update",
        body=_EMPTY,
        answer=ONE,
        also={202: ONE},
        raises=[*_MADE, errors.Unhealthy],
        headers=["Location", "Cache-Control"],
    )
    def rotate(self, name, context, body):
        """A binding in place of those that are told and used. 202 while deployments get it, and while the old
        ones go."""
        service = self._several(context, name)
        binding = new_binding(service.id)
        wanted = rotations.wanted(context, service, self._deployments.uses(service.id), binding)
        if not self._store.begin_rotation(wanted, binding, self._conf.broker.max_bindings):
            raise _busy(name, f"is {service.status}")
        found = self._patience.until(lambda: self._store.rotation(service.id), self._is_told_enough)
        if found is not None:
            check(Status.FAILED if found.fault else Status.READY, found.fault)
        if found is None or found.status is RotationStatus.RUNNING:
            pecan.response.headers["Location"] = f"/v1/services/{name}"
            pecan.response.status_int = 202
        return self._shown(self._store.service(context.project_id, name))

    def _several(self, context, name: str) -> Service:
        """Raises Conflict for one that cannot have several bindings."""
        service = self._store.service(context.project_id, name)
        provider = self._store.provider(service.provider)
        if not provider.offers[service.type][service.plan].is_bindable:
            raise errors.Conflict(
                "gateway.binding.none", f"Services of the plan {service.plan} have no bindings."
            )
        if provider.type == "server" and service.bindings:
            raise errors.Conflict("gateway.binding.only_one", on_its_own.ONE_BINDING)
        return service

    def _is_told_enough(self, rotation: Rotation | None) -> bool:
        """It is over, or goes on for as long as deployments take."""
        if rotation is None or rotation.status is not RotationStatus.RUNNING:
            return True
        service = self._store.by_id(rotation.service_id)
        successor = service and service.binding(rotation.successor)
        is_made = successor is not None and successor.status is Status.READY
        return is_made and bool(self._deployments.uses(rotation.service_id))

    def _gone(self, name: str, look: Callable[[], Any], view: Callable[[Any], dict]) -> dict | None:
        """204 once there is nothing to be seen of it, 202 with what there still is."""
        left = self._patience.until(look, lambda found: found is None)
        pecan.response.status_int = 204 if left is None else 202
        return None if left is None else {name: view(left)}

    def _known(self, context, wanted: dict) -> Service | None:
        """The one of the name that is wanted. Raises Conflict where that is another one."""
        if "name" not in wanted:
            return None
        try:
            found = self._store.service(context.project_id, wanted["name"])
        except errors.NotFound:
            return None
        if found.status is Status.FAILED:
            return None
        if found.status not in LIVE:
            raise _busy(found.name, f"is {found.status}")
        if any(wanted.get(each, getattr(found, each)) != getattr(found, each) for each in _NEW):
            raise errors.Conflict(
                "gateway.service.name_taken",
                f"name: there is {found.name} already, of type {found.type} and plan {found.plan} on "
                f"{found.provider}.",
                field="service.name",
            )
        return found

    def _made(self, service: Service) -> dict:
        pecan.response.headers["Location"] = f"/v1/services/{service.name}"
        return self._answered(service.id)

    def _answered(self, id: str) -> dict:
        """Once it is done, or 202; raises what made it fail."""
        found = self._patience.until(
            lambda: self._store.by_id(id), lambda found: found is None or found.status not in _UNDER_WAY
        )
        if found is None:
            raise errors.NotFound("gateway.service.not_found", "It was deleted meanwhile.")
        check(found.status, found.fault)
        if found.status is not Status.READY:
            pecan.response.status_int = 202
        return self._shown(found)

    def _shown(self, service: Service) -> dict:
        more = rotations.view(self._store.rotation(service.id), self._deployments.uses(service.id))
        more["deployment"] = made_by(self._deployments.live(service.project_id, on_server(service.id)))
        return {"service": service_view(service) | more | _credentials(service)}

    def _shown_binding(self, service: Service, binding: Binding) -> dict:
        return {"binding": binding_view(binding) | _credentials(service, binding)}

    def _binding_of(self, service: Service, id: str) -> Binding | None:
        found = self._store.by_id(service.id)
        return found and found.binding(id)


def _new_service(context, wanted: dict, provider: Provider) -> Service:
    id, now = secrets.token_hex(8), time.time()
    is_bindable = provider.offers[wanted["type"]][wanted["plan"]].is_bindable
    return Service(
        id=id,
        project_id=context.project_id,
        user_id=context.user_id,
        name=wanted.get("name", generated_name(wanted["type"], id[:8])),
        type=wanted["type"],
        provider=provider.name,
        plan=wanted["plan"],
        status=Status.CREATING,
        fault=None,
        created_at=now,
        updated_at=now,
        bindings=(new_binding(id),) if is_bindable else (),
    )


def generated_name(type: str, id: str) -> str:
    """``type`` may be of a catalogue, and anything."""
    kind = re.sub(r"[^a-z0-9-]", "-", type.lower())
    return f"{kind[: 62 - len(id)]}-{id}"  # 63 characters at most


def new_binding(service_id: str, id: str | None = None, platform: dict | None = None) -> Binding:
    return Binding(
        id=id or secrets.token_hex(4),
        service_id=service_id,
        password=secrets.token_urlsafe(24),
        status=Status.CREATING,
        fault=None,
        created_at=time.time(),
        platform=platform,
    )


def check(status: Status, fault: Fault | None) -> None:
    """Raises what made it fail."""
    if status in (Status.REVERTING, Status.FAILED):
        raise _KINDS.get(fault.code, errors.ProviderError)(fault.code, fault.message)


def _found(service: Service, id: str) -> Binding:
    found = service.binding(id)
    if found is None:
        raise _no_binding(service.name, id)
    return found


def _no_binding(name: str, id: str) -> errors.NotFound:
    return errors.NotFound("gateway.binding.not_found", f"Service {name} has no binding {id}.")


def _busy(name: str, why: str) -> errors.Conflict:
    return errors.Conflict("gateway.service.busy", f"Service {name} {why}.")


def _credentials(service: Service, binding: Binding | None = None) -> dict[str, Any]:
    """Null while there are none; left out for who may not see them."""
    if not auth.may(pecan.request, "gateway:services:credentials"):
        return {}
    pecan.response.headers["Cache-Control"] = "no-store"
    return {"credentials": service.credentials(binding)}
