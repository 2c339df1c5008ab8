"""Proxies in front of the real Nova and Neutron, that fail as a scenario says, and a region of Keystone's
whose services they are."""

import contextlib
import http.client
import http.server
import re
import socket
import threading
import urllib.parse
import uuid
from collections.abc import Callable

from harness import clouds

#: Nobody else looks for services there: clients without a region keep finding the real ones.
INTERFACE = "admin"
_TIMEOUT = 120  # seconds for the real service
_HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length")


class Fault:
    """``happens`` on calls of ``method`` to a path that ends like ``path`` (ID: any id), ``times`` times."""

    def __init__(self, method: str, path: str, happens: Callable, times: int | None = None):
        self._method = method
        self._path = re.compile(re.escape(path).replace("ID", "[0-9a-f-]{36}") + "$")
        self._times = times
        self.happens = happens

    @property
    def is_left(self) -> bool:
        """Of those that happen a number of times."""
        return bool(self._times)

    def strikes(self, method: str, path: str) -> bool:
        if method != self._method or not self._path.search(path) or self._times == 0:
            return False
        self._times = None if self._times is None else self._times - 1
        return True


class Proxy:
    """``faults`` are looked for in order. ``away``: nothing is answered, connections are refused."""

    def __init__(self, target: str):
        self._target = urllib.parse.urlsplit(target)
        self.faults: list[Fault] = []
        self.port: int | None = None
        self._server: http.server.ThreadingHTTPServer | None = None
        self.come_back()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self._target.path}"

    def go_away(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def come_back(self) -> None:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port or 0), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def forward(self, call: http.server.BaseHTTPRequestHandler, body: bytes) -> tuple[int, list, bytes]:
        """With the caller's Host, from which services make their links."""
        real = http.client.HTTPConnection(self._target.hostname, self._target.port, timeout=_TIMEOUT)
        with contextlib.closing(real):
            headers = {key: value for key, value in call.headers.items() if key.lower() not in _HOP_BY_HOP}
            real.request(call.command, call.path, body or None, headers | {"Connection": "close"})
            answer = real.getresponse()
            kept = [(key, value) for key, value in answer.getheaders() if key.lower() not in _HOP_BY_HOP]
            return answer.status, kept, answer.read()

    def _handler(proxy):
        class Handler(http.server.BaseHTTPRequestHandler):
            def _do(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = urllib.parse.urlsplit(self.path).path
                fault = next((f for f in proxy.faults if f.strikes(self.command, path)), None)
                answer = fault.happens(proxy, self, body) if fault else proxy.forward(self, body)
                if answer is None:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                status, headers, data = answer
                self.send_response(status)
                for key, value in [*headers, ("Content-Length", str(len(data))), ("Connection", "close")]:
                    self.send_header(key, value)
                with contextlib.suppress(ConnectionError):  # who asked has given up
                    self.end_headers()
                    self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _do

            def log_message(self, *_):
                pass

        return Handler


def answered(status: int) -> Callable:
    return lambda proxy, call, body: (status, [("Content-Type", "text/plain")], b"It does not work today.\n")


def cut(proxy: Proxy, call, body: bytes) -> None:
    """The service does what it is asked to, and nobody hears of it."""
    proxy.forward(call, body)


def first(act: Callable[[], None]) -> Callable:
    """Something happens just before the call is carried out."""

    def happens(proxy, call, body):
        act()
        return proxy.forward(call, body)

    return happens


class Region:
    """Use it as a context. ``proxies`` by the service's name, as people say it."""

    def __init__(self):
        self.name = f"faulty-{uuid.uuid4().hex[:6]}"
        self.proxies: dict[str, Proxy] = {}
        self._made = contextlib.ExitStack()

    def __enter__(self) -> "Region":
        identity = clouds.as_user("an admin").identity
        identity.create_region(id=self.name)
        self._made.callback(identity.delete_region, self.name)
        services = {service.type: service for service in identity.services()}
        real = {e.service_id: e.url for e in identity.endpoints(interface="public")}
        for kind in ("compute", "network", "image", "identity"):
            service = services[kind]
            url = real[service.id]
            if kind in ("compute", "network"):
                proxy = self.proxies[service.name.capitalize()] = Proxy(url)
                self._made.callback(proxy.go_away)
                url = proxy.url
            made = identity.create_endpoint(
                service_id=service.id, interface=INTERFACE, region_id=self.name, url=url
            )
            self._made.callback(identity.delete_endpoint, made)
        return self

    def __exit__(self, *_) -> None:
        for proxy in self.proxies.values():
            proxy.faults.clear()
        self._made.close()
