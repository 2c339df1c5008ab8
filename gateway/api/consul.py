"""The registry as Consul's HTTP API has it, to be read by Consul's clients, on a port of its own.

=======  =============================  ==========================================================
Method   URL                            Answer
=======  =============================  ==========================================================
GET      /v1/health/service/{service}   instances, with ``passing`` only those; ``tag``
GET      /v1/catalog/services           service types and their tags
GET      /v1/catalog/service/{service}  instances, whatever their health; ``tag``
GET      /v1/catalog/datacenters        the one there is
GET      /v1/status/leader              this gateway
=======  =============================  ==========================================================

``X-Consul-Token`` (or ``Authorization: Bearer``, or ``?token=``) carries a Keystone token and chooses its
project; without one the project is ``[consul] project_id``, for callers in ``[consul] allowed_networks``.
``index`` and ``wait`` block as Consul's do: until the service, or the list of services, is another. What is
to be written is written by the gateway's own API.
"""

import json
import random
import re
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import webob
from oslo_config import cfg
from oslo_log import log
from oslo_middleware import request_id

from gateway import errors
from gateway.api import middleware
from gateway.api.app import Parts
from gateway.api.expose import STATUS
from gateway.api.tokens import Tokens
from gateway.api.waiting import Place
from gateway.registry.model import Instance, Status
from gateway.registry.snapshot import View
from gateway.registry.standalone import Networks

LOG = log.getLogger(__name__)

_READ = "gateway:registry:get"
_WAIT, _MAX_WAIT = 300.0, 600.0  # seconds, as Consul has them
_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
#: Parameters of Consul's that change nothing here: there is one consistency, and one place.
_IGNORED = {"consistent", "stale", "cached", "near", "ns", "partition", "pretty", "node-meta"}
_IGNORED |= {"peer", "merge-central-config", "max-age"}
_KNOWN = {"dc", "index", "wait", "passing", "tag", "filter"} | _IGNORED


class Asked(NamedTuple):
    """``content``: what of a view is asked for; ``shown``: as JSON."""

    content: Callable[[View], Any]
    shown: Callable[[Any], Any]


class Consul:
    """One process's."""

    def __init__(self, parts: Parts):
        conf = parts.conf.consul
        self._registry = parts.registry
        self._datacenter = conf.datacenter
        self._tokens = Tokens(parts.conf, parts.sessions)
        self._networks = Networks(conf.project_id, conf.allowed_networks)
        self._project_id = conf.project_id
        self._seen = 0
        self._topic = parts.waiting.topic("consul", self._moved, parts.conf.registry.refresh_interval)

    def __call__(self, environ, start_response):
        request = webob.Request(environ)
        try:
            response = self._answer(request)
        except errors.GatewayError as error:
            status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
            status = 403 if status == 401 else status  # as Consul has it
            response = webob.Response(error.message, status, content_type="text/plain", charset="UTF-8")
        except Exception:
            LOG.exception("Unexpected error")
            response = webob.Response("The gateway failed.", 500, content_type="text/plain")
        return response(environ, start_response)

    def _answer(self, request: webob.Request) -> webob.Response:
        if request.method not in ("GET", "HEAD"):
            return webob.Response(
                "This is for reading alone.", 405, content_type="text/plain", headers={"Allow": "GET, HEAD"}
            )
        _check_parameters(request.GET)
        if request.GET.get("dc", self._datacenter) != self._datacenter:
            return webob.Response("No path to datacenter", 500, content_type="text/plain")
        match request.path_info.strip("/").split("/"):
            case ["v1", "catalog", "datacenters"]:
                return _json([self._datacenter])
            case ["v1", "status", "leader"]:
                return _json(request.host)
        asked = self._asked(request, self._project(request))
        if asked is None:
            return webob.Response("", 404, content_type="text/plain")
        view = self._awaited(request, asked.content)
        headers = {
            "X-Consul-Index": str(_index(view)),
            "X-Consul-KnownLeader": "true",
            "X-Consul-LastContact": "0",
            "Cache-Control": "no-store",
        }
        return _json(asked.shown(asked.content(view)), headers)

    def _project(self, request: webob.Request) -> str:
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        token = request.headers.get("X-Consul-Token") or (
            bearer.strip() if scheme.lower() == "bearer" else ""
        )
        if token:
            return self._tokens.project(token, _READ)
        if not self._project_id:
            raise errors.Forbidden("gateway.consul.token", "Permission denied: a Keystone token is needed.")
        return self._networks.project_of(request.remote_addr, _READ)

    def _asked(self, request: webob.Request, project_id: str) -> Asked | None:
        tags = set(request.GET.getall("tag"))
        match request.path_info.strip("/").split("/"):
            case ["v1", "catalog", "services"]:
                return Asked(
                    lambda view: view.types(project_id),
                    lambda types: {name: _tags(each.instances.values()) for name, each in types.items()},
                )
            case ["v1", "health", "service", name] if name:
                passing = request.GET.get("passing", "false").lower() not in ("false", "0")
                shown = self._health
            case ["v1", "catalog", "service", name] if name:
                passing, shown = False, self._catalog
            case _:
                return None

        def entries(found) -> list[dict]:
            instances = found.instances.values() if found else ()
            return [
                shown(i)
                for i in instances
                if tags <= set(i.tags) and not (passing and _state(i) != "passing")
            ]

        return Asked(lambda view: view.types(project_id).get(name), entries)

    # Waiting

    def _moved(self, keys: Iterable) -> Iterable:
        index = self._registry.view().index
        moved, self._seen = index != self._seen, index
        return list(keys) if moved else ()

    def _awaited(self, request: webob.Request, content: Callable[[View], Any]) -> View:
        """The view now, or once ``content`` of it is another than at the index that the caller has seen."""
        view = self._registry.view(now=True)
        index, wait = _number(request.GET.get("index", "0")), _seconds(request.GET.get("wait", ""))
        if index == 0 or index != _index(view):
            return view
        seen = content(view)
        place = Place(self._topic, "index", time.monotonic() + wait * random.uniform(1, 17 / 16))  # noqa: S311
        try:
            while content(view) == seen and not place.over:
                place.wait()
                view = self._registry.view()
        finally:
            place.leave()
        return view

    # An instance as Consul writes it

    def _node(self, instance: Instance) -> dict:
        node = instance.server_id or ""
        return {
            "ID": node,
            "Node": node or instance.host,
            "Address": instance.host,
            "Datacenter": self._datacenter,
        }

    def _health(self, instance: Instance) -> dict:
        created = {"CreateIndex": instance.index, "ModifyIndex": instance.index}
        service = {
            "ID": instance.name,
            "Service": instance.type,
            "Tags": list(instance.tags),
            "Address": instance.host,
            "Meta": _meta(instance),
            "Port": instance.port,
            "Weights": {"Passing": instance.weight, "Warning": instance.weight},
            "EnableTagOverride": False,
        }
        check = {
            "Node": self._node(instance)["Node"],
            "CheckID": f"service:{instance.name}",
            "Name": f"Service '{instance.type}' check",
            "Status": _state(instance),
            "Notes": instance.reason,
            "Output": instance.health.output,
            "ServiceID": instance.name,
            "ServiceName": instance.type,
            "ServiceTags": list(instance.tags),
        }
        return {
            "Node": {**self._node(instance), "TaggedAddresses": {}, "Meta": {}, **created},
            "Service": {**service, **created},
            "Checks": [{**check, **created}],
        }

    def _catalog(self, instance: Instance) -> dict:
        return {
            **self._node(instance),
            "TaggedAddresses": {},
            "NodeMeta": {},
            "ServiceID": instance.name,
            "ServiceName": instance.type,
            "ServiceAddress": instance.host,
            "ServicePort": instance.port,
            "ServiceTags": list(instance.tags),
            "ServiceMeta": _meta(instance),
            "ServiceWeights": {"Passing": instance.weight, "Warning": instance.weight},
            "ServiceEnableTagOverride": False,
            "CreateIndex": instance.index,
            "ModifyIndex": instance.index,
        }


def _state(instance: Instance) -> str:
    """Consul has no word for maintenance: such a service is critical."""
    return "critical" if instance.health.status is Status.MAINTENANCE else str(instance.health.status)


def _meta(instance: Instance) -> dict[str, str]:
    meta = {"proto": instance.proto, "version": instance.version, "signature": instance.signature}
    return {name: value for name, value in meta.items() if value}


def _tags(instances: Iterable[Instance]) -> list[str]:
    return sorted({tag for instance in instances for tag in instance.tags})


def _index(view: View) -> int:
    return view.index + 1  # 0 would mean: do not wait


def _json(value: Any, headers: dict[str, str] | None = None) -> webob.Response:
    response = webob.Response(content_type="application/json", charset="UTF-8")
    response.body = json.dumps(value).encode() + b"\n"
    response.headers.update(headers or {})
    return response


def _check_parameters(given: Iterable[str]) -> None:
    unknown = sorted(set(given) - _KNOWN)
    if unknown or given.get("filter"):
        name = unknown[0] if unknown else "filter"
        raise errors.Invalid("gateway.consul.parameter", f"The parameter {name!r} is not supported here.")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise errors.Invalid("gateway.consul.index", "Invalid index")
    return int(text)


def _seconds(text: str) -> float:
    """Of 10s, 1m30s: as Go writes durations; Consul's default for nothing, and at most its most."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)", text)
    if "".join(number + unit for number, unit in parts) != text:
        raise errors.Invalid("gateway.consul.wait", "Invalid wait time")
    return min(sum(float(number) * _UNITS[unit] for number, unit in parts) or _WAIT, _MAX_WAIT)


def token_in_header(app: Callable, conf: cfg.ConfigOpts) -> Callable:
    """One in the query goes there, so that it is in no log."""

    def serve(environ, start_response):
        request = webob.Request(environ)
        if "token" in request.GET:
            request.headers.setdefault("X-Consul-Token", request.GET["token"])
            del request.GET["token"]
        return app(environ, start_response)

    return serve


#: Innermost first.
STACK = (middleware.access_log, lambda app, conf: request_id.RequestId(app), token_in_header)


def application(parts: Parts):
    """The whole pipeline as one WSGI callable."""
    app = Consul(parts)
    for wrap in STACK:
        app = wrap(app, parts.conf)
    return app
