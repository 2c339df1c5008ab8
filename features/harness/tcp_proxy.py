"""A proxy in front of a server that may be away, or whose answers get lost or wait from some moment on."""

import contextlib
import socket
import threading

_HELD = 300  # seconds at most


class Proxy:
    def __init__(self, port: int, address: str = "127.0.0.1"):
        """In front of that port of 127.0.0.1, on ``address``."""
        self._behind, self._address = port, address
        self._lost_after: bytes | None = None
        self._through: threading.Event | None = None  # set: what waits comes through
        self.has_lost = threading.Event()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server((address, 0))
        self.port = self._listener.getsockname()[1]
        self._accept_in_thread()

    def lose_answers_after(self, text: bytes) -> None:
        """The server gets what contains ``text``, and what it answers then gets lost."""
        self.has_lost.clear()
        self._lost_after = text

    def hold_answers_after(self, text: bytes) -> None:
        """As ``lose_answers_after``, but they come through in the end."""
        self._through = threading.Event()
        self.lose_answers_after(text)

    def mend(self) -> None:
        self._lost_after = None
        if self._through is not None:
            self._through.set()

    def go_away(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def come_back(self) -> None:
        self._listener = socket.create_server((self._address, self.port))
        self._accept_in_thread()

    def _accept_in_thread(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # it has gone away
                return
            server = socket.create_connection(("127.0.0.1", self._behind))
            self._open += [client, server]
            lost = threading.Event()
            for source, sink, forward in ((client, server, self._asked), (server, client, self._answered)):
                threading.Thread(target=_pump, args=(source, sink, forward, lost), daemon=True).start()

    def _asked(self, data: bytes, lost: threading.Event) -> bool:
        if self._lost_after is not None and self._lost_after in data:
            lost.set()
            self.has_lost.set()
        return True

    def _answered(self, _data: bytes, lost: threading.Event) -> bool:
        return not lost.is_set() or (self._through is not None and self._through.wait(_HELD))


def _pump(source: socket.socket, sink: socket.socket, forward, lost: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            if forward(data, lost):
                sink.sendall(data)
    for each in (source, sink):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
