"""One health check over HTTP: what is asked, and how the answer is judged.

A request is written by hand to an asyncio Protocol: a health check needs so little of HTTP that a client
library is most of its cost (benchmarks/health_checks.py).
"""

import asyncio
import functools
import http
import importlib.metadata
import json
import ssl

import re2

from gateway.registry.checks import tcp
from gateway.registry.model import Check

MAX_ANSWER = 64 * 1024  # bytes of head and body that are read
_MAX_HEAD = 16 * 1024  # bytes
_MAX_PIECES = 256  # reads of one answer: each is judged from its start
_MAX_INTERIM = 5  # answers 1xx before the real one
_MAX_SEARCHED = 16 * 1024  # bytes of the body in which a pattern is looked for
_MAX_PATTERN = 128 * 1024  # bytes of RE2's program: what its cost grows with
_PATIENCE = 0.5  # seconds for the other side's goodbye under TLS

_USER_AGENT = f"gateway/{importlib.metadata.version('gateway')}"

Verdict = tuple[bool, str]


async def exchange(proto: str, host: str, address: str, port: int, check: Check, verify_tls: bool) -> Verdict:
    """Asks ``address``; ``host`` is what the request and TLS call it. Raises OSError."""
    loop = asyncio.get_running_loop()
    verdict = loop.create_future()
    tls = {}
    if proto == "https":
        tls = {"ssl": _tls(verify_tls), "ssl_shutdown_timeout": _PATIENCE, "server_hostname": host}
    asked = request(proto, host, port, check.path)
    transport, _ = await loop.create_connection(
        lambda: _Exchange(asked, check, verdict), address, port, **tls
    )
    try:
        return await verdict
    finally:
        tcp.reset(transport)  # all is written and read; a TLS goodbye would hold the socket


class _Exchange(asyncio.Protocol):
    """One request, and ``verdict`` as soon as enough of its answer is there."""

    def __init__(self, asked: bytes, check: Check, verdict: asyncio.Future[Verdict]):
        self._asked = asked
        self._check = check
        self._verdict = verdict
        self._answer = b""
        self._pieces = 0

    def connection_made(self, transport: asyncio.Transport) -> None:
        transport.write(self._asked)

    def data_received(self, data: bytes) -> None:
        self._pieces += 1
        self._answer += data[: MAX_ANSWER - len(self._answer)]
        self._judge(ended=len(self._answer) >= MAX_ANSWER)
        if self._pieces >= _MAX_PIECES and not self._verdict.done():
            self._verdict.set_result((False, f"answered in more than {_MAX_PIECES} pieces"))

    def eof_received(self) -> None:
        self._judge(ended=True)

    def connection_lost(self, error: Exception | None) -> None:
        if isinstance(error, OSError) and not self._verdict.done():
            self._verdict.set_exception(error)
        self._judge(ended=True)

    def _judge(self, ended: bool) -> None:
        verdict = None if self._verdict.done() else judge_answer(self._answer, ended, self._check)
        if verdict is not None:
            self._verdict.set_result(verdict)


@functools.cache
def _tls(verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@functools.lru_cache(65536)
def request(proto: str, host: str, port: int, path: str) -> bytes:
    """``path`` holds printable ASCII only (``model.PATH_PATTERN``)."""
    name = f"[{host}]" if ":" in host else host
    place = name if port == {"http": 80, "https": 443}[proto] else f"{name}:{port}"
    return (
        f"GET {path} HTTP/1.1\r\nHost: {place}\r\nUser-Agent: {_USER_AGENT}\r\n"
        "Accept: */*\r\nConnection: close\r\n\r\n"
    ).encode("ascii")


@functools.lru_cache(4096)
def pattern(text: str) -> re2._Regexp:
    """In time that grows with the body's length alone, whatever is written. Raises ValueError."""
    options = re2.Options()
    options.max_mem, options.never_capture, options.log_errors = _MAX_PATTERN, True, False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0]
        raise ValueError(reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason) from None


def judge_answer(answer: bytes, ended: bool, check: Check, interim: int = 0) -> Verdict | None:
    """Whether the answer so far passes, and what was seen; None: more of it must be read.

    2xx passes, or what ``check.status`` names; the body must hold what the check looks for, and be no JSON
    object with ``"up": false``. ``ended``: nothing more will come.
    """
    head, gap, body = answer.partition(b"\r\n\r\n")
    if len(head) > _MAX_HEAD or interim > _MAX_INTERIM:
        return False, "answered with too long a head"
    if not gap:
        return _headless(answer) if ended else None
    status, reason, headers = _parsed(head)
    if status is None:
        return _headless(answer)
    if status < 200:  # an interim answer; the real one follows
        return judge_answer(body, ended, check, interim + 1)
    if not (status in check.status if check.status else 200 <= status < 300):
        return False, _status_line(status, reason)
    content = b"" if status in (204, 205) else _content(headers, body, ended)
    if content is None:
        return None
    missing = _missing(content, check)
    return missing is None, missing or _status_line(status, reason)


def _missing(content: bytes, check: Check) -> str | None:
    """What is wrong with the body."""
    if _says_down(content):
        return 'answered {"up": false}'
    if check.body and check.body.encode() not in content:
        return f"the body has no {check.body!r}"
    if check.body_pattern and not pattern(check.body_pattern).search(content[:_MAX_SEARCHED]):
        return f"nothing in the body matches {check.body_pattern!r}"
    return None


def _headless(answer: bytes) -> Verdict:
    if not answer:
        return False, "closed the connection without an answer"
    start = answer[:80].decode("ascii", "replace")
    return False, f"not an HTTP answer: {start!r}"


def _parsed(head: bytes) -> tuple[int | None, str, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    code, _, reason = rest.partition(" ")
    if not (version.startswith("HTTP/1.") and code.isascii() and code.isdigit() and len(code) == 3):
        return None, "", {}
    fields = (line.partition(":") for line in lines)
    return int(code), reason, {name.strip().lower(): value.strip() for name, _, value in fields}


def _status_line(status: int, reason: str) -> str:
    try:
        return f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        printable = "".join(c for c in reason if c.isprintable())
        return f"{status} {printable}".strip()


def _content(headers: dict[str, str], body: bytes, ended: bool) -> bytes | None:
    """The body so far when it is whole, or all that there will be; None while more is to come."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        content, whole = _dechunked(body)
        return content if whole or ended else None
    length = headers.get("content-length", "")[:20]
    if length.isascii() and length.isdigit() and len(body) >= int(length):
        return body[: int(length)]
    return body if ended else None


def _dechunked(body: bytes) -> tuple[bytes, bool]:
    """What the chunks so far hold, and whether the last one was among them."""
    parts = []
    while True:
        size_line, gap, rest = body.partition(b"\r\n")
        try:
            size = int(size_line.split(b";")[0], 16)
        except ValueError:
            return b"".join(parts), False
        if not gap or size < 0 or size == 0:
            return b"".join(parts), bool(gap) and size == 0
        parts.append(rest[:size])
        body = rest[size + 2 :]


def _says_down(content: bytes) -> bool:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and value.get("up") is False
