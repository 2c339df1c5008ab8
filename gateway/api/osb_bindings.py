"""/osb/v2/service_instances/{instance}/service_bindings: logins, under the platform's ids.

A predecessor's successor is a login besides it: both work until the platform unbinds one.
"""

import urllib.parse
from typing import Any

from oslo_db import exception as db_exception

from gateway import errors
from gateway.api import osb_catalog
from gateway.api.osb_call import ID, OBJECT, Answer, Call, concurrent, kept, last
from gateway.api.osb_instances import check_offering, found
from gateway.api.patience import Patience
from gateway.api.services import check, new_binding
from gateway.binding.server import ONE_BINDING
from gateway.broker import platforms
from gateway.broker.model import LIVE, Binding, Service, Status
from gateway.broker.store import BrokerStore

_BOUND, _UNBOUND = "bind", "unbind"  # operations
_BIND = {
    "type": "object",
    "properties": {
        "service_id": ID,
        "plan_id": ID,
        "predecessor_binding_id": ID,
        "context": OBJECT,
        "app_guid": ID,
        "bind_resource": OBJECT,
        "parameters": OBJECT,
    },
    "anyOf": [{"required": ["service_id", "plan_id"]}, {"required": ["predecessor_binding_id"]}],
    "error": "service_id and plan_id are needed, or predecessor_binding_id.",
}


class Bindings:
    def __init__(self, parts, patience: Patience):
        self._conf = parts.conf
        self._store: BrokerStore = parts.broker
        self._patience = patience

    def bind(self, call: Call, instance_id: str, binding_id: str) -> Answer:
        """201 for what this call made; 200 for the one that there is, as it is wanted."""
        wanted = call.body(_BIND)
        service = self._service(call, instance_id)
        if "service_id" in wanted:
            check_offering(service, wanted["service_id"])
            self._check_plan(service, wanted.get("plan_id"))
        binding = self._wanted(call, service, binding_id, wanted)
        self._check_bindable(service, binding)
        is_new = self._add(service, binding)
        if not is_new:
            _check_same(self._binding(service, binding.id), binding)
        seen = self._until(call, service, binding.id, lambda each: each.status is not Status.CREATING)
        if seen is None or seen.status is Status.DELETING:
            raise concurrent("It was deleted meanwhile.")
        check(seen.status, seen.fault)
        if seen.status is Status.CREATING:
            return call.unfinished(_BOUND)
        return _shown(service, seen, 201 if is_new else 200)

    def get(self, call: Call, instance_id: str, binding_id: str) -> Answer:
        service = self._service(call, instance_id)
        binding = service.binding(platforms.binding_id(service.id, binding_id))
        if binding is None or binding.status is not Status.READY:
            raise _not_found(binding_id)
        return _shown(service, binding, 200)

    def unbind(self, call: Call, instance_id: str, binding_id: str) -> Answer:
        """At any time, also while it is being made."""
        offering, _ = call.needed("service_id"), call.needed("plan_id")
        service = found(self._store, call, instance_id)
        binding = service and service.binding(platforms.binding_id(service.id, binding_id))
        if binding is None:
            raise _gone(binding_id)
        check_offering(service, offering)
        with kept():
            self._store.delete_binding(binding)
        left = self._until(call, service, binding.id, lambda each: False)
        return Answer(200, {}) if left is None else call.unfinished(_UNBOUND)

    def last_operation(self, call: Call, instance_id: str, binding_id: str) -> Answer:
        service = found(self._store, call, instance_id)
        binding = service and service.binding(platforms.binding_id(service.id, binding_id))
        if binding is None:
            raise _gone(binding_id)
        told = binding.fault.message if binding.fault else f"It is {binding.status}."
        if binding.status in (Status.REVERTING, Status.FAILED):
            return last("failed", told)
        if binding.status is Status.DELETING and call.query("operation") == _BOUND:
            return last("failed", "It was deleted meanwhile.")
        return last("succeeded" if binding.status is Status.READY else "in progress", told)

    def _service(self, call: Call, instance_id: str) -> Service:
        """Raises NotFound, and Unprocessable for one that nobody may log in to now."""
        service = found(self._store, call, instance_id)
        if service is None or service.status is Status.FAILED:
            raise errors.NotFound("gateway.service.not_found", f"There is no instance {instance_id}.")
        if service.status not in (Status.READY, Status.UPDATING):
            raise concurrent(f"The instance is {service.status}.")
        return service

    def _wanted(self, call: Call, service: Service, binding_id: str, wanted: dict) -> Binding:
        """A successor is for the same application as its predecessor."""
        resource = wanted.get("bind_resource") or {}
        if "app_guid" in wanted:
            resource = {"app_guid": wanted["app_guid"], **resource}
        before = wanted.get("predecessor_binding_id")
        if before is not None:
            resource = self._predecessor(service, before).platform["bind_resource"]
        platform = {
            "binding_id": binding_id,
            "bind_resource": resource,
            "predecessor_binding_id": before,
            "identity": call.identity,
        }
        return new_binding(service.id, platforms.binding_id(service.id, binding_id), platform)

    def _check_plan(self, service: Service, id: str | None) -> None:
        """It may be another one of the catalogue's: a platform that has given an update up may not know
        better. Raises Invalid."""
        if id not in (None, osb_catalog.plan_id(service.type, service.plan)):
            osb_catalog.named(self._store.providers(), osb_catalog.service_id(service.type), id)

    def _check_bindable(self, service: Service, binding: Binding) -> None:
        """Raises Invalid for one that its plan does not have, Unprocessable for one too many."""
        provider = self._store.provider(service.provider)
        others = [each for each in service.bindings if each.id != binding.id and each.status in LIVE]
        if provider.type == "server" and others:
            raise errors.Unprocessable("OneBindingOnly", ONE_BINDING)
        if not provider.offers[service.type][service.plan].is_bindable:
            raise errors.Invalid(
                "gateway.binding.none", f"plan_id: services of the plan {service.plan} have no bindings."
            )

    def _predecessor(self, service: Service, binding_id: str) -> Binding:
        binding = service.binding(platforms.binding_id(service.id, binding_id))
        if binding is None or binding.status is not Status.READY:
            raise errors.Invalid(
                "gateway.binding.predecessor", f"predecessor_binding_id: there is no binding {binding_id}."
            )
        return binding

    def _add(self, service: Service, binding: Binding) -> bool:
        """False where it is there already."""
        there = service.binding(binding.id)
        if there is not None and there.status is not Status.FAILED:
            return False
        try:
            if not self._store.add_binding(binding, self._conf.broker.max_bindings):
                raise concurrent("The instance is being removed.")
        except db_exception.DBDuplicateEntry:  # another call was quicker
            return False
        return True

    def _binding(self, service: Service, id: str) -> Binding | None:
        seen = self._store.by_id(service.id)
        return seen and seen.binding(id)

    def _until(self, call: Call, service: Service, id: str, is_done) -> Binding | None:
        return self._patience.until(
            lambda: self._binding(service, id), lambda seen: seen is None or is_done(seen), call.patience
        )


def _shown(service: Service, binding: Binding, status: int) -> Answer:
    credentials = dict(service.credentials(binding) or {})
    body = {"credentials": _with_parts(credentials), "endpoints": _endpoints(credentials)}
    return Answer(status, body, {"Cache-Control": "no-store"})


def _check_same(there: Binding | None, wanted: Binding) -> None:
    if there is None or there.status in (Status.DELETING, Status.REVERTING):
        raise concurrent("It is being removed.")
    if _attributes(there) != _attributes(wanted):
        raise errors.Conflict("gateway.binding.taken", "There is such a binding already, of something else.")


def _attributes(binding: Binding) -> tuple:
    platform = binding.platform or {}
    return tuple(platform.get(name) for name in ("binding_id", "bind_resource", "predecessor_binding_id"))


def _urls(credentials: dict[str, Any]) -> list[urllib.parse.SplitResult]:
    texts = (value for value in credentials.values() if isinstance(value, str) and "://" in value)
    return [place for place in map(urllib.parse.urlsplit, texts) if place.hostname]


def _with_parts(credentials: dict[str, Any]) -> dict[str, Any]:
    """And what the specification's example and most buildpacks call the parts of the one URL."""
    if len(places := _urls(credentials)) != 1:
        return credentials
    place = places[0]
    parts = {
        "uri": place.geturl(),
        "host": place.hostname,
        "port": place.port,
        "username": place.username,
        "password": place.password,
        "database": place.path.removeprefix("/"),
    }
    return {**{name: value for name, value in parts.items() if value}, **credentials}


def _endpoints(credentials: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"host": place.hostname, "ports": [str(place.port)], "protocol": "tcp"}
        for place in _urls(credentials)
        if place.port
    ]


def _not_found(binding_id: str) -> errors.NotFound:
    return errors.NotFound("gateway.binding.not_found", f"There is no binding {binding_id}, or not yet.")


def _gone(binding_id: str) -> errors.Gone:
    return errors.Gone("gateway.binding.gone", f"There is no binding {binding_id}.")
