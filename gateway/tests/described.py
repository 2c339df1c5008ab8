"""Holds answers to what /v1/openapi.json says of them: their status, body and headers."""

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import webob

from gateway.tests import url_table

_ANYWHERE = (405, 406, 500)  # as the document's own text says


class Description:
    """``document``: the parsed JSON."""

    def __init__(self, document: dict[str, Any]):
        self._document = document
        self._rows = [
            url_table.Endpoint(method.upper(), path)
            for path, operations in document["paths"].items()
            for method in operations
        ]

    def check(self, method: str, path: str, status: int, headers: Any, body: bytes) -> None:
        """``path`` without its query. Raises AssertionError for what is not as described."""
        row = url_table.meant(self._rows, method, path)
        if row is None or status in _ANYWHERE:
            return
        responses = self._document["paths"][row.path][row.method.lower()]["responses"]
        assert str(status) in responses, (
            f"{row} may answer {', '.join(responses)}; not {status}: {body[:500]!r}"
        )
        described = responses[str(status)]
        if row.path != "/healthcheck":
            assert headers.get("X-Openstack-Request-Id"), f"{row}: {dict(headers)}"
        kind = headers.get("Content-Type", "").partition(";")[0]
        content = described.get("content", {})
        assert not body or kind in content, f"{row} gives {', '.join(content)} with {status}; not {kind}"
        if body and kind == "application/json":
            self._check_body(f"{row}: {status}", json.loads(body), content[kind]["schema"])

    def _check_body(self, where: str, value: Any, schema: dict[str, Any]) -> None:
        strict = _closed(schema) | {"components": self._document["components"]}
        mistake = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(strict).iter_errors(value))
        assert mistake is None, f"{where}: {mistake.json_path}: {mistake.message[:500]}"


def _closed(schema: Any) -> Any:
    """Where members may be added between releases, none is left out of the description today."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _closed(value) for name, value in schema.items()}
    if "properties" in schema:
        made.setdefault("additionalProperties", False)
    return made


_known: list[Description] = []  # one: every application's is the same


def answered(request: webob.Request, application: Callable) -> webob.Response:
    """The answer, held to the description."""
    if not _known:
        text = webob.Request.blank("/v1/openapi.json").get_response(application).text
        _known.append(Description(json.loads(text)))
    response = request.get_response(application)
    path = request.environ["PATH_INFO"]  # whatever bytes are in it
    _known[0].check(request.method, path, response.status_int, response.headers, response.body)
    return response
