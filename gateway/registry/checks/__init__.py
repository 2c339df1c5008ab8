"""One health check of an instance: over HTTP, by a TCP connection, or by gRPC's own health service.

Nothing is followed, pooled or retried; a host name is resolved once, and the address that the guard let pass
is the one that is connected to. Whoever answers may mean harm: what is read, parsed and kept is bounded in
bytes, pieces and time.
"""

import asyncio
import errno
import os
import socket
import ssl
import time

from gateway.registry import guard
from gateway.registry.checks import grpc, http, tcp
from gateway.registry.model import Check, Kind, Reading

MAX_OUTPUT = 4096

#: Faults of this host, which say nothing of the instance.
_OURS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL)


def probe(
    proto: str,
    host: str,
    port: int,
    check: Check,
    verify_tls: bool = False,
    guarded: guard.Guard | None = None,
) -> Reading:
    """One check from a thread that runs no event loop; takes at most ``check.timeout`` seconds. ``guarded``:
    what lets an address pass; None where the caller knows whose it is.

    Raises OSError for a fault of this host's own, ValueError for a kind that is not checked from here."""
    return asyncio.run(read(proto, host, port, check, verify_tls, guarded))


async def read(
    proto: str,
    host: str,
    port: int,
    check: Check,
    verify_tls: bool = False,
    guarded: guard.Guard | None = None,
) -> Reading:
    """``probe`` for the monitor, on its loop."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(check.timeout):
            address = await guard.address(host, guarded)
            ok, output = await _verdict(proto, host, address, port, check, verify_tls)
    except guard.Refused as refused:
        ok, output = False, str(refused)
    except OSError as error:
        if error.errno in _OURS:
            raise
        ok, output = False, _failure(error, check.timeout)
    return Reading(ok, output[:MAX_OUTPUT], time.time(), time.monotonic() - began)


async def _verdict(
    proto: str, host: str, address: str, port: int, check: Check, verify_tls: bool
) -> tuple[bool, str]:
    match check.kind or proto:
        case Kind.HTTP | Kind.HTTPS as kind:
            return await http.exchange(kind, host, address, port, check, verify_tls)
        case Kind.TCP:
            return await tcp.connect(address, port)
        case Kind.GRPC:
            return await grpc.ask(proto == "https", host, address, port, check)
        case kind:
            raise ValueError(f"{kind} is not a check that connects to an instance")


def _failure(error: OSError, timeout: float) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, socket.gaierror):
        return f"the host's name is not known: {error.strerror}"
    if error.errno:
        return os.strerror(error.errno).lower()
    if isinstance(error, TimeoutError):
        return f"timed out after {timeout:g} s"
    return str(error).lower() or "closed the connection without an answer"
