"""/v1/providers: servers that services are made on. Admins attach them; everybody sees what they offer."""

import dataclasses
import time
from typing import Any

import pecan
from oslo_db import exception as db_exception

from gateway import errors
from gateway.api import auth
from gateway.api.collection import PAGE, Collection, page
from gateway.api.expose import expose, isoformat
from gateway.broker.broker import Reach
from gateway.broker.model import Limits, Provider, Status
from gateway.broker.providers import TYPES

NAME = {
    "type": "string",
    "pattern": r"^[a-z][a-z0-9-]{0,62}(?!\n)$",
    "error": "must be a small letter, then up to 62 small letters, digits and dashes.",
}
_PLAN = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "connections": {
            "type": ["integer", "null"],
            "minimum": 1,
            "maximum": 100_000,
            "error": "must be a whole number from 1 to 100000, or null.",
        },
        "statement_timeout": {
            "type": ["number", "null"],
            "minimum": 0.1,
            "maximum": 86400,
            "error": "must be a number of seconds from 0.1 to 86400, or null.",
        },
    },
}
_MEMBERS = {
    "type": {"enum": sorted(TYPES), "error": f"must be one of {', '.join(sorted(TYPES))}."},
    "host": {"type": "string", "minLength": 1, "maxLength": 255, "error": "must be an address or a name."},
    "port": {"type": "integer", "minimum": 1, "maximum": 65535, "error": "must be a port, 1 to 65535."},
    "username": {
        "type": "string",
        "pattern": r"^[!-~]{1,64}(?!\n)$",
        "error": "must be 1 to 64 printable ASCII characters.",
    },
    "password": {
        "type": "string",
        "pattern": r"^[ -~]{0,256}(?!\n)$",
        "error": "must be at most 256 printable ASCII characters.",
    },
    "plans": {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 100,
        "propertyNames": NAME,
        "additionalProperties": _PLAN,
        "error": 'must be {"NAME": {limits}, …}, at least one.',
    },
}


def wrapped(name: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """The schema of {name: {properties}}, of which some are required."""
    member = {
        "type": "object",
        "required": required,
        "additionalProperties": False,
        "properties": properties,
    }
    return {"type": "object", "required": [name], "additionalProperties": False, "properties": {name: member}}


_NEW = wrapped("provider", {"name": NAME, **_MEMBERS}, ["name", "type", "host", "username", "plans"])
_CHANGED = wrapped("provider", _MEMBERS, ["host", "username", "plans"])
_FORCE = {"force": {"type": "boolean", "error": "must be true or false."}}


class Providers(Collection):
    on_collection = {"GET": "get_all", "POST": "post"}
    on_member = {"GET": "get_one", "PUT": "put", "DELETE": "delete"}

    def __init__(self, parts):
        self._conf = parts.conf
        self._store = parts.broker
        self._reach = Reach(parts.conf)

    @expose(policy="gateway:providers:get", query=PAGE)
    def get_all(self, context, limit=None, marker=None):
        """By name."""
        fetch, view = self._store.providers, self._viewer()
        return page("providers", self._conf, fetch, view, limit, marker, lambda each: each.name)

    @expose(policy="gateway:providers:get")
    def get_one(self, name, context):
        return self._shown(name)

    @expose(policy="gateway:providers:create", body=_NEW, status=201)
    def post(self, context, body):
        """It must be there, and let the broker in."""
        wanted, now = body["provider"], time.time()
        provider = Provider(
            name=wanted["name"],
            type=wanted["type"],
            **_settings(wanted, wanted["type"], ""),
            status=Status.READY,
            created_at=now,
            updated_at=now,
        )
        self._reach.server(provider).check(provider.plans.values())
        try:
            self._store.add_provider(provider)
        except db_exception.DBDuplicateEntry as error:
            raise errors.Conflict(
                "gateway.provider.name_taken",
                f"name: there is a provider {provider.name} already.",
                field="provider.name",
            ) from error
        pecan.response.headers["Location"] = f"/v1/providers/{provider.name}"
        return self._shown(provider.name)

    @expose(policy="gateway:providers:update", body=_CHANGED)
    def put(self, name, context, body):
        """As a whole, but for the password, which stays where none is given. Limits that change are put in
        force for the services that there are."""
        wanted, before = body["provider"], self._store.provider(name)
        if wanted.get("type", before.type) != before.type:
            raise errors.Invalid(
                "gateway.provider.type",
                f"type: {name} is {before.type}, and stays so.",
                field="provider.type",
            )
        provider = dataclasses.replace(
            before, **_settings(wanted, before.type, before.password), updated_at=time.time()
        )
        self._reach.server(provider).check(provider.plans.values())
        self._store.change_provider(provider)
        return self._shown(name)

    @expose(policy="gateway:providers:delete", query=_FORCE)
    def delete(self, name, context, force=False):
        """204 when it is gone, 202 while its services are being deleted first."""
        gone = self._store.delete_provider(name, force)
        pecan.response.status_int = 204 if gone else 202
        return None if gone else self._shown(name)

    def _shown(self, name: str) -> dict:
        provider = self._store.provider(name)
        return {"provider": self._viewer()(provider)}

    def _viewer(self):
        """Who may change providers sees how they are managed, too."""
        manages = auth.may(pecan.request, "gateway:providers:update")

        def view(provider: Provider) -> dict:
            return _view(provider) | (self._managed(provider) if manages else {})

        return view

    def _managed(self, provider: Provider) -> dict:
        return {"username": provider.username, "services": self._store.counts([provider.name])[provider.name]}


def _settings(wanted: dict, type: str, password: str) -> dict[str, Any]:
    """What of a provider may change; ``password``: where none is given. Raises what ``_plans`` raises."""
    return {
        "host": wanted["host"],
        "port": wanted.get("port", TYPES[type].port),
        "username": wanted["username"],
        "password": wanted.get("password", password),
        "plans": _plans(wanted, type),
    }


def _plans(wanted: dict, type: str) -> dict[str, Limits]:
    """Raises Invalid for a limit that such a server does not enforce."""
    enforced = TYPES[type].limits
    for plan, limits in wanted["plans"].items():
        for limit in sorted(set(limits) - enforced):
            told = ", ".join(sorted(enforced)) or "none"
            raise errors.Invalid(
                "gateway.provider.limit",
                f"plans.{plan}.{limit}: {type} does not enforce it; it does: {told}.",
                field=f"provider.plans.{plan}.{limit}",
            )
    return {plan: Limits(**limits) for plan, limits in wanted["plans"].items()}


def _view(provider: Provider) -> dict:
    plans = {
        name: {limit: value for limit, value in dataclasses.asdict(limits).items() if value is not None}
        for name, limits in provider.plans.items()
    }
    return {
        "name": provider.name,
        "type": provider.type,
        "host": provider.host,
        "port": provider.port,
        "plans": plans,
        "status": provider.status,
        "created_at": isoformat(provider.created_at),
        "updated_at": isoformat(provider.updated_at),
    }
