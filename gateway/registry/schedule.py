"""When each instance is checked next, on one event loop: a timer each, and a task only during its check."""

import asyncio
import collections
import random
import resource
from collections.abc import Awaitable, Callable

from gateway.registry.model import Instance, Key, Kind

_EARLY = 0.05  # share of the interval that a check may come early: late, a death would be seen late


class _Watch:
    __slots__ = ("due", "instance", "task", "timer")

    def __init__(self, instance: Instance, due: float):
        self.instance = instance
        self.due = due
        self.timer: asyncio.TimerHandle | None = None
        self.task: asyncio.Task | None = None


class Schedule:
    """Calls ``check`` for each instance once an interval, from start to start; never twice at once for the
    same, nor for more than ``most`` at once: those that come due then wait for their turn."""

    def __init__(self, check: Callable[[Instance], Awaitable[None]], most: int):
        self._check = check
        self._most = most
        self._watches: dict[Key, _Watch] = {}
        self._waiting: collections.deque[_Watch] = collections.deque()
        self._running = 0
        self._loop = asyncio.get_running_loop()

    def watch(self, instance: Instance) -> None:
        """The first check comes at a random point of the interval, so that instances registered together are
        not checked together; what reports by itself has a whole interval for its first word."""
        self.leave(instance.key)
        spread = 1.0 if instance.check.kind is Kind.TTL else random.random()  # noqa: S311 (no secret)
        watch = _Watch(instance, self._loop.time() + spread * instance.check.interval)
        self._watches[instance.key] = watch
        self._set(watch)

    def leave(self, key: Key) -> None:
        watch = self._watches.pop(key, None)
        if watch is not None:
            watch.timer.cancel()
            if watch.task is not None:
                watch.task.cancel()

    def put_off(self, key: Key, seconds: float) -> None:
        """The next check comes in so many seconds, not before."""
        watch = self._watches.get(key)
        if watch is not None and watch.task is None:
            watch.timer.cancel()
            watch.due = self._loop.time() + seconds
            self._set(watch)

    async def stop(self) -> None:
        tasks = [watch.task for watch in self._watches.values() if watch.task is not None]
        for key in list(self._watches):
            self.leave(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _set(self, watch: _Watch) -> None:
        watch.timer = self._loop.call_at(watch.due, self._come_due, watch)

    def _come_due(self, watch: _Watch) -> None:
        if self._running < self._most:
            self._start(watch)
        else:
            self._waiting.append(watch)

    def _start(self, watch: _Watch) -> None:
        self._running += 1
        watch.task = self._loop.create_task(self._check(watch.instance))
        watch.task.add_done_callback(lambda _task: self._end(watch))

    def _end(self, watch: _Watch) -> None:
        self._running -= 1
        watch.task = None
        if self._is_watched(watch):
            early = random.uniform(0, _EARLY)  # noqa: S311 (spreads load, guards nothing)
            watch.due = max(watch.due + watch.instance.check.interval * (1 - early), self._loop.time())
            self._set(watch)
        while self._waiting and self._running < self._most:
            following = self._waiting.popleft()
            if self._is_watched(following):
                self._start(following)

    def _is_watched(self, watch: _Watch) -> bool:
        return self._watches.get(watch.instance.key) is watch


def descriptors() -> int:
    """As many files as the system lets this process have: each check under way needs one."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1_000_000
