"""A registered service as JSON: what bodies may say, and what answers do.

Ports and weights come as numbers or as text, and go out as numbers, as they do over gRPC. Besides the seed's
fields an instance says ``name``, ``version``, ``tags`` and how it is: ``status`` (passing, warning, critical,
maintenance), ``output`` (what its last check saw), ``since`` (when the status began) and ``reason`` (of its
maintenance); ``index``, of its last change; ``deployment``, the id of the one that it belongs to, or null.
``held`` is true, and only there, where it fails but is taken for good, because too many fail together.
"""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from gateway.api import check
from gateway.api.expose import isoformat, validate
from gateway.api.shapes import Maybe, Time, many, shape
from gateway.registry.choice import Verdict
from gateway.registry.model import (
    PATH_PATTERN,
    TYPE_PATTERN,
    Change,
    Check,
    Instance,
    Kind,
    Registration,
    Status,
)

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
_TAG = _text(r"^[!-~]+(?!\n)$", "must be 1 to 64 printable ASCII characters, no spaces.", 64)
_TYPE = _text(TYPE_PATTERN, "must be 1 to 64 of a-z A-Z 0-9 _ . - and begin with a letter or digit.")

#: Of a new one.
NEW: dict[str, Any] = {
    "type": "object",
    "required": ["proto", "type", "host", "port"],
    "additionalProperties": False,
    "properties": {
        "proto": {"enum": ["http", "https"], "error": "must be http or https."},
        "type": _TYPE,
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
        "tags": {"type": "array", "items": _TAG, "maxItems": 64, "uniqueItems": True},
    },
}
#: Of one that is there, all of it; and some of it.
WHOLE = {**NEW, "required": ["proto", "host", "port"]}
PART = {**NEW, "required": []}

_CONVERTED: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "proto": ("proto", str),
    "type": ("type", str),
    "host": ("host", str),
    "port": ("port", int),
    "httpPort": ("http_port", int),
    "httpsPort": ("https_port", int),
    "routes": ("routes", tuple),
    "weight": ("weight", int),
    "signature": ("signature", str),
    "version": ("version", str),
    "tags": ("tags", tuple),
}


def _converted(body: dict) -> dict[str, Any]:
    """The fields that the body gives, without the check."""
    given = ((*_CONVERTED[name], value) for name, value in body.items() if name in _CONVERTED)
    return {field: convert(value) for field, convert, value in given}


def _check(body: dict, proto: str) -> Check:
    return check.wanted("check", body.get("check", {}), proto, path=body.get("health", "/"))


def registration(body: dict) -> Registration:
    """From a body that is valid by ``NEW``. Raises Invalid for a check that does not go together."""
    return Registration(check=_check(body, body["proto"]), **_converted(body))


def checked_registration(body: dict) -> Registration:
    """From what another edge than HTTP has received, by the same rules. Raises Invalid."""
    validate(body, NEW)
    return registration(body)


def replaced(instance: Instance, body: dict) -> Instance:
    """By a body that is valid by ``WHOLE``: what it leaves out is as in a new one. Raises Invalid."""
    wanted = registration({"type": instance.type, **body})
    fields = {field: getattr(wanted, field) for field, _ in _CONVERTED.values()}
    return dataclasses.replace(instance, check=_as_reached(wanted.check, instance), **fields)


def _as_reached(wanted: Check, instance: Instance) -> Check:
    """Whether it needs a tunnel is its deployment's to say."""
    return dataclasses.replace(wanted, tunnel=instance.check.tunnel)


def patched(instance: Instance, body: dict) -> Instance:
    """By a body that is valid by ``PART``: what it leaves out stays. Raises Invalid."""
    made = dataclasses.replace(instance, **_converted(body))
    if "check" in body:
        wanted = _check({"health": instance.check.path, **body}, made.proto)
        return dataclasses.replace(made, check=_as_reached(wanted, instance))
    own = instance.check.kind == instance.proto  # it speaks what the instance does
    kind = Kind(made.proto) if own else instance.check.kind
    path = body.get("health", instance.check.path)
    return dataclasses.replace(made, check=dataclasses.replace(instance.check, kind=kind, path=path))


SERVICE = shape(
    proto=str,
    type=str,
    host=str,
    port=int,
    httpPort=int,
    httpsPort=int,
    routes=list[str],
    health=str,
    weight=int,
    signature=str,
    name=str,
    version=str,
    tags=list[str],
    status=Status,
    output=str,
    since=Time,
    reason=str,
    index=int,
    deployment=str | None,
    held=Maybe(bool),
)
EXPLANATION = many(shape(instance=str, won=bool, status=Status, weight=int, why=str))
CHANGE = shape(instance=str, change=Change | None, index=int)
TARGET = shape(targets=list[str], labels=dict[str, str])


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
        "tags": list(instance.tags),
        "status": instance.health.status,
        "output": instance.health.output,
        "since": isoformat(instance.health.since),
        "reason": instance.reason,
        "index": instance.index,
        "deployment": instance.deployment_id,
        **({"held": True} if instance.health.held else {}),
    }


def explanation(verdicts: Iterable[Verdict]) -> dict:
    """Of every instance, why it was chosen as the best or was not."""
    return {
        "explanation": [
            {
                "instance": verdict.instance.name,
                "won": verdict.won,
                "status": verdict.instance.health.status,
                "weight": verdict.instance.weight,
                "why": verdict.why,
            }
            for verdict in verdicts
        ]
    }


def change(name: str, change: Change | None, index: int) -> dict:
    """What a call did to an instance, None for nothing, and the index of the instance's last change."""
    return {"instance": name, "change": change, "index": index}


def target(instance: Instance) -> dict:
    """An instance as Prometheus discovers it by HTTP: all of them, for it to relabel and choose from."""
    host = f"[{instance.host}]" if ":" in instance.host else instance.host
    labels = {
        "type": instance.type,
        "name": instance.name,
        "version": instance.version,
        "status": instance.health.status,
        "weight": str(instance.weight),
        "tags": f",{','.join(instance.tags)}," if instance.tags else "",
        "deployment_id": instance.deployment_id or "",
        "server_id": instance.server_id or "",
    }
    return {
        "targets": [f"{host}:{instance.port}"],
        "labels": {"__scheme__": instance.proto}
        | {f"__meta_gateway_{name}": value for name, value in labels.items()},
    }
