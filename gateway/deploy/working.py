"""Which deployments the engine of this machine has in hand right now: a lock on a file for each, which ends
with the process that holds it, however that ends."""

import contextlib
import pathlib
from collections.abc import Iterator

import fasteners
from oslo_config import cfg


class Working:
    def __init__(self, conf: cfg.ConfigOpts):
        self._folder = pathlib.Path(conf.state_path) / "working"

    @contextlib.contextmanager
    def on(self, deployment_id: str) -> Iterator[None]:
        """While the engine works on it."""
        path = self._folder / deployment_id
        with fasteners.InterProcessLock(path):
            try:
                yield
            finally:
                path.unlink(missing_ok=True)

    def is_on(self, deployment_id: str) -> bool:
        path = self._folder / deployment_id
        if not path.exists():
            return False
        lock = fasteners.InterProcessLock(path)
        try:
            return not lock.acquire(blocking=False)
        finally:
            if lock.acquired:
                lock.release()
