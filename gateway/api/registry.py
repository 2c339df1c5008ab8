"""The registry over HTTP, as its seed has it; everything is within the token's project.

Every answer to ``POST /registry/service`` has ``status``, a word, and ``message``: OK 201, INVALID and NULL
400, CANCELED 401, 403 and 503, EXISTS 409, NOT_IMPLEMENTED 422, FAIL 500; in an error beside the usual
``errors``. PUT replaces an instance as a whole, as registering anew does in Consul: what the body leaves out
is as in a new one. PATCH changes what the body has. Every answer to a call that writes has ``instance``,
``change`` (created, changed, removed; null where it was so already) and ``index``.
"""

import operator
from collections.abc import Callable
from typing import Any, Literal

import pecan
import webob
import webob.exc

from gateway import errors
from gateway.api import check
from gateway.api.changes import Changes
from gateway.api.collection import CLOUD, PAGE, page
from gateway.api.expose import expose, isoformat
from gateway.api.service import (
    CHANGE,
    EXPLANATION,
    NEW,
    PART,
    SERVICE,
    TARGET,
    WHOLE,
    change,
    explanation,
    patched,
    registration,
    replaced,
    service,
    target,
)
from gateway.api.shapes import Maybe, Time, extended, listed, many, shape
from gateway.api.signatures import Signatures
from gateway.api.subscriptions import Subscriptions
from gateway.registry.balance import BALANCERS
from gateway.registry.choice import Asked, NonePassing
from gateway.registry.model import Change, Instance, Reading, Status, split_name
from gateway.registry.query import Query

_MAINTENANCE = {
    "type": "object",
    "required": ["enabled"],
    "additionalProperties": False,
    "properties": {"enabled": {"type": "boolean"}, "reason": {"type": "string", "maxLength": 255}},
}
_SEARCH = {
    **PAGE,
    "marker": {
        "type": "string",
        "minLength": 1,
        "error": "must be the name that the page before ended with.",
    },
    "type": {"type": "string"},
    "version": {"type": "string"},
    "health": {"enum": list(Status), "error": f"must be one of {', '.join(Status)}."},
    "tag": {"type": "string"},
}

_HEARTBEAT = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "status": {"enum": ["passing", "critical"], "error": "must be passing or critical."},
        "output": {
            "type": "string",
            "pattern": r"^[^\x00]*$",
            "maxLength": 1024,
            "error": "must be text, at most 1024 long.",
        },
    },
}
_BEST = {
    "balancer": {"enum": list(BALANCERS), "error": f"must be one of {', '.join(BALANCERS)}."},
    "key": {"type": "string", "maxLength": 1024},
    "version": {"type": "string"},
    "tag": {"type": "string"},
    "explain": {"type": "boolean", "error": "must be true or false."},
}

_WORDS = {
    400: "INVALID",
    401: "CANCELED",
    403: "CANCELED",
    409: "EXISTS",
    413: "INVALID",
    422: "NOT_IMPLEMENTED",
    503: "CANCELED",
}


_FAULTS = shape(status={"enum": sorted({*_WORDS.values(), "NULL", "FAIL"})}, message=str)
_OK = shape(status=Literal["OK"], message=str)
_REGISTERED = extended(CHANGE, **_OK["properties"])
_BEST_ONE = extended(SERVICE, explanation=Maybe(EXPLANATION))
_WRITES = [*CLOUD, errors.Conflict, errors.Unhealthy]
_READINGS = shape(
    name=str,
    status=Status,
    since=Time,
    held=bool,
    check=check.SHOWN,
    readings=many(shape(ok=bool, output=str, at=Time, latency=float)),
)


def _fault(request: webob.Request, status: int, message: str) -> dict[str, str]:
    """The seed's part of an error's body."""
    word = _WORDS.get(status, "FAIL")
    if status == 400 and request.body.strip() in (b"", b"null", b"{}"):
        word = "NULL"
    return {"status": word, "message": message}


class Registry:
    """``/registry``. Two kinds of names stand at the same place in its URLs, so it routes by itself."""

    def __init__(self, parts):
        self._conf = parts.conf
        self._registry = parts.registry
        self._signatures = Signatures(parts.registry)
        self._changes = Changes(parts)
        self._subscriptions = Subscriptions(parts)
        self._sessions = parts.sessions

    @pecan.expose()
    def _route(self, segments, request):
        """The endpoint for a URL below /registry, and the segments that it takes (Pecan calls this)."""
        if segments and not segments[-1]:
            segments = segments[:-1]
        match segments:
            case ["health"]:
                methods, arguments = {"GET": self.health}, []
            case ["tokens"]:
                methods, arguments = {"POST": self._signatures.mint}, []
            case [".well-known", "jwks.json"]:
                methods, arguments = {"GET": self._signatures.keys}, []
            case ["changes"]:
                methods, arguments = {"GET": self._changes.get}, []
            case ["facades", "http_sd"]:
                methods, arguments = {"GET": self.http_sd}, []
            case ["subscriptions", *rest] if (found := self._subscriptions.route(rest)) and "" not in rest:
                methods, arguments = found
            case ["service"]:
                methods, arguments = {"GET": self.search, "POST": self.register}, []
            case ["service", "types"]:
                methods, arguments = {"GET": self.types}, []
            case ["service", "types", type_] if type_:
                methods, arguments = {"GET": self.of_type}, [type_]
            case ["service", "types", type_, "best"] if type_:
                methods, arguments = {"GET": self.best}, [type_]
            case ["service", "types", type_, index] if type_ and index.isdigit():
                methods, arguments = {"GET": self.by_index}, [type_, index]
            case ["service", name, "readings"] if name:
                methods, arguments = {"GET": self.readings}, [name]
            case ["service", name, "heartbeat"] if name:
                methods, arguments = {"PUT": self.heartbeat}, [name]
            case ["service", name] if name:
                methods, arguments = self._on_instance(), [name]
            case ["service", name, "maintenance"] if name:
                methods, arguments = {"PUT": self.maintain}, [name]
            case _:
                raise webob.exc.HTTPNotFound()
        return _for_method(methods, request.method), arguments

    def _on_instance(self) -> dict[str, Callable]:
        return {"GET": self.by_name, "PUT": self.put, "PATCH": self.patch, "DELETE": self.remove}

    @expose(policy=None, answer=shape(up=bool))
    def health(self):
        return {"up": self._registry.is_up()}

    @expose(policy="gateway:registry:get", answer=shape(types=many(shape(type=str))))
    def types(self, context):
        return {"types": [{"type": type_} for type_ in self._registry.types(context.project_id)]}

    @expose(policy="gateway:registry:get", query={"type": {"type": "string"}}, answer=many(TARGET))
    def http_sd(self, context, type=None):
        """For Prometheus' http_sd_config."""
        return [target(i) for i in self._registry.find(context.project_id, Query(type=type))]

    @expose(policy="gateway:registry:get", answer=shape(services=many(SERVICE)))
    def of_type(self, type_, context):
        instances = self._registry.instances(context.project_id, type_)
        return {"services": [service(instance) for instance in instances]}

    @expose(policy="gateway:registry:get", query=_BEST, answer=_BEST_ONE, raises=[errors.Unavailable])
    def best(self, type_, context, explain=False, **asked):
        place = context.project_id, type_
        if not explain:
            return service(self._registry.best(*place, Asked(**asked)))
        try:
            best, verdicts = self._registry.explained(*place, Asked(**asked))
        except NonePassing as error:
            error.extra = explanation(error.verdicts)
            raise
        return {**service(best), **explanation(verdicts)}

    @expose(policy="gateway:registry:get", answer=SERVICE)
    def by_index(self, type_, index, context):
        return self._instance(context, f"{type_}-{index}")

    @expose(policy="gateway:registry:get", answer=SERVICE)
    def by_name(self, name, context):
        return self._instance(context, name)

    @expose(policy="gateway:registry:get", query=_SEARCH, answer=listed("services", SERVICE))
    def search(self, context, limit=None, marker=None, **filters):
        query = Query(**filters)

        def fetch(limit, marker):
            return self._registry.find(context.project_id, query, limit, marker)

        name = operator.attrgetter("name")
        return page("services", self._conf, fetch, service, limit, marker, name)

    @expose(
        policy="gateway:registry:register",
        body=NEW,
        status=201,
        answer=_REGISTERED,
        raises=_WRITES,
        headers=["Location"],
        fault=_fault,
        faults=_FAULTS,
    )
    def register(self, context, body):
        instance = self._registry.register(context.project_id, registration(body), owner=self._owner(context))
        pecan.response.headers["Location"] = f"/registry/service/{instance.name}"
        return {"status": "OK", "message": "OK", **change(instance.name, Change.CREATED, instance.index)}

    @expose(policy="gateway:registry:update", body=WHOLE, answer=CHANGE, raises=_WRITES)
    def put(self, name, context, body):
        return self._update(name, context, lambda instance: replaced(instance, body))

    @expose(policy="gateway:registry:update", body=PART, answer=CHANGE, raises=_WRITES)
    def patch(self, name, context, body):
        return self._update(name, context, lambda instance: patched(instance, body))

    @expose(policy="gateway:registry:remove", answer=CHANGE, raises=[errors.Conflict])
    def remove(self, name, context):
        return change(name, Change.REMOVED, self._registry.remove(context.project_id, *_split(name)))

    @expose(policy="gateway:registry:update", body=_MAINTENANCE, answer=CHANGE)
    def maintain(self, name, context, body):
        return _changed(*self._registry.maintain(context.project_id, *_split(name), **body))

    def _update(self, name: str, context, made: Callable[[Instance], Instance]) -> dict:
        owner = self._owner(context)
        return _changed(*self._registry.update(context.project_id, *_split(name), made, owner))

    def _owner(self, context) -> Callable[[str], str | None]:
        """Says which of the project's servers has an address."""
        return lambda address: self._sessions.user(context.auth).server_at(address)

    @expose(policy="gateway:registry:get", answer=_READINGS)
    def readings(self, name, context):
        instance = self._registry.instance(context.project_id, *_split(name))
        return {
            "name": instance.name,
            "status": instance.health.status,
            "since": isoformat(instance.health.since),
            "held": instance.health.held,
            "check": check.shown(instance.check, instance.proto),
            "readings": [_reading(reading) for reading in self._registry.last_readings(instance)],
        }

    @expose(
        policy="gateway:registry:heartbeat",
        body=_HEARTBEAT,
        answer=extended(_OK, instance=str),
        raises=[errors.Conflict],
    )
    def heartbeat(self, name, context, body):
        ok, output = body.get("status", "passing") == "passing", body.get("output", "heartbeat")
        self._registry.beat(context.project_id, *_split(name), ok, output)
        return {"status": "OK", "message": "OK", "instance": name}

    def _instance(self, context, name: str) -> dict:
        return service(self._registry.instance(context.project_id, *_split(name)))


def _split(name: str) -> tuple[str, int]:
    try:
        return split_name(name)
    except ValueError as error:
        raise errors.NotFound(
            "gateway.registry.instance_not_found", f"There is no instance: {error}."
        ) from error


def _changed(instance: Instance, changed: bool) -> dict:
    return change(instance.name, Change.CHANGED if changed else None, instance.index)


def _reading(reading: Reading) -> dict:
    return {
        "ok": reading.ok,
        "output": reading.output,
        "at": isoformat(reading.at),
        "latency": round(reading.latency, 6),
    }


def _for_method(methods: dict[str, Any], method: str):
    """HEAD is GET without the body. Raises 405 that says what is allowed."""
    found = methods.get("GET" if method == "HEAD" else method)
    if found is None:
        allowed = sorted({*methods, *(["HEAD"] if "GET" in methods else [])})
        raise webob.exc.HTTPMethodNotAllowed(headers={"Allow": ", ".join(allowed)})
    return found
