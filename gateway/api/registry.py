"""The registry over HTTP, as its seed has it; everything is within the token's project.

Ports and weights come as numbers or as text, and go out as numbers, as they do over gRPC. Besides the seed's
fields an instance says ``name``, ``version`` and how it is: ``status`` (passing, warning, critical,
maintenance), ``output`` (what its last check saw) and ``since`` (when the status began).

Every answer to ``POST /registry/service`` has ``status``, a word, and ``message``: OK 201, INVALID and NULL
400, CANCELED 401, 403 and 503, EXISTS 409, NOT_IMPLEMENTED 422, FAIL 500; in an error beside the usual
``errors``.
"""

from typing import Any

import pecan
import webob
import webob.exc

from gateway import errors
from gateway.api import check
from gateway.api.expose import expose, isoformat
from gateway.api.signatures import Signatures
from gateway.registry.model import PATH_PATTERN, TYPE_PATTERN, Instance, Kind, Registration, split_name

_U16 = r"^0*([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])(?!\n)$"
_NUMBER = {
    "type": ["integer", "string"],
    "minimum": 0,
    "maximum": 65535,
    "pattern": _U16,
    "maxLength": 16,
    "error": "must be a number from 0 to 65535, or the same as text.",
}


def _text(pattern: str, error: str, longest: int = 1024) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern, "maxLength": longest, "error": error}


_PATH = _text(
    PATH_PATTERN, "must be a path: / first, then printable ASCII without spaces, at most 1024 long."
)

_SERVICE = {
    "type": "object",
    "required": ["proto", "type", "host", "port"],
    "additionalProperties": False,
    "properties": {
        "proto": {"enum": ["http", "https"], "error": "must be http or https."},
        "type": _text(TYPE_PATTERN, "must be 1 to 64 of a-z A-Z 0-9 _ . - and begin with a letter or digit."),
        "host": {
            "type": "string",
            "minLength": 1,
            "maxLength": 64,
            "error": "must be an IP address or a host name, at most 64 long.",
        },
        "port": _NUMBER,
        "httpPort": _NUMBER,
        "httpsPort": _NUMBER,
        "routes": {"type": "array", "items": _PATH, "maxItems": 256},
        "health": _PATH,
        "check": check.of(Kind.HTTP, Kind.HTTPS, Kind.TCP, Kind.GRPC, Kind.TTL),
        "weight": _NUMBER,
        "signature": _text(r"^[A-Za-z0-9_.=-]*(?!\n)$", "must be a JWT, or empty.", 8192),
        "version": _text(r"^[!-~]*(?!\n)$", "must be at most 64 printable ASCII characters, no spaces.", 64),
    },
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


def _fault(request: webob.Request, status: int, message: str) -> dict[str, str]:
    """The seed's part of an error's body."""
    word = _WORDS.get(status, "FAIL")
    if status == 400 and request.body.strip() in (b"", b"null", b"{}"):
        word = "NULL"
    return {"status": word, "message": message}


class Registry:
    """``/registry``. Two kinds of names stand at the same place in its URLs, so it routes by itself."""

    def __init__(self, parts):
        self._registry = parts.registry
        self._signatures = Signatures(parts.registry)
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
            case ["service"]:
                methods, arguments = {"POST": self.register}, []
            case ["service", "types"]:
                methods, arguments = {"GET": self.types}, []
            case ["service", "types", type_] if type_:
                methods, arguments = {"GET": self.of_type}, [type_]
            case ["service", "types", type_, "best"] if type_:
                methods, arguments = {"GET": self.best}, [type_]
            case ["service", "types", type_, index] if type_ and index.isdigit():
                methods, arguments = {"GET": self.by_index}, [type_, index]
            case ["service", name] if name:
                methods, arguments = {"GET": self.by_name}, [name]
            case _:
                raise webob.exc.HTTPNotFound()
        return _for_method(methods, request.method), arguments

    @expose(policy=None)
    def health(self):
        return {"up": True}

    @expose(policy="gateway:registry:get")
    def types(self, context):
        return {"types": [{"type": type_} for type_ in self._registry.types(context.project_id)]}

    @expose(policy="gateway:registry:get")
    def of_type(self, type_, context):
        instances = self._registry.instances(context.project_id, type_)
        return {"services": [service(instance) for instance in instances]}

    @expose(policy="gateway:registry:get")
    def best(self, type_, context):
        return service(self._registry.best(context.project_id, type_))

    @expose(policy="gateway:registry:get")
    def by_index(self, type_, index, context):
        return self._instance(context, f"{type_}-{index}")

    @expose(policy="gateway:registry:get")
    def by_name(self, name, context):
        return self._instance(context, name)

    @expose(policy="gateway:registry:register", body=_SERVICE, status=201, fault=_fault)
    def register(self, context, body):
        def owner(address):
            return self._sessions.user(context.auth).server_at(address)

        instance = self._registry.register(context.project_id, registration(body), owner=owner)
        pecan.response.headers["Location"] = f"/registry/service/{instance.name}"
        return {"status": "OK", "message": "OK", "instance": instance.name}

    def _instance(self, context, name: str) -> dict:
        try:
            type_, ordinal = split_name(name)
        except ValueError as error:
            raise errors.NotFound(
                "gateway.registry.instance_not_found", f"There is no instance: {error}."
            ) from error
        return service(self._registry.instance(context.project_id, type_, ordinal))


def _for_method(methods: dict[str, Any], method: str):
    """HEAD is GET without the body. Raises 405 that says what is allowed."""
    found = methods.get("GET" if method == "HEAD" else method)
    if found is None:
        allowed = sorted({*methods, *(["HEAD"] if "GET" in methods else [])})
        raise webob.exc.HTTPMethodNotAllowed(headers={"Allow": ", ".join(allowed)})
    return found


def registration(body: dict) -> Registration:
    """From a body that is valid by ``_SERVICE``. Raises Invalid for a check that does not go together."""
    return Registration(
        type=body["type"],
        proto=body["proto"],
        host=body["host"],
        port=int(body["port"]),
        http_port=int(body.get("httpPort", 0)),
        https_port=int(body.get("httpsPort", 0)),
        routes=tuple(body.get("routes", ())),
        check=check.wanted("check", body.get("check", {}), body["proto"], path=body.get("health", "/")),
        weight=int(body.get("weight", 1)),
        signature=body.get("signature", ""),
        version=body.get("version", ""),
    )


def service(instance: Instance) -> dict:
    """An instance as the seed writes it, and what is known of it besides."""
    return {
        "proto": instance.proto,
        "type": instance.type,
        "host": instance.host,
        "port": instance.port,
        "httpPort": instance.http_port,
        "httpsPort": instance.https_port,
        "routes": list(instance.routes),
        "health": instance.check.path,
        "weight": instance.weight,
        "signature": instance.signature,
        "name": instance.name,
        "version": instance.version,
        "status": instance.health.status,
        "output": instance.health.output,
        "since": isoformat(instance.health.since),
    }
