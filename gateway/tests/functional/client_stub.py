"""A real HTTP server that answers what a test tells it, and a Keystone whose catalogue has it."""

import contextlib
import dataclasses
import http.server
import json
import threading
from collections.abc import Iterator

import requests_mock
from keystoneauth1 import fixture

AUTH_URL = "http://keystone.test/v3"
TOKEN = "gAAAAA-the-secret-token"


@dataclasses.dataclass(frozen=True)
class Asked:
    method: str
    path: str  # with its query
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class StubApi:
    """``answers[method, path]`` lists (status, body[, headers]): one for each call, the last for ever."""

    def __init__(self):
        self.answers: dict[tuple[str, str], list[tuple]] = {}
        self.asked: list[Asked] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def on(self, method: str, path: str, *answers: tuple) -> None:
        self.answers[method, path] = list(answers)

    def _handler(stub):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                stub.asked.append(Asked(self.command, self.path, dict(self.headers), body))
                waiting = stub.answers.get((self.command, self.path), [(404, error(404, "gateway.none"))])
                status, content, *headers = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for name, value in (headers[0] if headers else {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

            def log_message(self, *args):
                pass

        return Handler

    @contextlib.contextmanager
    def serving(self) -> Iterator["StubApi"]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


def error(status: int, code: str, detail: str = "It is not so.", **more) -> dict:
    entry = {"status": status, "code": code, "title": "No", "detail": detail, "request_id": "req-1", **more}
    return {"errors": [entry]}


@contextlib.contextmanager
def keystone(gateway_url: str | None) -> Iterator[requests_mock.Mocker]:
    """Gives out TOKEN; other hosts than it are asked for real."""
    token = fixture.V3Token(project_name="demo", user_name="demo")
    if gateway_url:
        token.add_service("gateway").add_standard_endpoints(public=gateway_url)
    with requests_mock.Mocker(real_http=True) as mocked:
        mocked.post(
            f"{AUTH_URL}/auth/tokens", json=token, headers={"X-Subject-Token": TOKEN}, status_code=201
        )
        yield mocked
