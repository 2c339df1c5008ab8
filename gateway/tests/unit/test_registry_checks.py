import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.registry import checks
from gateway.registry.model import Check
from gateway.tests.registered import service

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
    assert checks.judge_answer(answer, ended=True) == expected


def test_an_answer_is_judged_as_soon_as_it_is_whole():
    """However it is cut, and whether or not the other side closes."""
    chunked = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n{"up": false}\r\n0\r\n\r\n'
    for answer, last in ((UP, len(UP)), (chunked, len(chunked) - 2)):
        for end in range(len(answer)):
            assert (checks.judge_answer(answer[:end], ended=False) is None) == (end < last), end


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
    first, *headers = checks.request(*place, "/up?x=1").split(b"\r\n")
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
