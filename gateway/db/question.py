"""Questions to the database by those who cannot wait for it."""

import concurrent.futures
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

_Answer = TypeVar("_Answer")


class Question(Generic[_Answer]):
    """``ask`` is called in a thread of its own, since drivers wait as long as they like; where one hangs yet,
    that is waited for in place of another one. Threads share it."""

    def __init__(self, ask: Callable[[], _Answer], timeout: float):
        self._ask, self._timeout = ask, timeout
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "question")
        self._asked: concurrent.futures.Future[_Answer] | None = None
        self._lock = threading.Lock()

    def answer(self) -> _Answer:
        """Raises TimeoutError after ``timeout`` seconds, and what ``ask`` raises."""
        with self._lock:
            if self._asked is None or self._asked.done():
                self._asked = self._thread.submit(self._ask)
            asked = self._asked
        return asked.result(self._timeout)
