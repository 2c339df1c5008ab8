"""How the sessions speak HTTP, on real sockets: timeouts, and no cookies from one user to the next."""

import contextlib
import http.server
import json
import socket
import threading

import pytest
from keystoneauth1 import token_endpoint

from gateway import conf as options
from gateway import errors
from gateway.tests.sessions import opened


@pytest.fixture
def sessions(tmp_path):
    path = tmp_path / "gateway.conf"
    path.write_text("[cloud]\ntimeout = 1\n")
    return opened(options.load(["--state_path", str(tmp_path)], [str(path)]))


def cloud_at(sessions, port):
    return sessions.user(token_endpoint.Token(f"http://127.0.0.1:{port}/v2.1", "T"))


@contextlib.contextmanager
def nova(seen):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(dict(self.headers))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Set-Cookie", "balancer=one-user; Path=/")
            self.end_headers()
            self.wfile.write(json.dumps({"servers": []}).encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def test_users_do_not_share_cookies(sessions):
    seen = []
    with nova(seen) as port:
        for _ in range(2):
            assert cloud_at(sessions, port).find_servers({"a": "b"}) == []
    assert len(seen) == 2
    assert all("Cookie" not in headers for headers in seen)
    assert all(headers["X-Auth-Token"] == "T" for headers in seen)


def test_a_service_that_never_answers(sessions):
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(errors.Timeout):
        cloud_at(sessions, silent.getsockname()[1]).find_servers({"a": "b"})


def test_a_service_that_is_not_there(sessions):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(errors.Unavailable) as raised:
        cloud_at(sessions, port).find_servers({"a": "b"})
    assert raised.value.retry_after
