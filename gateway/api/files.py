"""A page that is packaged with the gateway, in a folder of files. Such a page asks no other host."""

import pathlib

import webob

from gateway import errors
from gateway.api.collection import Collection
from gateway.api.expose import expose

TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
#: Pictures may be in style sheets, as data:.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Page(Collection):
    """``folder`` stands beside this module; ``name`` is for errors, ``max_age`` in seconds."""

    folder: str
    name: str
    max_age: int
    on_collection = {"GET": "get_page"}
    on_member = {"GET": "get_file"}

    def __init__(self):
        found = (pathlib.Path(__file__).parent / self.folder).iterdir()
        self._files = {path.name: path for path in found if path.suffix in TYPES}
        self._headers = {
            "Cache-Control": f"max-age={self.max_age}" if self.max_age else "no-cache",
            "Content-Security-Policy": _POLICY,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }

    @expose(policy=None, gives=["text/html"], answer={"type": "string"})
    def get_page(self):
        return self._answer("index.html")

    @expose(policy=None, gives=TYPES.values(), answer={"type": "string"})
    def get_file(self, name):
        return self._answer(name)

    def _answer(self, name: str) -> webob.Response:
        """Raises NotFound."""
        if name not in self._files:
            raise errors.NotFound(f"gateway.{self.name}.not_found", f"The page has no file {name}.")
        path = self._files[name]
        response = webob.Response(path.read_bytes(), content_type=TYPES[path.suffix], charset="UTF-8")
        response.headers.update(self._headers)
        return response
