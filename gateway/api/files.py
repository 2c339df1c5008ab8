"""The files of a page that is packaged with the gateway. Such a page asks no other host."""

import pathlib

import webob

from gateway import errors

TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
#: Pictures may be in style sheets, as data:.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Files:
    """Of one folder beside this module; ``page`` names it in errors, ``max_age`` is in seconds."""

    def __init__(self, folder: str, page: str, max_age: int):
        found = (pathlib.Path(__file__).parent / folder).iterdir()
        self._files = {path.name: path for path in found if path.suffix in TYPES}
        self._page = page
        self._headers = {
            "Cache-Control": f"max-age={max_age}" if max_age else "no-cache",
            "Content-Security-Policy": _POLICY,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }

    def answer(self, name: str) -> webob.Response:
        """Raises NotFound."""
        if name not in self._files:
            raise errors.NotFound(f"gateway.{self._page}.not_found", f"The page has no file {name}.")
        path = self._files[name]
        response = webob.Response(path.read_bytes(), content_type=TYPES[path.suffix], charset="UTF-8")
        response.headers.update(self._headers)
        return response
