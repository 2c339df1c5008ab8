"""What every request goes through before Pecan. Each takes the application behind it, and the options."""

import time
import urllib.parse
from collections.abc import Callable

import webob
import webob.exc
from keystoneauth1 import exceptions as keystone_errors
from keystonemiddleware import auth_token
from keystonemiddleware.auth_token import _exceptions as auth_token_errors
from oslo_config import cfg
from oslo_context import context as oslo_context
from oslo_log import log
from oslo_middleware import cors, http_proxy_to_wsgi, request_id, sizelimit
from oslo_middleware import healthcheck as oslo_healthcheck

from gateway import errors, metrics
from gateway.api import auth, policies, routes
from gateway.api.expose import error_response
from gateway.api.health import FOUND

LOG = log.getLogger(__name__)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Wrap = Callable[[Callable, cfg.ConfigOpts], Callable]


def body_limit(app: Callable, conf: cfg.ConfigOpts) -> Callable:
    most = conf.api.max_body

    def serve(environ, start_response):
        if environ["PATH_INFO"] != "/v1/artifacts":  # has a limit of its own
            if int(environ.get("CONTENT_LENGTH") or 0) > most:
                raise errors.TooLarge("gateway.request.too_large", f"A body has at most {most} bytes here.")
            environ["wsgi.input"] = sizelimit.LimitingReader(environ["wsgi.input"], most)
            environ["webob.is_body_seekable"] = False
        return app(environ, start_response)

    return serve


_NO_ANSWER = (
    keystone_errors.ConnectFailure,
    keystone_errors.DiscoveryFailure,
    keystone_errors.RequestTimeout,
    auth_token_errors.ServiceError,
)


class _Validator(auth_token.AuthProtocol):
    """A token that Keystone could not be asked about is not an invalid one: 503, to be tried again."""

    def fetch_token(self, *args, **kwargs):
        try:
            return super().fetch_token(*args, **kwargs)
        except auth_token_errors.InvalidToken as error:
            if not isinstance(error.__context__, _NO_ANSWER):
                raise
            raise errors.Unavailable(
                "gateway.auth.keystone", "Keystone cannot be asked about the token now.", retry_after=5
            ) from error


def token(app: Callable, conf: cfg.ConfigOpts) -> Callable:
    """Says whose the token is, where nobody has yet (``auth.CALLER``), and decides nothing by itself: each
    endpoint does, so that there is one kind of error body."""
    enforcer = policies.enforcer(conf)

    def validated(environ, start_response):
        if environ["HTTP_X_IDENTITY_STATUS"] == "Confirmed":
            environ[auth.CALLER] = auth.Caller(environ, enforcer)
        return app(environ, start_response)

    validator = _Validator(validated, {"oslo_config_config": conf, "delay_auth_decision": True})

    def serve(environ, start_response):
        return (app if auth.CALLER in environ else validator)(environ, start_response)

    return serve


def _found(health: oslo_healthcheck.Healthcheck, environ: dict) -> tuple[bool, list[str]]:
    asked = environ | {"REQUEST_METHOD": "GET", "HTTP_ACCEPT": "application/json"}
    answer = webob.Request(asked).get_response(health)
    told = answer.json["reasons"]  # objects, where [healthcheck] detailed is set
    reasons = [each["reason"] if isinstance(each, dict) else each for each in told]
    return answer.status_int == 200, reasons


def healthcheck(app: Callable, conf: cfg.ConfigOpts) -> Callable:
    health = oslo_healthcheck.Healthcheck(None, conf)

    def serve(environ, start_response):
        if environ["PATH_INFO"] != "/healthcheck":
            return app(environ, start_response)
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            raise webob.exc.HTTPMethodNotAllowed(headers={"Allow": "GET, HEAD"})
        if not environ.get("QUERY_STRING"):
            return health(environ, start_response)
        environ[FOUND] = _found(health, environ)
        return app(environ, start_response)

    return serve


def json_errors(app: Callable, conf: cfg.ConfigOpts) -> Callable:
    """For what is raised outside of Pecan, whose own hook takes the rest."""

    def serve(environ, start_response):
        try:
            return app(environ, start_response)
        except Exception as error:
            return error_response(error, webob.Request(environ))(environ, start_response)

    return serve


def access_log(app: Callable, conf: cfg.ConfigOpts) -> Callable:
    """A line for each answer, and the metrics; the request id is in every line that is logged meanwhile."""

    def serve(environ, start_response):
        oslo_context.RequestContext(request_id=environ["openstack.request_id"])
        began, seen = time.monotonic(), []

        def start(status, headers, *more):
            seen[:] = [status.partition(" ")[0]]
            return start_response(status, headers, *more)

        try:
            return app(environ, start)
        finally:
            seconds, status = time.monotonic() - began, seen[0] if seen else "-"
            LOG.info(
                '%s "%s %s" status: %s time: %.4f',
                environ.get("REMOTE_ADDR", "-"),
                environ["REQUEST_METHOD"],
                _url(environ),
                status,
                seconds,
            )
            _count(environ, status, seconds)

    return serve


def _count(environ: dict, status: str, seconds: float) -> None:
    method = environ["REQUEST_METHOD"]
    labels = method if method in _METHODS else routes.OTHER, routes.route(environ["PATH_INFO"]).template
    metrics.HTTP_REQUESTS.inc(*labels, status)
    metrics.HTTP_SECONDS.observe(seconds, *labels)


def _url(environ: dict) -> str:
    """As it was sent, whatever bytes are in it."""
    path = urllib.parse.quote(environ["PATH_INFO"], encoding="latin-1")
    return f"{path}?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else path


def cross_origin(app: Callable, conf: cfg.ConfigOpts) -> Callable:
    """For browsers, who say where their page is from: others need not wait for what it costs."""
    wrapped = cors.CORS(app, conf)

    def serve(environ, start_response):
        return (wrapped if "HTTP_ORIGIN" in environ else app)(environ, start_response)

    return serve


def proxied(app: Callable, conf: cfg.ConfigOpts) -> Callable:
    """Where [oslo_middleware] says that there is a proxy, its headers tell who calls."""
    wrapped = http_proxy_to_wsgi.HTTPProxyToWSGI(app, conf)
    return wrapped if conf.oslo_middleware.enable_proxy_headers_parsing else app


#: Innermost first. The token is validated last before Pecan, so that CORS preflights, the health check and
#: what is too large cost Keystone nothing. The request id wraps everything that logs.
STACK = (
    token,
    body_limit,
    healthcheck,
    cross_origin,
    json_errors,
    proxied,
    access_log,
    lambda app, conf: request_id.RequestId(app),
)
