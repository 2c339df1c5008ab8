"""The WSGI application: Pecan behind its middleware."""

import dataclasses

import pecan
import webob
from keystonemiddleware import auth_token
from oslo_config import cfg
from oslo_middleware import cors, healthcheck, http_proxy_to_wsgi, request_id, sizelimit

from gateway import errors
from gateway.api import auth, policies
from gateway.api.artifacts import Artifacts
from gateway.api.deployments import Deployments
from gateway.api.expose import ErrorHook, error_response
from gateway.api.flavors import Flavors
from gateway.api.images import Images
from gateway.api.launch_options import LaunchOptions
from gateway.api.networks import Networks
from gateway.api.registry import Registry as RegistryRoot
from gateway.api.root import V1, Root
from gateway.api.servers import Servers
from gateway.cloud.sessions import Sessions
from gateway.deploy.store import DeploymentStore
from gateway.registry.registry import Registry


@dataclasses.dataclass(frozen=True)
class Parts:
    """What the controllers work with; built by ``gateway.daemon.build``."""

    conf: cfg.ConfigOpts
    sessions: Sessions
    deployments: DeploymentStore
    registry: Registry


class _Request(pecan.Request):
    """Bodies are left to the controllers: Pecan would read any form and any JSON, whole, for its arguments,
    before the token is looked at."""

    @property
    def params(self):
        return self.GET

    @property
    def json(self):
        raise ValueError("read by gateway.api.expose")


def application(parts: Parts):
    """The whole pipeline as one WSGI callable."""
    v1 = V1(
        **{
            "flavors": Flavors(parts),
            "images": Images(parts),
            "networks": Networks(parts),
            "launch-options": LaunchOptions(parts),
            "servers": Servers(parts),
            "artifacts": Artifacts(parts),
            "deployments": Deployments(parts),
        }
    )
    app = pecan.Pecan(
        Root(v1, RegistryRoot(parts)),
        hooks=[ErrorHook()],
        force_canonical=False,
        guess_content_type_from_ext=False,
        request_cls=_Request,
    )
    for middleware in _middleware(parts.conf):
        app = middleware(app)
    return app


def _middleware(conf: cfg.ConfigOpts):
    """Innermost first. The token is validated last before Pecan, so that CORS preflights, the health check
    and the public URLs cost Keystone nothing; validation decides nothing by itself (delayed): each endpoint
    does, so that there is one kind of error body. The request id wraps everything that logs."""
    enforcer = policies.enforcer(conf)

    def with_enforcer(app):
        def serve(environ, start_response):
            environ[auth.ENFORCER] = enforcer
            return app(environ, start_response)

        return serve

    def with_limit(app):
        most = conf.api.max_body

        def serve(environ, start_response):
            if environ["PATH_INFO"] != "/v1/artifacts":  # has a limit of its own
                if int(environ.get("CONTENT_LENGTH") or 0) > most:
                    raise errors.TooLarge(
                        "gateway.request.too_large", f"A body has at most {most} bytes here."
                    )
                environ["wsgi.input"] = sizelimit.LimitingReader(environ["wsgi.input"], most)
                environ["webob.is_body_seekable"] = False
            return app(environ, start_response)

        return serve

    def with_token(app):
        return auth_token.AuthProtocol(app, {"oslo_config_config": conf, "delay_auth_decision": True})

    def with_errors(app):
        def serve(environ, start_response):
            try:
                return app(environ, start_response)
            except Exception as error:
                return error_response(error, webob.Request(environ))(environ, start_response)

        return serve

    def with_cors(app):
        return cors.CORS(app, conf)

    def with_health(app):
        health = healthcheck.Healthcheck(None, conf)

        def serve(environ, start_response):
            return (health if environ["PATH_INFO"] == "/healthcheck" else app)(environ, start_response)

        return serve

    return (
        with_enforcer,
        with_limit,
        with_token,
        with_health,
        with_cors,
        with_errors,
        lambda app: http_proxy_to_wsgi.HTTPProxyToWSGI(app, conf),
        request_id.RequestId,
    )
