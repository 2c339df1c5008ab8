"""One decorator between HTTP and the domain: policy and body checked on the way in, JSON and errors out."""

import dataclasses
import datetime
import functools
import json
import logging
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import jsonschema
import pecan
import pecan.hooks
import webob
import webob.exc

from gateway import errors
from gateway.api import auth

LOG = logging.getLogger(__name__)

#: The whole mapping of domain errors to HTTP.
STATUS: dict[type[errors.GatewayError], int] = {
    errors.Invalid: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.QuotaExceeded: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Gone: 410,
    errors.Outdated: 412,
    errors.TooLarge: 413,
    errors.Unhealthy: 422,
    errors.Unprocessable: 422,
    errors.CloudError: 502,
    errors.ProviderError: 502,
    errors.Unavailable: 503,
    errors.Timeout: 504,
}


#: What the body of an error says besides ``errors``, from the request, the status and the message.
Fault = Callable[[webob.Request, int, str], dict[str, Any]]
_FAULT = "gateway.fault"
JSON, EVENTS = "application/json", "text/event-stream"


@dataclasses.dataclass(frozen=True)
class Description:
    """What ``gateway.api.openapi`` tells of an endpoint; the fields are those of ``expose``, and ``answers``
    by their status."""

    policy: str | None
    answers: dict[int, dict | None]
    body: dict | None = None
    query: dict[str, Any] = dataclasses.field(default_factory=dict)
    raises: tuple[type[errors.GatewayError], ...] = ()
    takes: tuple[str, ...] = ()
    gives: tuple[str, ...] = (JSON,)
    headers: tuple[str, ...] = ()
    told: dict[str, dict] = dataclasses.field(default_factory=dict)
    streams: bool = False
    faults: dict | None = None


def expose(
    *,
    policy: str | None,
    body: dict | None = None,
    query: dict[str, Any] | None = None,
    status: int = 200,
    answer: dict | None = None,
    also: dict[int, dict | None] | None = None,
    raises: Sequence[type[errors.GatewayError]] = (),
    takes: Sequence[str] = (),
    gives: Sequence[str] = (JSON,),
    headers: Sequence[str] = (),
    told: dict[str, dict] | None = None,
    streams: bool = False,
    fault: Fault | None = None,
    faults: dict | None = None,
) -> Callable:
    """Make a controller method an endpoint.

    ``policy``: the rule that the caller's token must satisfy; None: no token is asked for.
    ``body``: a JSON Schema; the method is called with ``body=``. ``query``: property schemas of the query
    parameters that are allowed (all arrive as text; integers and booleans are converted), given as keywords.
    The method gets ``context`` (gateway.api.auth.Context) as its keyword where ``policy`` is set, and returns
    what becomes JSON, None for an empty answer, or a whole webob.Response. ``streams``: server-sent events
    may be asked for (``wants_events``), too. ``fault``: what an error's body says besides its errors.
    ``takes``: the types of a body that the method reads by itself.

    The others describe it: ``answer`` is the schema of what it returns (gateway.api.shapes), ``also`` those
    of other statuses (None: no body), ``raises`` the kinds of errors besides those that can be told from the
    rest, ``gives`` the types of the answer, ``headers`` those of its own, ``told`` the schemas of request
    headers that it minds, ``faults`` the schema of what ``fault`` makes.
    """
    description = Description(
        policy=policy,
        body=body,
        query=query or {},
        answers={status: answer, **(also or {})},
        raises=tuple(raises),
        takes=tuple(takes),
        gives=tuple(gives),
        headers=tuple(headers),
        told=told or {},
        streams=streams,
        faults=faults,
    )

    def decorate(method: Callable) -> Callable:
        @functools.wraps(method)
        def endpoint(self, *segments, **parameters):
            if fault is not None:
                pecan.request.environ[_FAULT] = fault
            arguments: dict[str, Any] = {}
            if policy is not None:
                arguments["context"] = auth.authorize(pecan.request, policy)
            if takes:
                _check_type(pecan.request, takes)
            # the query alone: Pecan's ``parameters`` hold the members of a JSON body too
            arguments.update(_checked_query(pecan.request.GET.mixed(), query or {}))
            if body is not None:
                arguments["body"] = checked_body(pecan.request, body)
            pecan.response.status_int = status
            return _encoded(method(self, *segments, **arguments))

        endpoint.description = description
        if streams:
            endpoint = pecan.expose(content_type=EVENTS)(endpoint)
        for kind in reversed(gives):  # the first is for who asks for none
            endpoint = pecan.expose(content_type=kind)(endpoint)
        return endpoint

    return decorate


def wants_events(request: webob.Request) -> bool:
    """By its Accept header, as Pecan has judged it."""
    return request.pecan["content_type"] == EVENTS


def _encoded(result: Any) -> Any:
    if result is None:
        pecan.response.content_type = None
        pecan.response.body = b""
        return pecan.response
    if isinstance(result, webob.Response):
        return result
    return _json(result)


def _json(value: Any) -> bytes:
    """With a line's end, for people with curl."""
    return json.dumps(value).encode() + b"\n"


def checked_body(request: webob.Request, schema: dict) -> Any:
    """The JSON body, valid by the schema. Raises Invalid that names the field, TooLarge."""
    if request.content_type:
        _check_type(request, [JSON])
    try:
        body = json.loads(request.body or b"", parse_constant=_no_constant)
        _check_text(body)
    except (ValueError, RecursionError) as error:
        raise errors.Invalid("gateway.request.json", f"The body is not JSON: {error}.") from error
    validate(body, schema)
    return body


def _check_type(request: webob.Request, takes: Sequence[str]) -> None:
    if request.content_type not in takes:
        raise errors.Invalid(
            "gateway.request.content_type",
            f"Content-Type is {request.content_type or 'not given'}; this call takes {' or '.join(takes)}.",
        )


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _check_text(value: Any, *place: str) -> None:
    """Half of a surrogate pair is good JSON, and can be written nowhere."""
    if isinstance(value, str) and re.search("[\ud800-\udfff]", value):
        field = ".".join(place) or "body"
        raise errors.Invalid("gateway.request.invalid", f"{field}: not Unicode text.", field=field)
    if isinstance(value, dict):
        for key, each in value.items():
            _check_text(key, *place)
            _check_text(each, *place, key)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            _check_text(each, *place, str(number))


def _is_integer(_checker: Any, value: Any) -> bool:
    """JSON Schema takes 8080.0 for one, too; whoever prints it would not."""
    return isinstance(value, int) and not isinstance(value, bool)


_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)


def validate(value: Any, schema: dict) -> None:
    """Raises Invalid for the most telling of the mistakes, with its place in ``field``."""
    validator = _Validator(schema, format_checker=jsonschema.FormatChecker())
    mistake = jsonschema.exceptions.best_match(validator.iter_errors(value))
    if mistake is not None:
        field = ".".join(str(part) for part in mistake.absolute_path) or "body"
        message = mistake.schema.get("error") or mistake.message
        raise errors.Invalid("gateway.request.invalid", f"{field}: {_shorten(message)}", field=field)


def _shorten(text: str, limit: int = 300) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _checked_query(given: dict[str, Any], allowed: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(given) - set(allowed))
    if unknown:
        known = ", ".join(sorted(allowed)) or "none"
        raise errors.Invalid(
            "gateway.request.parameter",
            f"Unknown query parameter {unknown[0]!r}; allowed here: {known}.",
            field=unknown[0],
        )
    values = {name: _converted(name, text, allowed[name]) for name, text in given.items()}
    for name, value in values.items():
        validate({name: value}, {"properties": {name: allowed[name]}})
    return values


def _converted(name: str, text: Any, schema: dict) -> Any:
    if not isinstance(text, str):
        raise errors.Invalid("gateway.request.parameter", f"{name} is given more than once.", field=name)
    if schema.get("type") == "integer" and re.fullmatch("-?[0-9]{1,30}", text):
        return int(text)
    if schema.get("type") == "boolean" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    return text


def isoformat(at: float | None) -> str | None:
    """Seconds since the epoch as API-SIG wants times: 2026-11-23T14:57:35.123Z."""
    if at is None:
        return None
    moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class ErrorHook(pecan.hooks.PecanHook):
    """Whatever a controller raises, and Pecan's own 404 and 405, become one kind of body."""

    def on_error(self, state, error: Exception) -> webob.Response:
        return error_response(error, state.request)


def error_response(error: Exception, request: webob.Request) -> webob.Response:
    request_id = request.environ.get("openstack.request_id")
    status, code, title, detail = described(error)
    entry = {"status": status, "code": code, "title": title, "detail": detail, "request_id": request_id}
    if getattr(error, "field", None):
        entry["field"] = error.field
    response = webob.Response(status=status, content_type="application/json", charset="UTF-8")
    fault = request.environ.get(_FAULT)
    extra = {**(fault(request, status, detail) if fault else {}), **getattr(error, "extra", {})}
    response.body = _json({**extra, "errors": [entry]})
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        response.headers["Retry-After"] = str(math.ceil(retry_after))
    for header in ("Allow", "WWW-Authenticate"):
        if header in getattr(error, "headers", {}):
            response.headers[header] = error.headers[header]
    return response


def described(error: Exception) -> tuple[int, str, str, str]:
    """Its status, code, title and detail; what nobody expected is logged."""
    if isinstance(error, errors.GatewayError):
        for kind in type(error).__mro__:
            if kind in STATUS:
                return STATUS[kind], error.code, error.title, error.message
    if isinstance(error, webob.exc.HTTPException):
        name = error.title.lower().replace(" ", "_")
        return error.code, f"gateway.request.{name}", error.title, _http_detail(error)
    LOG.exception("Unexpected error", exc_info=error)
    return (
        500,
        "gateway.internal",
        "Internal error",
        "The gateway failed; its log has more under the request id.",
    )


def _http_detail(error: webob.exc.HTTPException) -> str:
    if error.code == 404:
        return "There is nothing at this URL."
    if error.code == 405:
        return "This URL does not take that method."
    return error.detail or error.explanation
