"""What the tests of the registry share: its parts on a real SQLite file, and real services to register."""

import contextlib
import http.server
import pathlib
import threading
import time
import weakref
from collections.abc import Iterator, Sequence

from gateway import conf as options
from gateway import vault
from gateway.db import Database, schema
from gateway.registry import brake
from gateway.registry.ledger import Ledger
from gateway.registry.model import Key, Reading
from gateway.registry.registry import Registry
from gateway.registry.signature import Signer
from gateway.registry.store import RegistryStore
from gateway.tests import databases


def configuration(folder: pathlib.Path, files: Sequence[pathlib.Path] = (), **registry):
    """Loopback is allowed here: that is where the tests' services are."""
    conf = databases.of_the_folder(options.load(["--state_path", str(folder)], [str(file) for file in files]))
    conf.set_override("allowed_networks", ["127.0.0.0/8", "10.0.0.0/8", "fd00::/8"], "registry")
    conf.set_override("blocked_networks", ["127.0.0.2/32"], "registry")
    for name, value in registry.items():
        conf.set_override(name, value, "registry")
    return conf


def registry(conf) -> Registry:
    """As one more process would make it."""
    database = Database(conf)
    schema.upgrade(database)
    signer = Signer(conf, vault.opened(conf), database)
    return Registry(conf, RegistryStore(database), signer)


_ledgers: weakref.WeakKeyDictionary[Registry, Ledger] = weakref.WeakKeyDictionary()
_RULE = brake.Rule(share=0.5, minimum=1000, window=60, patience=600)


def record(registry: Registry, key: Key, *readings: Reading) -> None:
    """As the monitor does that works with this registry."""
    ledger = _ledgers.get(registry) or _ledgers.setdefault(registry, Ledger(registry, _RULE))
    ledger.record([(key, reading) for reading in readings])


class Service:
    """An HTTP server on 127.0.0.1 that answers GET with ``status`` and ``body``, after ``delay``. They may be
    changed."""

    def __init__(self, port: int = 0):
        self.status, self.body = 200, b'{"up": true}'
        self.delay = 0.0  # seconds
        self.asked: list[str] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self):
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                service.asked.append(self.path)
                time.sleep(service.delay)
                self.send_response(service.status)
                self.send_header("Content-Length", str(len(service.body)))
                self.end_headers()
                self.wfile.write(service.body)

            def log_message(self, *_):
                pass

        return Handler


@contextlib.contextmanager
def service(port: int = 0) -> Iterator[Service]:
    made = Service(port)
    try:
        yield made
    finally:
        made.stop()
