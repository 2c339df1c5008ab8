"""/osb/v2: the Open Service Broker API 2.17, in a pipeline of its own, since it has its own rules.

Callers have a Keystone token, or log in by HTTP basic with an application credential. What is unknown in a
request is left aside. Errors are {"error": a word in camel case, "description"}.
"""

import base64
import json
import math
import re
from collections.abc import Callable

import webob
import webob.exc
from oslo_config import cfg
from oslo_middleware import request_id

from gateway import errors
from gateway.api import auth, expose, middleware
from gateway.api.basic import Basic
from gateway.api.osb_bindings import Bindings
from gateway.api.osb_call import Answer, Call
from gateway.api.osb_catalog import Catalog
from gateway.api.osb_instances import Instances
from gateway.api.patience import Patience

PREFIX = "/osb"
_REQUEST = "X-Broker-API-Request-Identity"
_MOST = 255  # characters of an id
_IDENTITY = 4096  # characters

Endpoint = tuple[str, Callable[..., Answer]]  # a policy's rule, and what is called with the call and the ids


class Router:
    """The WSGI application behind the pipeline."""

    def __init__(self, parts, patience: Patience):
        catalog, instances = Catalog(parts), Instances(parts, patience)
        bindings = Bindings(parts, patience)
        self._catalog = {"GET": ("gateway:providers:get", catalog.get)}
        self._instance = {
            "GET": ("gateway:services:get", instances.get),
            "PUT": ("gateway:services:create", instances.provision),
            "PATCH": ("gateway:services:update", instances.update),
            "DELETE": ("gateway:services:delete", instances.deprovision),
        }
        self._binding = {
            "GET": ("gateway:services:credentials", bindings.get),
            "PUT": ("gateway:services:update", bindings.bind),
            "DELETE": ("gateway:services:update", bindings.unbind),
        }
        self._operation = {"GET": ("gateway:services:get", instances.last_operation)}
        self._binding_operation = {"GET": ("gateway:services:get", bindings.last_operation)}

    def __call__(self, environ, start_response):
        try:
            response = _response(self._answer(webob.Request(environ)))
        except Exception as error:  # here: what validates tokens would answer some by itself, as HTML
            response = _failure(error)
        return response(environ, start_response)

    def _answer(self, request: webob.Request) -> Answer:
        methods, ids = self._found(_segments(request))
        method = "GET" if request.method == "HEAD" else request.method
        if method not in methods:
            raise webob.exc.HTTPMethodNotAllowed(headers={"Allow": ", ".join(sorted(methods))})
        rule, endpoint = methods[method]
        context = auth.authorize(request, rule)
        _check_version(request.headers.get("X-Broker-API-Version"))
        for id in ids:
            _check_id(id)
        identity = _identity(request.headers.get("X-Broker-API-Originating-Identity"))
        return endpoint(Call(request, context, identity, _accepts_incomplete(request)), *ids)

    def _found(self, segments: list[str]) -> tuple[dict[str, Endpoint], list[str]]:
        match segments:
            case ["v2", "catalog"]:
                return self._catalog, []
            case ["v2", "service_instances", instance]:
                return self._instance, [instance]
            case ["v2", "service_instances", instance, "last_operation"]:
                return self._operation, [instance]
            case ["v2", "service_instances", instance, "service_bindings", binding]:
                return self._binding, [instance, binding]
            case ["v2", "service_instances", instance, "service_bindings", binding, "last_operation"]:
                return self._binding_operation, [instance, binding]
        raise webob.exc.HTTPNotFound()


def _segments(request: webob.Request) -> list[str]:
    try:
        path = request.path_info
    except UnicodeDecodeError as error:
        raise errors.Invalid("gateway.request.path", "The URL is not UTF-8.") from error
    return path.removeprefix(PREFIX + "/").removesuffix("/").split("/")


def _check_id(id: str) -> None:
    if not 1 <= len(id) <= _MOST or not id.isprintable():
        raise errors.Invalid(
            "gateway.request.path", f"An id is 1 to {_MOST} characters, all of which can be printed."
        )


def _check_version(version: str | None) -> None:
    """Minor versions only ever add, and what is added here is left out by those who do not know it."""
    if version is None or not re.fullmatch(r"2\.[0-9]{1,4}", version):
        seen = "is missing" if version is None else f"is {version}"
        raise errors.Outdated(
            "gateway.request.version",
            f"X-Broker-API-Version {seen}; 2.17 is spoken here, and every other 2.x.",
        )


def _accepts_incomplete(request: webob.Request) -> bool:
    try:
        value = request.GET.get("accepts_incomplete", "false")
    except UnicodeDecodeError as error:
        raise errors.Invalid("gateway.request.parameter", "The query is not UTF-8.") from error
    if value not in ("true", "false"):
        raise errors.Invalid("gateway.request.parameter", "accepts_incomplete must be true or false.")
    return value == "true"


def _identity(header: str | None) -> dict | None:
    """Who asked the platform: {"platform": …, "user": {…}}."""
    if header is None:
        return None
    platform, _, value = header.partition(" ")
    try:
        if len(header) > _IDENTITY:
            raise ValueError(f"it is longer than {_IDENTITY} characters")
        user = json.loads(base64.b64decode(value.strip(), validate=True))
        if not (platform and isinstance(user, dict)):
            raise ValueError("it must be: PLATFORM base64(JSON object)")
    except (ValueError, RecursionError) as error:
        raise errors.Invalid(
            "gateway.request.identity", f"X-Broker-API-Originating-Identity: {error}."
        ) from error
    return {"platform": platform, "user": user}


def _response(answer: Answer) -> webob.Response:
    response = webob.Response(status=answer.status)
    if answer.status == 304:
        response.content_type = None
    else:
        response.content_type, response.charset = "application/json", "UTF-8"
        response.body = json.dumps(answer.body, sort_keys=True).encode() + b"\n"
    response.headers.update(answer.headers)
    return response


def _failure(error: Exception) -> webob.Response:
    status, code, _, detail = expose.described(error)
    word = code if isinstance(error, errors.Unprocessable) else _word(error)
    answer = Answer(status, {"error": word, "description": detail}, {})
    if status == 401:
        answer.headers["WWW-Authenticate"] = 'Basic realm="gateway", charset="UTF-8"'
    if getattr(error, "retry_after", None) is not None:
        answer.headers["Retry-After"] = str(math.ceil(error.retry_after))
    if "Allow" in getattr(error, "headers", {}):
        answer.headers["Allow"] = error.headers["Allow"]
    return _response(answer)


def _word(error: Exception) -> str:
    if isinstance(error, errors.GatewayError | webob.exc.HTTPException):
        return type(error).__name__.removeprefix("HTTP")
    return "InternalError"


def answers(app: Callable, conf: cfg.ConfigOpts) -> Callable:
    """Errors as the specification has them, and the request's identity back."""

    def serve(environ, start_response):
        identity = environ.get("HTTP_X_BROKER_API_REQUEST_IDENTITY")

        def start(status, headers, *more):
            return start_response(status, headers + ([(_REQUEST, identity)] if identity else []), *more)

        try:
            return app(environ, start)
        except Exception as error:
            return _failure(error)(environ, start)

    return serve


def application(parts, patience: Patience):
    """The whole pipeline as one WSGI callable."""
    stack: list[middleware.Wrap] = [  # the innermost first
        middleware.token,
        lambda app, conf: Basic(app, parts.sessions),
        middleware.body_limit,
        answers,
        middleware.proxied,
        middleware.access_log,
        lambda app, conf: request_id.RequestId(app),
    ]
    app: Callable = Router(parts, patience)
    for wrap in stack:
        app = wrap(app, parts.conf)
    return app


def mounted(app: Callable, broker: Callable) -> Callable:
    """``broker`` below its prefix, ``app`` elsewhere."""

    def serve(environ, start_response):
        is_ours = environ["PATH_INFO"].startswith(PREFIX + "/")
        return (broker if is_ours else app)(environ, start_response)

    return serve
