"""A WSGI application behind the daemon's own HTTP server, in the test's process."""

import contextlib
import dataclasses
import http.client
import json
import socket
from collections.abc import Iterator

import sseclient

from gateway import serving
from gateway.api import app as api
from gateway.api.waiting import Waiting

PATIENCE = 30  # seconds


class Served:
    """An API process, as the daemon's role makes it, with ``options`` of [api]."""

    def __init__(self, parts: api.Parts, port: int | None = None, **options):
        for name, value in options.items():
            parts.conf.set_override(name, value, "api")
        self.port = port or _free_port()
        self._waiting = Waiting(parts.conf)
        site = serving.Site(api.application, serving.listener("127.0.0.1", self.port))
        self._server = serving.Server(site)
        self._server.start(dataclasses.replace(parts, waiting=self._waiting))

    def stop(self) -> None:
        """May be called again."""
        self._waiting.close()
        self._server.stop()
        assert self._server.drained.wait(PATIENCE), "requests under way do not end"

    @contextlib.contextmanager
    def asked(self, path: str, token: str, **headers: str) -> Iterator[http.client.HTTPResponse]:
        """The answer, whose body is not read yet."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers={"X-Auth-Token": token, **headers})
            yield connection.getresponse()
        finally:
            connection.close()


def events(answer: http.client.HTTPResponse) -> Iterator[tuple[int, str, dict]]:
    """(id, event, data) as they come."""
    for event in sseclient.SSEClient(iter(answer.readline, b"")).events():
        yield int(event.id), event.event, json.loads(event.data)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
