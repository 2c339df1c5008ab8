"""/osb/v2/service_instances: services, under the platform's ids.

Their own ids are made of the project's and the platform's (gateway.broker.platforms), so that a PUT which is
sent again means the same service, whatever became of the first.
"""

import dataclasses
import re
import time

from oslo_db import exception as db_exception

from gateway import errors
from gateway.api import osb_catalog
from gateway.api.osb_call import ID, OBJECT, Answer, Call, concurrent, kept, last
from gateway.api.patience import Patience
from gateway.api.providers import NAME
from gateway.api.server_plans import Adding
from gateway.api.services import check, generated_name
from gateway.broker import choice, platforms
from gateway.broker.model import Provider, Service, Status
from gateway.broker.providers import TYPES
from gateway.broker.roll import Roll
from gateway.broker.store import BrokerStore

_CREATED, _UPDATED, _DELETED = "create", "update", "delete"  # operations
_PROVISION = {
    "type": "object",
    "required": ["service_id", "plan_id", "organization_guid", "space_guid"],
    "properties": {
        "service_id": ID,
        "plan_id": ID,
        "organization_guid": ID,
        "space_guid": ID,
        "context": OBJECT,
        "parameters": OBJECT,
        "maintenance_info": OBJECT,
    },
}
_UPDATE = {
    "type": "object",
    "required": ["service_id"],
    "properties": {
        "service_id": ID,
        "plan_id": ID,
        "context": OBJECT,
        "parameters": OBJECT,
        "previous_values": OBJECT,
        "maintenance_info": OBJECT,
    },
}


class Instances:
    def __init__(self, parts, patience: Patience):
        self._store: BrokerStore = parts.broker
        self._roll = Roll(parts.conf, parts.registry)
        self._patience = patience
        self._adding = Adding(parts)

    def provision(self, call: Call, instance_id: str) -> Answer:
        """201 for what this call made; 200 for the one that there is, as it is wanted."""
        wanted = call.body(_PROVISION)
        if there := self._standing(platforms.service_id(call.context.project_id, instance_id)):
            _check_same(there, wanted)
            return self._provisioned(call, there.id, False)
        type, plan = osb_catalog.named(self._store.providers(), wanted["service_id"], wanted["plan_id"])
        service = self._wanted(call, instance_id, wanted, type, plan)
        found = self._standing(service.id)
        is_new = found is None and self._add(call, service, _names(wanted, service))
        if not is_new:
            _check_same(found or self._standing(service.id), wanted)
        return self._provisioned(call, service.id, is_new)

    def _provisioned(self, call: Call, id: str, is_new: bool) -> Answer:
        found = self._until(call, id, lambda each: each.status is not Status.CREATING)
        if found is None or found.status is Status.DELETING:
            raise concurrent("It was deleted meanwhile.")
        check(found.status, found.fault)
        if found.status is Status.CREATING:
            return call.unfinished(_CREATED)
        return Answer(201 if is_new else 200, {})

    def get(self, call: Call, instance_id: str) -> Answer:
        service = self._there(call, instance_id)
        if service.status is Status.UPDATING:
            raise concurrent("It is being updated.")
        if service.status is not Status.READY:
            raise _not_found(instance_id)
        ids = {
            "service_id": osb_catalog.service_id(service.type),
            "plan_id": osb_catalog.plan_id(service.type, service.plan),
        }
        return Answer(200, {**ids, "parameters": {}})

    def update(self, call: Call, instance_id: str) -> Answer:
        """Another plan of the same provider's; without one there is nothing to be done."""
        wanted = call.body(_UPDATE)
        service = self._there(call, instance_id)
        check_offering(service, wanted["service_id"])
        plan = self._plan(service, wanted["plan_id"]) if "plan_id" in wanted else service.plan
        if service.status not in (Status.READY, Status.UPDATING):
            raise concurrent(f"It is {service.status}.")
        if plan != service.plan:
            check_wait(call, self._store.provider(service.provider))
            if service.status is Status.UPDATING or not self._store.set_plan(service, plan):
                raise concurrent("It is being changed by another call.")
        elif service.status is Status.READY:
            return Answer(200, {})
        found = self._until(call, service.id, lambda each: each.status is not Status.UPDATING)
        if found is None or found.status is Status.DELETING:
            raise concurrent("It was deleted meanwhile.")
        return Answer(200, {}) if found.status is Status.READY else call.unfinished(_UPDATED)

    def deprovision(self, call: Call, instance_id: str) -> Answer:
        """At any time, also while it is being made. The plan's id is a hint alone: a platform that gave an
        update up may not know the plan."""
        offering, _ = call.needed("service_id"), call.needed("plan_id")
        service = self._found(call, instance_id)
        if service is None:
            raise _gone(instance_id)
        check_offering(service, offering)
        check_wait(call, self._store.provider(service.provider))
        with kept():
            self._store.delete(service)
        left = self._until(call, service.id, lambda each: False)
        return Answer(200, {}) if left is None else call.unfinished(_DELETED)

    def last_operation(self, call: Call, instance_id: str) -> Answer:
        service, operation = self._found(call, instance_id), call.query("operation")
        if service is None:
            raise _gone(instance_id)
        told = service.fault.message if service.fault else f"{service.name} is {service.status}."
        if service.status in (Status.REVERTING, Status.FAILED):
            return last("failed", told, instance_usable=False, update_repeatable=False)
        if service.status is Status.DELETING and operation in (_CREATED, _UPDATED):
            return last("failed", "It was deleted meanwhile.", instance_usable=False, update_repeatable=False)
        if service.status is Status.READY:
            return last("succeeded", told)
        return last("in progress", told)

    def _wanted(self, call: Call, instance_id: str, wanted: dict, type: str, plan: str) -> Service:
        providers, now = self._store.providers(), time.time()
        counts = self._store.counts([each.name for each in providers])
        provider = choice.chosen(providers, counts, self._roll.health(providers), type, plan)
        check_wait(call, provider)
        return Service(
            id=platforms.service_id(call.context.project_id, instance_id),
            project_id=call.context.project_id,
            user_id=call.context.user_id,
            name="",
            type=type,
            provider=provider.name,
            plan=plan,
            status=Status.CREATING,
            fault=None,
            created_at=now,
            updated_at=now,
            platform={
                "instance_id": instance_id,
                "organization_guid": wanted["organization_guid"],
                "space_guid": wanted["space_guid"],
                "identity": call.identity,
            },
        )

    def _add(self, call: Call, service: Service, names: list[str]) -> bool:
        """Under the first of the names that is free. False where another call was quicker."""
        for name in names:
            try:
                self._adding.add(call.context, dataclasses.replace(service, name=name))
                return True
            except db_exception.DBDuplicateEntry:
                if self._standing(service.id) is not None:
                    return False
        raise errors.Conflict("gateway.service.name_taken", f"There is a service {names[-1]} already.")

    def _plan(self, service: Service, id: str) -> str:
        """Raises Invalid for one that nobody has, Unprocessable for one that its provider does not have or
        does not change to."""
        if id == osb_catalog.plan_id(service.type, service.plan):
            return service.plan
        providers = self._store.providers()
        _, plan = osb_catalog.named(providers, osb_catalog.service_id(service.type), id)
        own = next(each for each in providers if each.name == service.provider)
        if plan not in osb_catalog.offered([own]).get(service.type, {}):
            raise errors.Unprocessable(
                "PlanChangeNotSupported", f"plan_id: the provider of {service.name} has no plan {plan}."
            )
        if not own.offers[service.type][service.plan].is_updateable:
            raise errors.Unprocessable(
                "PlanChangeNotSupported", f"plan_id: services of the plan {service.plan} stay with it."
            )
        return plan

    def _until(self, call: Call, id: str, is_done) -> Service | None:
        return self._patience.until(
            lambda: self._store.by_id(id), lambda found: found is None or is_done(found), call.patience
        )

    def _standing(self, id: str) -> Service | None:
        """Unless it has failed: then nothing is there of it, and another may take its place."""
        found = self._store.by_id(id)
        return None if found is None or found.status is Status.FAILED else found

    def _found(self, call: Call, instance_id: str) -> Service | None:
        return found(self._store, call, instance_id)

    def _there(self, call: Call, instance_id: str) -> Service:
        service = self._found(call, instance_id)
        if service is None or service.status is Status.FAILED:
            raise _not_found(instance_id)
        return service


def found(store: BrokerStore, call: Call, instance_id: str) -> Service | None:
    return store.by_id(platforms.service_id(call.context.project_id, instance_id))


def check_wait(call: Call, provider: Provider) -> None:
    """Raises Unprocessable for what nobody can wait for."""
    if TYPES[provider.type].is_slow and not call.accepts_incomplete:
        raise errors.Unprocessable("AsyncRequired", "This takes minutes: accepts_incomplete=true is needed.")


def check_offering(service: Service, id: str) -> None:
    if id != osb_catalog.service_id(service.type):
        raise errors.Invalid("gateway.service.type", f"service_id: {service.name} is not of {id}.")


def _names(wanted: dict, service: Service) -> list[str]:
    """What it may be called here, best first: as on the platform."""
    name = (wanted.get("context") or {}).get("instance_name")
    own = [name] if isinstance(name, str) and re.match(NAME["pattern"], name) else []
    return [*own, generated_name(service.type, service.id[:8]), generated_name(service.type, service.id)]


def _check_same(there: Service | None, wanted: dict) -> None:
    """``wanted`` as in the body: whatever of it providers have by now."""
    if there is None or there.status in (Status.DELETING, Status.REVERTING):
        raise concurrent("It is being removed.")
    if any(wanted[name] != value for name, value in _attributes(there).items()):
        raise errors.Conflict(
            "gateway.service.name_taken",
            f"There is such an instance already, of {there.type} and plan {there.plan}, in another place.",
        )


def _attributes(service: Service) -> dict[str, str | None]:
    platform = service.platform or {}
    return {
        "service_id": osb_catalog.service_id(service.type),
        "plan_id": osb_catalog.plan_id(service.type, service.plan),
        "organization_guid": platform.get("organization_guid"),
        "space_guid": platform.get("space_guid"),
    }


def _not_found(instance_id: str) -> errors.NotFound:
    return errors.NotFound("gateway.service.not_found", f"There is no instance {instance_id}, or not yet.")


def _gone(instance_id: str) -> errors.Gone:
    return errors.Gone("gateway.service.gone", f"There is no instance {instance_id}.")
