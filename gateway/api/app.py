"""The WSGI application: Pecan behind its middleware."""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import pecan
import pecan.core
import pecan.routing
import pecan.util
from oslo_config import cfg

from gateway.api import middleware, osb, session
from gateway.api.artifacts import Artifacts
from gateway.api.audit import Audit, audited
from gateway.api.deployments import Deployments
from gateway.api.docs import Docs, OpenApi
from gateway.api.expose import ErrorHook
from gateway.api.fastpath import FastPath
from gateway.api.flavors import Flavors
from gateway.api.health import Health
from gateway.api.images import Images
from gateway.api.launch_options import LaunchOptions
from gateway.api.networks import Networks
from gateway.api.patience import Patience
from gateway.api.providers import Providers
from gateway.api.registry import Registry as RegistryRoot
from gateway.api.root import V1, Root
from gateway.api.servers import Servers
from gateway.api.services import Services
from gateway.api.ui import Ui
from gateway.api.waiting import Waiting
from gateway.broker.store import BrokerStore
from gateway.cloud.sessions import Sessions
from gateway.db import Database
from gateway.deploy.store import DeploymentStore
from gateway.registry.registry import Registry
from gateway.registry.subscriptions import SubscriptionStore
from gateway.vault import Vault


@dataclasses.dataclass(frozen=True)
class Parts:
    """What the controllers work with; built by ``gateway.daemon.parts``."""

    conf: cfg.ConfigOpts
    database: Database
    sessions: Sessions
    deployments: DeploymentStore
    registry: Registry
    subscriptions: SubscriptionStore
    broker: BrokerStore
    waiting: Waiting
    audit: Audit
    vault: Vault


class _Request(pecan.Request):
    """Bodies are left to the controllers: Pecan would read any form and any JSON, whole, for its arguments,
    before the token is looked at."""

    @property
    def params(self):
        return self.GET

    @property
    def json(self):
        raise ValueError("read by gateway.api.expose")


@functools.cache
def _inspected(function: Callable):
    return pecan.util.getargspec(function)


def _argspec(controller: Callable):
    return _inspected(getattr(controller, "__func__", controller))


# Pecan inspects each controller anew at each request, twice: half of its time. What it finds stays the same.
pecan.core.getargspec = pecan.routing.getargspec = _argspec


def application(parts: Parts):
    """The whole pipeline as one WSGI callable."""
    patience = Patience(parts.conf)
    v1 = V1(
        **{
            "flavors": Flavors(parts),
            "images": Images(parts),
            "networks": Networks(parts),
            "launch-options": LaunchOptions(parts),
            "servers": Servers(parts),
            "artifacts": Artifacts(parts),
            "deployments": Deployments(parts),
            "providers": Providers(parts),
            "services": Services(parts, patience),
            "session": session.Session(parts),
            "openapi.json": OpenApi(lambda: root),
            "docs": Docs(),
        }
    )
    root = Root(v1, RegistryRoot(parts), Health(parts), Ui())
    app = session.by_cookie(routed(root, middleware.STACK, parts.conf), parts.vault)
    app = audited(osb.mounted(app, osb.application(parts, patience)), parts.audit)
    return FastPath(app, parts.conf, parts.registry) if parts.conf.api.fast_path else app


def routed(root, stack: Sequence[middleware.Wrap], conf: cfg.ConfigOpts):
    """Pecan with the controllers from ``root`` on, behind ``stack``, the innermost first."""
    app = pecan.Pecan(
        root,
        hooks=[ErrorHook()],
        force_canonical=False,
        guess_content_type_from_ext=False,
        request_cls=_Request,
    )
    for wrap in stack:
        app = wrap(app, conf)
    return app
