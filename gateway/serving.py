"""WSGI applications on sockets, by granian, inside a process that exists."""

import asyncio
import concurrent.futures
import logging
import os
import pathlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import NamedTuple

# Granian has no public way to do that; requirements.txt holds its version.
from granian._futures import _new_cbscheduler
from granian._granian import ListenerSpec, SocketHolder, WorkerSignal, WSGIWorker
from granian.http import HTTP1Settings, HTTP2Settings
from granian.wsgi import ResponseIterWrap, _callback_wrapper
from oslo_utils import netutils

from gateway.api.app import Parts
from gateway.api.fastpath import FastPath
from gateway.api.waiting import Stream

LOG = logging.getLogger(__name__)

_FIRST_REQUEST_WITHIN = 10  # seconds, about; a connection is taken without it then


class Tls(NamedTuple):
    """Files in PEM; the key is not encrypted."""

    cert_file: str
    key_file: str

    def check(self) -> "Tls":
        """Raises OSError for files that cannot be read or do not belong together."""
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*self)
        except OSError as error:  # of which ssl's own are, without the name
            raise OSError(f"certificate {self.cert_file}, key {self.key_file}: {error}") from error
        return self


class Site(NamedTuple):
    """``application`` is made in the process that serves it."""

    application: Callable[[Parts], Callable]
    listener: SocketHolder
    tls: Tls | None = None


class Server:
    """One site in one process."""

    def __init__(self, site: Site):
        self._site = site
        self._stop = WorkerSignal()
        self.drained = threading.Event()  # once every request under way is answered
        self._stop.add_cb(self.drained.set)

    def start(self, parts: Parts) -> None:
        """Returns at once; threads serve."""
        conf = parts.conf.api
        worker = WSGIWorker(
            1,  # worker id
            (None, self._site.listener),
            None,  # IPC, for metrics
            1,  # I/O threads
            16,  # their blocking threads
            conf.threads,
            30,  # idle seconds of a thread
            1024 + conf.max_waiters,  # backpressure: connections
            "auto",
            HTTP1Settings(),
            HTTP2Settings(),
            None,  # static files
            *_granian_tls(self._site.tls),
            (None, None),  # metrics
        )
        scheduler = _new_cbscheduler(
            loop := asyncio.new_event_loop(),
            _answering(self._site.application(parts), conf.max_waiters),
            impl_asyncio=True,
        )
        worker.serve_mtr(scheduler, loop, self._stop)

    def stop(self) -> None:
        """Drains and ends it; ``drained`` tells when."""
        self._stop.set()


def _answering(application: Callable, max_waiters: int) -> Callable:
    """What granian calls for each request. Its threads are for work: many more of them would all compete for
    the interpreter when many requests come at once. So what waits goes on in a thread of its own; those are
    kept, since to begin and to end a thousand at once takes longer than to answer them."""
    quick = isinstance(application, FastPath)
    whole = _callback_wrapper(application.pass_on if quick else application, {"url_path_prefix": None})
    waiters = concurrent.futures.ThreadPoolExecutor(max(1, max_waiters), "waiter")

    def answer(protocol, scope):
        found = application.answer(scope) if quick else None
        if found is None:
            whole(_Protocol(protocol, waiters), scope)
        else:
            protocol.response_bytes(200, *found)

    return answer


class _Protocol:
    """Granian's, by which an answer may be given after its thread has gone on to other requests."""

    def __init__(self, protocol, waiters: concurrent.futures.Executor):
        self._protocol = protocol
        self._waiters = waiters
        self.response_bytes = protocol.response_bytes

    def response_iter(self, status: int, headers: list[tuple[str, str]], body: ResponseIterWrap) -> None:
        if isinstance(body.inner, Stream):
            answered = self._waiters.submit(self._protocol.response_iter, status, headers, body)
            answered.add_done_callback(_tell_failure)
        else:
            self._protocol.response_iter(status, headers, body)


def _tell_failure(answered: concurrent.futures.Future) -> None:
    if answered.exception() is not None:
        LOG.error("An answer was broken off", exc_info=answered.exception())


def _granian_tls(tls: Tls | None) -> tuple:
    if tls is None:
        return (False, None, None, None, "tls1.3", None, [], False)
    cert_file, key_file = (str(pathlib.Path(file).resolve()) for file in tls)
    return (True, cert_file, key_file, None, "tls1.2", None, [], False)


def listener(host: str, port: int) -> SocketHolder:
    """Raises OSError: granian says that a port is taken by a RuntimeError with a Rust backtrace in it."""
    try:
        holder = ListenerSpec(host, port, 1024).build()
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise OSError(f"cannot listen on {host} port {port}: {reason}") from error
    _accept_requests(holder)
    return holder


def _accept_requests(holder: SocketHolder) -> None:
    """Lets a process take a connection only when its first request is there (tcp(7)). Granian closes, when it
    stops, those on which it has read nothing yet: their requests would be lost at every reload. What no
    process has taken, the next one answers."""
    with socket.socket(fileno=os.dup(holder.get_fd())) as listening:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, _FIRST_REQUEST_WITHIN)


def reserved(host: str, port: int) -> socket.socket:
    """Holds a port that several processes will listen on. Raises OSError when someone else does."""
    check_free(host, port)  # with the option a second gatewayd would be let in
    held = socket.socket(_family(host), socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind((host, port))
    return held


def check_free(host: str, port: int, kind: int = socket.SOCK_STREAM) -> None:
    """Raises OSError when somebody listens there."""
    with socket.socket(_family(host), kind) as tried:
        if kind == socket.SOCK_STREAM:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as error:
            raise OSError(f"cannot listen on {host} port {port}: {error.strerror}") from error


def _family(host: str) -> int:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def place(host: str, port: int) -> str:
    """127.0.0.1:8791, [::1]:8791"""
    return f"{netutils.escape_ipv6(host)}:{port}"
