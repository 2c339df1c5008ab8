"""The API as OpenAPI 3.1: the URLs of ``gateway.api.root``'s table, and what each endpoint was exposed with.

Nothing is told twice: bodies and parameters have the schemas by which they are checked, answers those that
stand beside their views, texts are the docstrings' and the policies'.
"""

import importlib.metadata
import inspect
import re
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import webob

from gateway import errors
from gateway.api import policies, root
from gateway.api.expose import EVENTS, JSON, STATUS, Description
from gateway.api.shapes import Maybe, extended, many, shape

#: These follow specifications of their own, which describe them.
OTHERS = ("/osb/",)
_ABOUT = """
From *flavor, image, network* to a running, health-checked, discoverable service on OpenStack, in one call.

Send a Keystone token of your project as `X-Auth-Token`; what belongs to another project is 404. Bodies are
JSON; members and query parameters that are not described are 400. Errors have one form (schema `Errors`), and
their `request_id`, also in the header `X-Openstack-Request-Id`, finds what the gateway's log says of it.
Besides what stands at each call, any may answer 405 with `Allow`, 406 where `Accept` leaves nothing, and 500
for a fault of the gateway.

Not described here, since other specifications do: the Open Service Broker API at `/osb/v2`, and, on ports of
their own, what Consul's clients, DNS and gRPC ask of the registry.
"""
_ERROR = shape(
    status=int,
    code={"type": "string", "description": "Stays the same between releases, as gateway.server.not_found."},
    title=str,
    detail={"type": "string", "description": "For people: what is wrong, where, and what is allowed."},
    request_id=str,
    field=Maybe({"type": "string", "description": "The place in the body, or the parameter."}),
)
_ERRORS = shape(errors=many({"$ref": "#/components/schemas/Error"}))
_REQUEST_ID = "X-Openstack-Request-Id"
_HEADERS = {
    _REQUEST_ID: "Under which the gateway's log has more.",
    "Location": "The URL of what was made.",
    "Set-Cookie": "The session's, for browsers.",
    "Cache-Control": "Whether the answer may be kept, and how long.",
    "Retry-After": "Seconds after which to try again.",
    "WWW-Authenticate": "Where tokens are had.",
}
#: Without ``?detailed`` answered by oslo.middleware, before there is any controller.
_PLAIN = ("/healthcheck", {"text/plain": {"schema": {"type": "string"}}})


class Row(NamedTuple):
    """Of the table."""

    method: str
    path: str  # /v1/servers/{server}
    text: str


def rows() -> list[Row]:
    lines = re.findall(r"^(GET|POST|PUT|PATCH|DELETE) +(/\S*) +(.+)$", root.__doc__, re.MULTILINE)
    return [Row(*line) for line in lines if not line[1].startswith(OTHERS)]


def document(urls: root.Root) -> dict[str, Any]:
    """Of all that is below ``urls``."""
    paths: dict[str, dict] = {}
    tags: dict[str, dict] = {}
    for row in rows():
        endpoint = _endpoint(urls, row)
        tag = _tag(endpoint)
        tags[tag["name"]] = tag
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, endpoint, tag["name"])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "gateway",
            "version": importlib.metadata.version("gateway"),
            "description": _ABOUT.strip(),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": list(tags.values()),
        "paths": paths,
        "components": _components(),
    }


def _components() -> dict[str, Any]:
    return {
        "schemas": {"Error": _ERROR, "Errors": _ERRORS},
        "headers": {
            name: {"description": text, "schema": {"type": "string"}} for name, text in _HEADERS.items()
        },
        "securitySchemes": {
            "token": {
                "type": "apiKey",
                "in": "header",
                "name": "X-Auth-Token",
                "description": "A Keystone token of a project.",
            }
        },
    }


def _endpoint(urls: root.Root, row: Row) -> Callable:
    """Which the router itself finds at the URL."""
    node: Any = urls
    segments = [re.sub("{.*}", "0", segment) for segment in row.path.split("/")[1:] if segment]
    while segments and not hasattr(node, "_route"):
        node = getattr(node, segments.pop(0))
    if not hasattr(node, "_route"):
        return node.index
    return node._route(segments, webob.Request.blank(row.path, method=row.method))[0]


def _tag(endpoint: Callable) -> dict[str, str]:
    kind = type(endpoint.__self__)
    if kind.__module__ == root.__name__:
        return {"name": "versions", "description": root.V1.__doc__}
    module = sys.modules[kind.__module__]
    return {"name": module.__name__.rpartition(".")[2].replace("_", "-"), "description": module.__doc__}


def _operation(row: Row, endpoint: Callable, tag: str) -> dict[str, Any]:
    description = endpoint.description
    name = f"{type(endpoint.__self__).__name__}-{endpoint.__name__}"
    made = {
        "operationId": name.lower().replace("_", "-"),
        "tags": [tag],
        "summary": row.text[0].upper() + row.text[1:],
        "description": _text(endpoint, description),
        "parameters": _parameters(row.path, description),
        "responses": _responses(row, description),
        "security": [{"token": []}] if description.policy else [],
    }
    if content := _request_content(description):
        made["requestBody"] = {"required": True, "content": content}
    return made


def _text(endpoint: Callable, description: Description) -> str:
    parts = [inspect.getdoc(endpoint)] if endpoint.__doc__ else []
    for rule in policies.list_rules():
        if rule.name == description.policy:
            parts.append(f"Policy `{rule.name}` ({rule.description}): `{rule.check_str}`, unless changed.")
    return "\n\n".join(parts)


def _parameters(path: str, description: Description) -> list[dict[str, Any]]:
    digits = "^[0-9]+$"
    made = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": digits if name == "index" else "^[^/]+$"},
        }
        for name in re.findall("{(.+?)}", path)
    ]
    for place, schemas in (("query", description.query), ("header", description.told)):
        made += [
            {"name": name, "in": place, "required": False, "schema": published(schema)}
            for name, schema in schemas.items()
        ]
    return made


def _request_content(description: Description) -> dict[str, Any]:
    if description.takes:
        return {kind: {} for kind in description.takes}
    return {JSON: {"schema": published(description.body)}} if description.body else {}


def published(schema: Any) -> Any:
    """A schema without our own keyword "error", whose text says what is allowed."""
    if isinstance(schema, list):
        return [published(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: published(value) for name, value in schema.items()}
    if isinstance(schema.get("error"), str):
        text = made.pop("error")
        made.setdefault("description", text[0].upper() + text[1:])
    return made


def _responses(row: Row, description: Description) -> dict[str, Any]:
    made = {str(status): _answer(schema, description) for status, schema in description.answers.items()}
    kinds: dict[int, list[str]] = {}
    if row.path == _PLAIN[0]:
        for answer in made.values():
            answer["content"].update(_PLAIN[1])
    for kind in _raised(row, description):
        kinds.setdefault(STATUS[kind], []).append(kind.title)
    for status, titles in sorted(kinds.items()):
        made[str(status)] = _failure(status, dict.fromkeys(titles), description)
    return made


def _raised(row: Row, description: Description) -> list[type[errors.GatewayError]]:
    kinds = [errors.Invalid, *description.raises]
    if description.policy:
        kinds += [errors.Unauthorized, errors.Forbidden, errors.Unavailable]
    if "{" in row.path:
        kinds.append(errors.NotFound)
    if description.body or description.takes:
        kinds.append(errors.TooLarge)
    return kinds


def _answer(schema: dict | None, description: Description) -> dict[str, Any]:
    made: dict[str, Any] = {"description": "As asked for.", "headers": _headers(*description.headers)}
    if schema is None:
        return made | {"description": "Done; there is nothing to say."}
    made["content"] = {kind: {"schema": schema} for kind in description.gives}
    if description.streams:
        made["content"][EVENTS] = {"schema": {"type": "string"}}
    return made


def _failure(status: int, titles: dict[str, None], description: Description) -> dict[str, Any]:
    own = {401: ["WWW-Authenticate"], 503: ["Retry-After"]}.get(status, [])
    schema: dict[str, Any] = {"$ref": "#/components/schemas/Errors"}
    if description.faults:
        schema = extended(_ERRORS, **description.faults["properties"])
    return {
        "description": f"{', or '.join(titles)}.",
        "headers": _headers(*own),
        "content": {JSON: {"schema": schema}},
    }


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (_REQUEST_ID, *names)}
