"""What the engine's process does again and again, and when it tries again what failed."""

import contextlib
import threading
import time
from collections.abc import Callable, Collection

from oslo_log import log

from gateway import errors

LOG = log.getLogger(__name__)


_STILL = 1.0  # seconds


def every(
    seconds: float,
    stop: threading.Event,
    what: str,
    act: Callable[[], object],
    looking: Callable[[], contextlib.AbstractContextManager[bool]] = lambda: contextlib.nullcontext(True),
) -> None:
    """Calls ``act`` until ``stop`` is set, first when ``seconds`` are over; never where they are 0. While
    ``looking`` (``Commits.looking``) says that nothing is new it is called once a second only, for what time
    brings. When it raises, the log says that ``what`` failed, of what is unexpected once in a row, and it is
    called again."""
    failing: type | None = None
    looked_at = 0.0
    while seconds and not stop.wait(seconds):
        now = time.monotonic()
        try:
            with looking() as is_new:
                if is_new or now - looked_at >= _STILL:
                    act()
                    failing, looked_at = None, now
        except errors.GatewayError as error:
            LOG.warning("%s failed; trying again: %s", what, error.message)
        except Exception as error:
            if type(error) is not failing:
                LOG.exception("%s failed; trying again", what)
            failing = type(error)


class Retries:
    """When what has failed is tried again: in ``first`` seconds, and ever later from then on, up to ``most``.
    Threads share it; each thing is tried by one of them at a time."""

    def __init__(self, first: float, most: float):
        self._first, self._most = first, most
        self._waiting: dict[str, tuple[float, float]] = {}  # by id: until when, and for how long

    def is_due(self, id: str) -> bool:
        """Also what has not failed."""
        until, _ = self._waiting.get(id, (0.0, 0.0))
        return time.monotonic() >= until

    def failed(self, id: str) -> float:
        """Returns the seconds until it is due."""
        _, last = self._waiting.get(id, (0.0, 0.0))
        delay = min(last * 2, self._most) if last else self._first
        self._waiting[id] = time.monotonic() + delay, delay
        return delay

    def later(self, id: str, seconds: float) -> None:
        """It has not failed, and is due then."""
        self._waiting[id] = time.monotonic() + seconds, 0.0

    def forget(self, id: str) -> None:
        self._waiting.pop(id, None)

    def forget_all_but(self, ids: Collection[str]) -> None:
        for id in self._waiting.keys() - set(ids):
            self.forget(id)
