"""The registry alone, of one project, for clients that know no Keystone: the API's own controllers."""

import dataclasses
import math
from collections.abc import Callable

from oslo_config import cfg
from oslo_middleware import request_id

from gateway.api import auth, middleware
from gateway.api.app import Parts, routed
from gateway.api.audit import audited
from gateway.api.registry import Registry as RegistryRoot
from gateway.registry.standalone import Networks, Standalone


class _Root:
    def __init__(self, registry: RegistryRoot):
        self.registry = registry


def by_network(app: Callable, conf: cfg.ConfigOpts) -> Callable:
    """Hands ``gateway.api.auth`` who may do what."""
    networks = Networks(conf.standalone.project_id, conf.standalone.allowed_networks)

    def authorize(request, rule: str) -> auth.Context:
        return auth.Context(
            project_id=networks.project_of(request.remote_addr, rule),
            user_id="",
            roles=(),
            request_id=request.environ["openstack.request_id"],
            expires_at=math.inf,
            auth=None,
        )

    def serve(environ, start_response):
        environ[auth.AUTHORITY] = authorize
        return app(environ, start_response)

    return serve


#: Innermost first. No proxy is believed here: the address that a call comes from counts.
STACK = (
    by_network,
    middleware.body_limit,
    middleware.json_errors,
    middleware.access_log,
    lambda app, conf: request_id.RequestId(app),
)


def application(parts: Parts):
    """The whole pipeline as one WSGI callable."""
    own = dataclasses.replace(parts, registry=Standalone(parts.conf, parts.registry))
    return audited(routed(_Root(RegistryRoot(own)), STACK, parts.conf), parts.audit)
