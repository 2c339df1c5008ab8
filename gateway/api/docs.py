"""How the API describes itself: as OpenAPI, and as a page, which is Swagger UI and asks no other host."""

import functools
import json
import pathlib
from collections.abc import Callable

import webob

from gateway import errors
from gateway.api import openapi
from gateway.api.collection import Collection
from gateway.api.expose import expose
from gateway.api.root import Root

_FOLDER = pathlib.Path(__file__).parent / "swagger_ui"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}
_FILES = {path.name: path for path in _FOLDER.iterdir() if path.suffix in _TYPES}
_PAGE = "index.html"
_MAX_AGE = 300  # seconds
#: Swagger UI's style sheet has its pictures in it, as data:.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Cache-Control": f"max-age={_MAX_AGE}",
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


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

    @expose(policy=None, gives=["text/html"], answer={"type": "string"})
    def get_page(self):
        return _answer(_PAGE)

    @expose(policy=None, gives=_TYPES.values(), answer={"type": "string"})
    def get_file(self, name):
        return _answer(name)


def _answer(name: str) -> webob.Response:
    if name not in _FILES:
        raise errors.NotFound("gateway.docs.not_found", f"The page has no file {name}.")
    path = _FILES[name]
    response = webob.Response(path.read_bytes(), content_type=_TYPES[path.suffix], charset="UTF-8")
    response.headers.update(_HEADERS)
    return response
