"""How the API describes itself: as OpenAPI, and as a page, which is Swagger UI."""

import functools
import json
from collections.abc import Callable

import webob

from gateway.api import files, openapi
from gateway.api.collection import Collection
from gateway.api.expose import expose
from gateway.api.root import Root

_MAX_AGE = 300  # seconds


class OpenApi(Collection):
    """``/v1/openapi.json``. ``urls`` gives what it is about, once that is there."""

    on_collection = {"GET": "get"}

    def __init__(self, urls: Callable[[], Root]):
        self._text = functools.cache(lambda: json.dumps(openapi.document(urls())).encode() + b"\n")

    @expose(policy=None, answer={"type": "object"})
    def get(self):
        return webob.Response(self._text(), content_type="application/json", charset="UTF-8")


class Docs(Collection):
    """``/v1/docs``"""

    on_collection = {"GET": "get_page"}
    on_member = {"GET": "get_file"}

    def __init__(self):
        self._files = files.Files("swagger_ui", "docs", _MAX_AGE)

    @expose(policy=None, gives=["text/html"], answer={"type": "string"})
    def get_page(self):
        return self._files.answer("index.html")

    @expose(policy=None, gives=files.TYPES.values(), answer={"type": "string"})
    def get_file(self, name):
        return self._files.answer(name)
