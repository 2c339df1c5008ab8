"""/v1/providers: who makes services. Admins attach them; everybody sees what they offer."""

import dataclasses
import ipaddress
import time
from typing import Any

import pecan
from oslo_db import exception as db_exception

from gateway import errors
from gateway.api import auth, server_plans
from gateway.api.collection import PAGE, Collection, page
from gateway.api.expose import expose, isoformat
from gateway.api.shapes import Maybe, Time, listed, of, shape
from gateway.binding.server import OnServers
from gateway.broker.broker import Reach, bad_host
from gateway.broker.model import Limits, Offers, Plan, Provider, Status
from gateway.broker.providers import TYPES
from gateway.broker.roll import Roll
from gateway.registry import guard
from gateway.registry import model as registry
from gateway.registry.model import Health

NAME = {
    "type": "string",
    "pattern": r"^[a-z][a-z0-9-]{0,62}(?!\n)$",
    "error": "must be a small letter, then up to 62 small letters, digits and dashes.",
}
#: With a dash and eight characters more it is a name.
SERVICE_TYPE = {
    "type": "string",
    "pattern": r"^[a-z][a-z0-9-]{0,53}(?!\n)$",
    "error": "must be a small letter, then up to 53 small letters, digits and dashes.",
}
_PLAN = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "description": {
            "type": "string",
            "maxLength": 256,
            "error": "must be text of at most 256 characters.",
        },
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
    "url": {
        "type": "string",
        "maxLength": 1000,
        "pattern": r"^https?://[^\s/?#@]+(/[^\s?#@]*)?(?!\n)$",
        "error": "must be http(s)://HOST[:PORT][/PATH].",
    },
    "ca": {
        "type": "string",
        "maxLength": 65536,
        "pattern": "^-----BEGIN CERTIFICATE-----",
        "error": "must be certificates in PEM.",
    },
    "service": SERVICE_TYPE,
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
        "additionalProperties": {"type": "object"},
        "error": 'must be {"NAME": {"description": …, limits}, …}, at least one.',
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


_NEW = wrapped("provider", {"name": SERVICE_TYPE, **_MEMBERS}, ["name", "type"])
_CHANGED = wrapped("provider", _MEMBERS, [])
_FLAG = {"type": "boolean", "error": "must be true or false."}

_OFFERED = shape(description=Maybe(str), connections=Maybe(int), statement_timeout=Maybe(float))
_SEEN = shape(status=registry.Status, since=Time, output=Maybe(str))
_HEALTH = {"anyOf": [_SEEN, of(None)]}
_PROVIDER = shape(
    name=str,
    type=str,
    host=Maybe(str),
    port=Maybe(int),
    url=Maybe(str),
    offers={"type": "object", "additionalProperties": {"type": "object", "additionalProperties": _OFFERED}},
    plans=Maybe(dict),
    service=Maybe(str),
    status=Status,
    created_at=Time,
    updated_at=Time,
    health=_HEALTH,
    username=Maybe(str),
    ca=Maybe(str),
    services=Maybe(int),
)
_ONE = shape(provider=_PROVIDER)
_REACHED = [errors.Conflict, errors.ProviderError, errors.Timeout]


class Providers(Collection):
    on_collection = {"GET": "get_all", "POST": "post"}
    on_member = {"GET": "get_one", "PUT": "put", "DELETE": "delete"}

    def __init__(self, parts):
        self._conf = parts.conf
        self._store = parts.broker
        self._deployments = parts.deployments
        self._reach = Reach(parts.conf, {"server": OnServers(parts.deployments)})
        self._roll = Roll(parts.conf, parts.registry)

    @expose(policy="gateway:providers:get", query=PAGE, answer=listed("providers", _PROVIDER))
    def get_all(self, context, limit=None, marker=None):
        """By name."""
        fetch, view = self._store.providers, self._viewer()
        return page("providers", self._conf, fetch, view, limit, marker, lambda each: each.name)

    @expose(policy="gateway:providers:get", answer=_ONE)
    def get_one(self, name, context):
        return self._shown(name)

    @expose(
        policy="gateway:providers:create",
        body=_NEW,
        status=201,
        answer=_ONE,
        raises=_REACHED,
        headers=["Location"],
    )
    def post(self, context, body):
        """It must be there, and let the broker in."""
        wanted, now = body["provider"], time.time()
        provider = Provider(
            name=wanted["name"],
            type=wanted["type"],
            project_id=context.project_id,
            **self._settings(wanted, wanted["type"], context.project_id),
            status=Status.READY,
            created_at=now,
            updated_at=now,
        )
        offers = self._reach.driver(provider).check(provider.offers)
        try:
            self._store.add_provider(dataclasses.replace(provider, offers=offers))
        except db_exception.DBDuplicateEntry as error:
            raise errors.Conflict(
                "gateway.provider.name_taken",
                f"name: there is a provider {provider.name} already.",
                field="provider.name",
            ) from error
        self._roll.enter(provider)
        pecan.response.headers["Location"] = f"/v1/providers/{provider.name}"
        return self._shown(provider.name)

    @expose(policy="gateway:providers:update", body=_CHANGED, answer=_ONE, raises=_REACHED)
    def put(self, name, context, body):
        """As a whole, but for the password, which stays where none is given. What changes for the services
        that there are, limits or their credentials, is put in force."""
        wanted, before = body["provider"], self._store.provider(name)
        if wanted.get("type", before.type) != before.type:
            raise errors.Invalid(
                "gateway.provider.type",
                f"type: {name} is {before.type}, and stays so.",
                field="provider.type",
            )
        project_id = before.project_id or context.project_id
        provider = dataclasses.replace(
            before,
            project_id=project_id,
            **self._settings(wanted, before.type, project_id, before.password),
            updated_at=time.time(),
        )
        offers = self._reach.driver(provider).check(provider.offers)
        self._store.change_provider(
            dataclasses.replace(provider, offers=offers), TYPES[provider.type].has_catalogue
        )
        self._roll.enter(provider)
        return self._shown(name)

    @expose(
        policy="gateway:providers:delete",
        query={"force": _FLAG, "forget": _FLAG},
        status=204,
        also={200: shape(left=list[str]), 202: _ONE},
        raises=[errors.Conflict],
    )
    def delete(self, name, context, force=False, forget=False):
        """204 when it is gone, 202 while its services are being deleted first. ``forget``: it and its
        services are gone at once, and nothing is asked of it, since it never comes back; 200 with what may
        be left there."""
        provider = self._store.provider(name)
        if forget:
            left = self._store.forget_provider(name)
            self._roll.leave(provider)
            pecan.response.status_int = 200
            return {"left": left}
        gone = self._store.delete_provider(name, force)
        if gone:
            self._roll.leave(provider)
        pecan.response.status_int = 204 if gone else 202
        return None if gone else self._shown(name)

    def _settings(self, wanted: dict, type: str, project_id: str, password: str = "") -> dict[str, Any]:
        """What of a provider may change; ``password``: where none is given; ``project_id``: of who attached
        it. Raises Invalid."""
        _check_members(wanted, type)
        plans = {}
        if "plans" in wanted and type == "server":
            plans = server_plans.plans(wanted["plans"], project_id, self._deployments)
        elif "plans" in wanted:
            plans = _plans(wanted["plans"], type)
        return {
            "url": wanted["url"] if "url" in wanted else _url(wanted, type),
            "username": wanted.get("username", ""),
            "password": wanted.get("password", password),
            "ca": wanted.get("ca"),
            "offers": {wanted.get("service", type): plans} if plans else {},
        }

    def _shown(self, name: str) -> dict:
        provider = self._store.provider(name)
        return {"provider": self._viewer()(provider)}

    def _viewer(self):
        """Who may change providers sees how they are managed, too."""
        manages = auth.may(pecan.request, "gateway:providers:update")

        def view(provider: Provider) -> dict:
            health = self._roll.health([provider]).get(provider.name)
            shown = {"health": _health(health, manages)}
            return _view(provider) | shown | (self._managed(provider) if manages else {})

        return view

    def _managed(self, provider: Provider) -> dict:
        ca = {"ca": provider.ca} if provider.ca else {}
        services = self._store.counts([provider.name])[provider.name]
        recipes = {"plans": server_plans.recipes(provider)} if provider.type == "server" else {}
        return {"username": provider.username, **ca, **recipes, "services": services}


def _check_members(wanted: dict, type: str) -> None:
    """Raises Invalid for those that such providers do not have."""
    kind, given = TYPES[type], wanted.keys() - {"name", "type"}
    for member in sorted(kind.needs - given):
        raise _invalid(member, f"a provider of type {type} needs one")
    for member in sorted(given - kind.needs - kind.may):
        raise _invalid(member, f"a provider of type {type} has none")


def _invalid(member: str, why: str) -> errors.Invalid:
    return errors.Invalid("gateway.request.invalid", f"{member}: {why}.", field=f"provider.{member}")


def _url(wanted: dict, type: str) -> str:
    """Raises Invalid for a host that is none."""
    if "host" not in wanted:
        return ""
    try:
        host = guard.parse(wanted["host"])
    except ValueError as error:
        raise bad_host(type, str(error)) from error
    place = f"[{host}]" if isinstance(host, ipaddress.IPv6Address) else host
    return f"{type}://{place}:{wanted.get('port', TYPES[type].port)}"


def _plans(plans: dict, type: str) -> dict[str, Plan]:
    """Raises Invalid, also for a limit that such a provider does not enforce."""
    server_plans.check_members(plans, _PLAN)
    enforced = TYPES[type].limits
    for plan, members in plans.items():
        for limit in sorted(members.keys() - enforced - {"description"}):
            told = ", ".join(sorted(enforced)) or "none"
            raise errors.Invalid(
                "gateway.provider.limit",
                f"plans.{plan}.{limit}: {type} does not enforce it; it does: {told}.",
                field=f"provider.plans.{plan}.{limit}",
            )
    return {name: _plan(**members) for name, members in plans.items()}


def _plan(description: str = "", **limits) -> Plan:
    return Plan(description, Limits(**limits))


def _view(provider: Provider) -> dict:
    return {
        "name": provider.name,
        "type": provider.type,
        **_place(provider),
        "offers": _offers(provider.offers),
        **_own_plans(provider),
        "status": provider.status,
        "created_at": isoformat(provider.created_at),
        "updated_at": isoformat(provider.updated_at),
    }


def _health(health: Health | None, manages: bool) -> dict | None:
    """None while nothing is known of it."""
    if health is None:
        return None
    seen = {"output": health.output} if manages else {}
    return {"status": health.status, "since": isoformat(health.since), **seen}


def _place(provider: Provider) -> dict:
    members = TYPES[provider.type].needs & {"host", "url"}
    if "host" in members:
        return {"host": provider.host, "port": provider.port}
    return {"url": provider.url} if members else {}


def _own_plans(provider: Provider) -> dict:
    """As its admin has given them."""
    if "plans" not in TYPES[provider.type].needs:
        return {}
    ((service, plans),) = _offers(provider.offers).items()
    return {"plans": plans} | ({} if service == provider.type else {"service": service})


def _offers(offers: Offers) -> dict:
    return {
        type: {name: _plan_view(plan) for name, plan in plans.items() if plan.is_offered}
        for type, plans in offers.items()
    }


def _plan_view(plan: Plan) -> dict:
    limits = {limit: value for limit, value in vars(plan.limits).items() if value is not None}
    return ({"description": plan.description} if plan.description else {}) | limits
