"""What servers do not say of themselves and hardly changes: the ids of flavors, the names of images."""

import collections
import threading
import time
from collections.abc import Callable, Hashable
from typing import Any


class Names:
    """Remembers values for ``lifetime`` seconds, at most ``size`` of them. Threads may share it.

    Keys start with the project's id: what one project may see another may not."""

    def __init__(self, lifetime: float = 60, size: int = 10_000, clock: Callable[[], float] = time.monotonic):
        self._lifetime = lifetime
        self._size = size
        self._clock = clock
        self._lock = threading.Lock()
        self._known: collections.OrderedDict[Hashable, tuple[float, Any]] = collections.OrderedDict()

    def get(self, key: Hashable, default: Any = None) -> Any:
        with self._lock:
            until, value = self._known.get(key, (0, default))
            return value if self._clock() < until else default

    def put(self, key: Hashable, value: Any) -> None:
        with self._lock:
            self._known.pop(key, None)
            self._known[key] = (self._clock() + self._lifetime, value)
            while len(self._known) > self._size:
                self._known.popitem(last=False)
