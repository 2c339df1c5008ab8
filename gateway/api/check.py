"""A health check as bodies write it, for registrations and deployments alike:

{"kind": "http", "path": "/health", "status": [200, 204], "body": "well", "interval": 10, "timeout": 5,
 "failures_before_critical": 3, "deregister_after": 600}
"""

import dataclasses
import typing
from typing import Any

from gateway import errors
from gateway.api.shapes import Maybe, shape
from gateway.registry.checks import http
from gateway.registry.model import PATH_PATTERN, Check, Kind

_COUNT = {"type": "integer", "minimum": 1, "maximum": 100, "error": "must be a whole number from 1 to 100."}
_STATUS_ERROR = {"error": "must be an HTTP status from 100 to 599, or a list of such."}
_CODE = {"type": "integer", "minimum": 100, "maximum": 599, **_STATUS_ERROR}


def _text(longest: int) -> dict[str, Any]:
    return {
        "type": "string",
        "minLength": 1,
        "maxLength": longest,
        "pattern": r"^[^\x00]*$",
        "error": f"must be text of 1 to {longest} characters.",
    }


def _seconds(least: float, most: float) -> dict[str, Any]:
    return {
        "type": "number",
        "minimum": least,
        "maximum": most,
        "error": f"must be a number of seconds from {least:g} to {most:g}.",
    }


_PROPERTIES = {
    "path": {
        "type": "string",
        "pattern": PATH_PATTERN,
        "error": "must be a path: / first, then printable ASCII without spaces, at most 1024 long.",
    },
    "interval": _seconds(0.1, 3600),
    "timeout": _seconds(0.05, 300),
    "success_before_passing": _COUNT,
    "failures_before_warning": _COUNT,
    "failures_before_critical": _COUNT,
    "status": {
        "type": ["integer", "array"],
        "minimum": 100,
        "maximum": 599,
        "items": _CODE,
        "minItems": 1,
        "maxItems": 50,
        **_STATUS_ERROR,
    },
    "body": _text(1024),
    "body_pattern": _text(256),
    "service": {**_text(256), "pattern": r"^[!-~]*$"},
    "command": _text(4096),
    "deregister_after": {
        "type": ["number", "null"],
        "minimum": 60,
        "maximum": 30 * 86400,
        "error": "must be a number of seconds from 60 to 2592000, or null.",
    },
}

_HTTP = ("path", "status", "body", "body_pattern")
#: What only some kinds take.
_OWN: dict[Kind, tuple[str, ...]] = {
    Kind.HTTP: _HTTP,
    Kind.HTTPS: _HTTP,
    Kind.GRPC: ("service",),
    Kind.SSH: ("command",),
    Kind.TCP: (),
    Kind.TTL: (),
}
_SPECIAL = {name for names in _OWN.values() for name in names}


def of(*kinds: Kind) -> dict[str, Any]:
    """The schema of a check that is of one of these."""
    allowed = {"enum": list(kinds), "error": f"must be one of {', '.join(kinds)}."}
    return {
        "type": "object",
        "properties": {"kind": allowed, **_PROPERTIES},
        "additionalProperties": False,
    }


def _shown_schema() -> dict[str, Any]:
    hints = typing.get_type_hints(Check) | {"kind": Kind}
    del hints["tunnel"]
    return shape(**{name: Maybe(hint) if name in _SPECIAL else hint for name, hint in hints.items()})


SHOWN = _shown_schema()


def wanted(field: str, given: dict[str, Any], proto: str, **defaults: Any) -> Check:
    """From one that is valid by ``of``; ``field`` is its place in the body. Raises Invalid for what does not
    go together."""
    kind = Kind(given.get("kind", proto))
    for name in sorted(_SPECIAL & set(given) - set(_OWN[kind])):
        takers = ", ".join(each for each, names in _OWN.items() if name in names)
        raise _invalid(f"{field}.{name}", f"a {kind} check has none; it is for {takers}.")
    if kind is Kind.SSH and "command" not in given:
        raise _invalid(f"{field}.command", "an ssh check needs the command to run.")
    if "body_pattern" in given:
        try:
            http.pattern(given["body_pattern"])
        except ValueError as error:
            raise _invalid(f"{field}.body_pattern", f"not a pattern of RE2: {error}.") from error
    fields = {**defaults, **given, "kind": kind}
    if kind is Kind.TTL:
        fields.setdefault("failures_before_critical", 1)  # a whole interval without a word is enough
    status = fields.get("status", ())
    fields["status"] = (status,) if isinstance(status, int) else tuple(status)
    return _ordered(field, Check(**fields))


def _ordered(field: str, made: Check) -> Check:
    if made.failures_before_warning > made.failures_before_critical:
        raise _invalid(
            f"{field}.failures_before_warning",
            f"must not be above failures_before_critical, which is {made.failures_before_critical}.",
        )
    return made


def shown(made: Check, proto: str) -> dict[str, Any]:
    """What it is, without what its kind has not, and without what its deployment decides."""
    kind = made.kind or Kind(proto)
    fields = dataclasses.asdict(made)
    left_out = {"tunnel"} | _SPECIAL - set(_OWN[kind]) | {name for name in _SPECIAL if not fields[name]}
    return {**{name: value for name, value in fields.items() if name not in left_out}, "kind": kind}


def _invalid(field: str, message: str) -> errors.Invalid:
    return errors.Invalid("gateway.request.invalid", f"{field}: {message}", field=field)
