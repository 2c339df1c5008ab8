"""A socket that processes hand on to each other."""

import multiprocessing
import socket
import time
import types

from gateway import serving

_FORK = multiprocessing.get_context("fork")
_PATIENCE = 30  # seconds
_REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"


def _application(said: bytes):
    def serve(environ, start_response):
        start_response("200 OK", [("Content-Length", str(len(said)))])
        return [said]

    return lambda parts: serve


def _serve(listener, said: bytes, end) -> None:
    server = serving.Server(serving.Site(_application(said), listener))
    api = types.SimpleNamespace(threads=2, max_waiters=2)
    server.start(types.SimpleNamespace(conf=types.SimpleNamespace(api=api)))
    end.wait(_PATIENCE)
    server.stop()
    assert server.drained.wait(_PATIENCE)


def _answer(connection: socket.socket) -> bytes:
    connection.sendall(_REQUEST)
    with connection.makefile("rb") as file:
        return file.read().rpartition(b"\r\n")[2]


def _connected(address: tuple[str, int]) -> socket.socket:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return socket.create_connection(address, _PATIENCE)
        except ConnectionRefusedError:  # none listens yet
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_who_connects_just_before_a_process_ends_is_answered_by_the_next():
    listener = serving.listener("127.0.0.1", 0)
    with socket.socket(fileno=listener.get_fd()) as listening:
        address = listening.getsockname()
        listening.detach()
    (first, ends), (second, later) = (
        (_FORK.Process(target=_serve, args=(listener, said, end)), end)
        for said, end in ((b"1", _FORK.Event()), (b"2", _FORK.Event()))
    )
    first.start()
    with _connected(address) as asked, _connected(address) as waiting:
        assert _answer(asked) == b"1"
        ends.set()
        first.join(_PATIENCE)
        second.start()
        assert _answer(waiting) == b"2"
    later.set()
    second.join(_PATIENCE)
    assert (first.exitcode, second.exitcode) == (0, 0)
