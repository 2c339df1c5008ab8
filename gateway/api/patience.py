"""Calls that wait for what the role engine does."""

import threading
import time
from collections.abc import Callable
from typing import Any

from oslo_config import cfg

_LOOK = 0.05  # seconds between looks whether it is done


class Patience:
    """Make one per process. Half of its threads at most wait at the same time: a provider that hangs must not
    take all."""

    def __init__(self, conf: cfg.ConfigOpts):
        self._timeout = conf.broker.answer_timeout
        self._places = threading.BoundedSemaphore(max(1, conf.api.threads // 2))

    def until(
        self, look: Callable[[], Any], is_done: Callable[[Any], bool], timeout: float | None = None
    ) -> Any:
        """What ``look`` found last; ``timeout`` in seconds, where it is to be less than [broker]
        answer_timeout."""
        deadline = time.monotonic() + min(self._timeout, self._timeout if timeout is None else timeout)
        if not self._places.acquire(blocking=False):
            return look()
        try:
            while not is_done(found := look()) and time.monotonic() < deadline:
                time.sleep(_LOOK)
            return found
        finally:
            self._places.release()
