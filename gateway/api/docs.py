"""How the API describes itself: as OpenAPI, and as a page, which is Swagger UI."""

import functools
import json
from collections.abc import Callable

import webob

from gateway.api import files, openapi
from gateway.api.collection import Collection
from gateway.api.expose import expose
from gateway.api.root import Root


class OpenApi(Collection):
    """``/v1/openapi.json``. ``urls`` gives what it is about, once that is there."""

    on_collection = {"GET": "get"}

    def __init__(self, urls: Callable[[], Root]):
        self._text = functools.cache(lambda: json.dumps(openapi.document(urls())).encode() + b"\n")

    @expose(policy=None, answer={"type": "object"})
    def get(self):
        return webob.Response(self._text(), content_type="application/json", charset="UTF-8")


class Docs(files.Page):
    """``/v1/docs``"""

    folder, name, max_age = "swagger_ui", "docs", 300
