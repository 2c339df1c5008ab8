import concurrent.futures
import contextlib
import datetime
import ipaddress
import pathlib
import socket
import ssl
import threading
import time

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from gateway.registry import checks, guard
from gateway.registry.checks import http
from gateway.registry.model import Check, Kind
from gateway.tests.registered import configuration, service

UP = b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"up": true}'
DOWN = b'{"up": false}'


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (UP, (True, "200 OK")),
        (b"HTTP/1.0 204 No Content\r\n\r\n", (True, "204 No Content")),
        (b"HTTP/1.1 200 OK\r\n\r\n" + DOWN, (False, 'answered {"up": false}')),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n" + DOWN + b"rest",
            (False, 'answered {"up": false}'),
        ),
        (b"HTTP/1.1 200 OK\r\n\r\n[false]", (True, "200 OK")),
        (b'HTTP/1.1 200 OK\r\n\r\n{"up": 0}', (True, "200 OK")),
        (b"HTTP/1.1 200 OK\r\n\r\n{not json", (True, "200 OK")),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 50_000, (True, "200 OK")),
        (b"HTTP/1.1 301 Moved\r\nLocation: /up\r\n\r\n", (False, "301 Moved Permanently")),
        (b"HTTP/1.1 503 Busy\r\n\r\n", (False, "503 Service Unavailable")),
        (b"HTTP/1.1 599 Odd\x07 one\r\n\r\n", (False, "599 Odd one")),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + UP, (True, "200 OK")),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 3000, (False, "answered with too long a head")),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000, (False, "answered with too long a head")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 9000 + b"\r\n\r\n", (True, "200 OK")),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b'5;x=1\r\n{"up"\r\n8\r\n: false}\r\n0\r\n\r\n',
            (False, 'answered {"up": false}'),
        ),
        (b"", (False, "closed the connection without an answer")),
        (b"SSH-2.0-OpenSSH_9.2\r\n", (False, "not an HTTP answer: 'SSH-2.0-OpenSSH_9.2\\r\\n'")),
        (b"HTTP/1.1 2x0 OK\r\n\r\n", (False, "not an HTTP answer: 'HTTP/1.1 2x0 OK\\r\\n\\r\\n'")),
    ],
)
def test_what_passes(answer, expected):
    assert http.judge_answer(answer, True, Check()) == expected


def test_an_answer_is_judged_as_soon_as_it_is_whole():
    """However it is cut, and whether or not the other side closes."""
    chunked = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n{"up": false}\r\n0\r\n\r\n'
    for answer, last in ((UP, len(UP)), (chunked, len(chunked) - 2)):
        for end in range(len(answer)):
            assert (http.judge_answer(answer[:end], False, Check()) is None) == (end < last), end


@pytest.mark.parametrize(
    ("place", "host_header"),
    [
        (("http", "10.0.0.5", 8080), b"10.0.0.5:8080"),
        (("http", "10.0.0.5", 80), b"10.0.0.5"),
        (("https", "fd00::5", 443), b"[fd00::5]"),
        (("https", "fd00::5", 80), b"[fd00::5]:80"),
    ],
)
def test_the_request(place, host_header):
    first, *headers = http.request(*place, "/up?x=1").split(b"\r\n")
    assert first == b"GET /up?x=1 HTTP/1.1"
    assert b"Host: " + host_header in headers
    assert b"Connection: close" in headers
    assert any(header.startswith(b"User-Agent: gateway/") for header in headers)


def probe(port: int, proto: str = "http", timeout: float = 5, **options):
    return checks.probe(proto, "127.0.0.1", port, Check(path="/up", timeout=timeout), **options)


def test_a_real_service():
    with service() as up:
        before = time.time()
        reading = probe(up.port)
        assert (reading.ok, reading.output, up.asked) == (True, "200 OK", ["/up"])
        assert before <= reading.at <= time.time()
        up.status = 500
        assert probe(up.port).output == "500 Internal Server Error"
    assert probe(up.port).output == "connection refused"


@contextlib.contextmanager
def scripted(serve):
    """A listener whose one connection is handed to ``serve``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept():
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


def silent(connection):
    connection.recv(65536)
    connection.recv(65536)  # until the other side gives up


def dripping(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 10)
        time.sleep(0.0005)


def endless(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)


def test_who_never_answers_is_given_up_on():
    with scripted(silent) as port:
        reading = probe(port, timeout=0.2)
    assert (reading.ok, reading.output) == (False, "timed out after 0.2 s")


def test_who_keeps_the_connection_open_is_not_waited_for():
    with scripted(lambda connection: (connection.sendall(UP), silent(connection))) as port:
        assert probe(port).ok


def test_endless_answers_are_cut():
    with scripted(endless) as port:
        assert probe(port).output == "200 OK"
    with scripted(dripping) as port:
        assert probe(port, timeout=20).output == "answered in more than 256 pieces"


def test_tls_is_verified_when_asked(tmp_path):
    with scripted(tls(tmp_path)) as port:
        assert probe(port, "https").output == "200 OK"
    with scripted(tls(tmp_path)) as port:
        reading = probe(port, "https", verify_tls=True)
    assert (reading.ok, reading.output) == (False, "certificate refused: self-signed certificate")


def test_tls_spoken_to_plain_http_fails():
    with scripted(lambda connection: (connection.recv(65536), connection.sendall(UP))) as port:
        reading = probe(port, "https")
    assert not reading.ok
    assert reading.output.startswith("TLS failed: ")


def tls(folder):
    """Answers UP without a length, and closes without TLS's goodbye, as many servers do."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    pem = folder / "tls.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    def serve(connection):
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(65536)
            secured.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello")

    return serve


@pytest.mark.parametrize(
    ("answer", "check", "expected"),
    [
        (b"HTTP/1.1 404 No\r\n\r\n", Check(status=(404,)), (True, "404 Not Found")),
        (UP, Check(status=(204, 404)), (False, "200 OK")),
        (UP, Check(body='"up"'), (True, "200 OK")),
        (UP, Check(body="down"), (False, "the body has no 'down'")),
        (UP, Check(body_pattern="^.{5}: t"), (True, "200 OK")),
        (UP, Check(body_pattern="x+"), (False, "nothing in the body matches 'x+'")),
        ("HTTP/1.1 200 OK\r\n\r\ngrüßt".encode(), Check(body="ü", body_pattern="r.ßt$"), (True, "200 OK")),
        (
            b"HTTP/1.1 200 OK\r\n\r\n\xff\xfe",
            Check(body_pattern="a"),
            (False, "nothing in the body matches 'a'"),
        ),
        (b"HTTP/1.1 500 No\r\n\r\n" + DOWN, Check(status=(500,)), (False, 'answered {"up": false}')),
    ],
)
def test_what_a_check_looks_for(answer, check, expected):
    assert http.judge_answer(answer, True, check) == expected


def test_a_connection_is_enough_for_tcp():
    with scripted(silent) as port:
        assert checks.probe("http", "127.0.0.1", port, Check(kind=Kind.TCP)).output == "connected"
    reading = checks.probe("http", "127.0.0.1", port, Check(kind=Kind.TCP))
    assert (reading.ok, reading.output) == (False, "connection refused")


def test_no_port_is_kept_after_a_check():
    """Closed politely, 28,000 checks a minute would be all that this host could make of one address."""
    with service() as up:
        assert probe(up.port).ok
        lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()
        time_wait = [line for line in lines if f":{up.port:04X}" in line and line.split()[3] == "06"]
    assert time_wait == []


def test_grpc_health():
    servicer = health.HealthServicer()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    check = Check(kind=Kind.GRPC, service="books")
    seen = [checks.probe("http", "127.0.0.1", port, check)]
    for state in (health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING):
        servicer.set("books", state)
        seen.append(checks.probe("http", "127.0.0.1", port, check))
    server.stop(None).wait()
    assert [(r.ok, r.output) for r in seen] == [
        (False, "NOT_FOUND: "),
        (True, "SERVING"),
        (False, "NOT_SERVING"),
    ]
    assert checks.probe("http", "127.0.0.1", port, check).output.startswith("UNAVAILABLE: ")


def test_a_name_is_guarded_where_it_leads(tmp_path):
    """Whatever it pointed to when it was registered."""
    conf = configuration(tmp_path)
    with service() as up:
        for allowed, blocked, expected in (
            ("127.0.0.0/8", "10.0.0.0/8", "200 OK"),
            (
                "10.0.0.0/8",
                "10.0.0.0/8",
                "localhost is 127.0.0.1, which is not in [registry] allowed_networks",
            ),
            ("127.0.0.0/8", "127.0.0.1/32", "localhost is in 127.0.0.1/32 of [registry] blocked_networks"),
        ):
            conf.set_override("allowed_networks", [allowed], "registry")
            conf.set_override("blocked_networks", [blocked], "registry")
            check = Check(path="/up")
            reading = checks.probe("http", "localhost", up.port, check, guarded=guard.Guard(conf))
            assert (reading.ok, reading.output) == (expected == "200 OK", expected)
        assert up.asked == ["/up"]
