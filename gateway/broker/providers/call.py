"""Calls of a provider over HTTP. Nothing is followed; the address that was judged is the one that is
connected to; what is read is bounded in bytes and in time."""

import asyncio
import dataclasses
import json
import socket
from collections.abc import Mapping
from typing import Any

import aiohttp
import aiohttp.abc

from gateway.broker.model import Binding, Pending, Service
from gateway.broker.providers.login import REFUSED, Login

_MOST_READ = 1024 * 1024  # bytes of an answer
_MOST_CREDENTIALS = 32 * 1024  # characters, as JSON
_MOST_TOLD = 256  # characters of what a provider says for itself
_SOONEST, _LATEST = 0.1, 60.0  # seconds until it is asked again
_TELLING = ("description", "message", "error")


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    body: Mapping[str, Any] | None  # None: what it says is no JSON object
    retry_after: float  # seconds

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def __str__(self) -> str:
        """What it says for itself, in one line."""
        told = next((text for name in _TELLING if isinstance(text := (self.body or {}).get(name), str)), "")
        printable = "".join(c if c.isprintable() else " " for c in told[:_MOST_TOLD])
        return f"it answered {self.status}" + (f": {printable}" if printable else "")


def call(
    login: Login,
    method: str,
    path: str = "",
    *,
    body: Mapping[str, Any] | None = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """``path`` follows the provider's URL. Raises Timeout, and ProviderError where there is no answer."""
    try:
        return asyncio.run(_call(login, method, path, json=body, params=query, headers=headers))
    except TimeoutError as error:
        raise login.late() from error
    except aiohttp.ClientConnectorCertificateError as error:
        raise login.unreachable(f"its certificate is refused, {error.certificate_error}") from error
    except aiohttp.ClientConnectorError as error:
        raise login.unreachable(error.os_error.strerror or error.os_error) from error
    except (aiohttp.ClientError, OSError) as error:
        raise login.unreachable(f"{type(error).__name__}, {error}") from error


async def _call(login: Login, method: str, path: str, **asked) -> Answer:
    connector = aiohttp.TCPConnector(
        resolver=_Pinned(login.address), use_dns_cache=False, force_close=True, ssl=login.tls()
    )
    manager = login.provider
    auth = aiohttp.BasicAuth(manager.username, manager.password, "utf-8") if manager.username else None
    async with (
        aiohttp.ClientSession(
            connector=connector,
            auth=auth,
            timeout=aiohttp.ClientTimeout(total=login.timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "gateway", "Accept": "application/json"},
        ) as session,
        session.request(method, manager.url.rstrip("/") + path, allow_redirects=False, **asked) as answer,
    ):
        read = b""
        while len(read) <= _MOST_READ and (piece := await answer.content.readany()):
            read += piece
        return Answer(answer.status, _object(read), _seconds(answer.headers.get("Retry-After", "")))


def _object(read: bytes) -> Mapping[str, Any] | None:
    try:
        value = json.loads(read) if len(read) <= _MOST_READ else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _seconds(retry_after: str) -> float:
    """The header's; a time of day is not looked at."""
    wanted = float(retry_after) if retry_after.isascii() and retry_after[:9].isdigit() else 1.0
    return min(max(wanted, _SOONEST), _LATEST)


class _Pinned(aiohttp.abc.AbstractResolver):
    def __init__(self, address: str):
        self._address = address

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> list[dict]:
        return [
            {
                "hostname": host,
                "host": self._address,
                "port": port,
                "family": socket.AF_INET6 if ":" in self._address else socket.AF_INET,
                "proto": socket.IPPROTO_TCP,
                "flags": socket.AI_NUMERICHOST,
            }
        ]

    async def close(self) -> None:
        pass


def credentials(login: Login, value: Any) -> Mapping[str, Any]:
    """Raises ProviderError for what are none."""
    if not isinstance(value, dict) or not value:
        raise login.nonsense("there are no credentials in its answer")
    if len(json.dumps(value)) > _MOST_CREDENTIALS:
        raise login.nonsense(f"its credentials are longer than {_MOST_CREDENTIALS} characters")
    return value


def not_there(login: Login, about: Service | Binding, now: float) -> None:
    """A provider says that there is no such thing. What it was asked for and did not answer in time it may
    yet be making: so it is asked to remove it again, once as long has passed again. Raises Pending."""
    was_answered = about.fault is not None and about.fault.code == REFUSED
    given_up = about.updated_at if isinstance(about, Service) else about.created_at + login.timeout
    if not was_answered and (left := given_up + login.timeout - now) > 0:
        raise Pending(about, None, left)
