"""Which deployments the one engine of a machine has in hand right now: a lock on a file for each, which ends
with the process that holds it, however that ends. Several engines have ``gateway.deploy.jobboard``.
"""

import contextlib
import pathlib
from collections.abc import Collection, Iterator

import fasteners
from oslo_config import cfg

from gateway.deploy.claims import Claim
from gateway.deploy.store import DeploymentStore


class Working:
    def __init__(self, conf: cfg.ConfigOpts, store: DeploymentStore):
        self._folder = pathlib.Path(conf.state_path) / "working"
        self._store = store

    def take(self, unfinished: Collection[str], wanted: Collection[str], most: int) -> Iterator[Claim]:
        """All that is ``wanted``: those that are too many wait."""
        return (_Claim(id, self._folder / id, self._store) for id in wanted)

    def worked_on(self) -> set[str]:
        return {path.name for path in self._folder.glob("*") if _is_locked(path)}

    def close(self) -> None:
        """What is under way goes on until the process ends."""


class _Claim:
    def __init__(self, id: str, path: pathlib.Path, store: DeploymentStore):
        self.id = id
        self._path = path
        self._store = store

    @contextlib.contextmanager
    def held(self) -> Iterator[DeploymentStore]:
        """Waits for an engine that is ending."""
        with fasteners.InterProcessLock(self._path):
            try:
                yield self._store.taken(self.id)
            finally:
                self._path.unlink(missing_ok=True)

    def is_alive(self) -> bool:
        return True


def _is_locked(path: pathlib.Path) -> bool:
    lock = fasteners.InterProcessLock(path)
    try:
        return not lock.acquire(blocking=False)
    finally:
        if lock.acquired:
            lock.release()
