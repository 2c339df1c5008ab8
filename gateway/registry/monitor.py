"""Checks every registered instance of every project, again and again, on one event loop."""

import asyncio
import collections
import concurrent.futures
import logging
import random
import threading
from collections.abc import Awaitable, Callable

from oslo_config import cfg

from gateway.registry import checks
from gateway.registry.model import Instance, Key, Reading
from gateway.registry.registry import Registry
from gateway.registry.snapshot import View

LOG = logging.getLogger(__name__)

_MAX_WAITING = 100_000  # readings that wait for a slow database; the oldest are dropped beyond
_RECORD_EVERY = 0.05  # seconds; what was read meanwhile is recorded in one go
_RETRY_AFTER = 1.0  # seconds, after an error
_NOTICE_STOP = 0.1  # seconds
_FORGET_EVERY = 60.0  # seconds between looks for changes that need not be kept
_RENEW_EVERY = 10.0  # seconds between looks for signatures that grow old

Tunnelled = Callable[[Instance], Awaitable[Reading]]


class Monitor:
    """``run`` blocks its thread. The database is only touched in a thread of its own: a slow one delays the
    readings, not the checks."""

    def __init__(self, conf: cfg.ConfigOpts, registry: Registry, tunnelled: Tunnelled | None = None):
        """``tunnelled`` makes the checks that say so; None: there are none."""
        self._conf = conf
        self._registry = registry
        self._tunnelled = tunnelled

    def run(self, stop: threading.Event) -> None:
        """Checks until ``stop`` is set, and returns within about a second of that."""
        asyncio.run(_Round(self._conf, self._registry, self._tunnelled).run(stop))


class _Round:
    """What one ``run`` has under way: a task for each instance, so that no two checks of one ever overlap."""

    def __init__(self, conf: cfg.ConfigOpts, registry: Registry, tunnelled: Tunnelled | None):
        self._conf = conf.monitor
        self._registry = registry
        self._tunnelled = tunnelled
        self._slots = asyncio.Semaphore(conf.monitor.max_checks)
        self._watches: dict[Key, tuple[Instance, asyncio.Task]] = {}
        self._followed: View | None = None
        self._readings: collections.deque[tuple[Key, Reading]] = collections.deque(maxlen=_MAX_WAITING)
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "monitor-database")

    async def run(self, stop: threading.Event) -> None:
        ours = [
            asyncio.create_task(self._again(self._follow, self._conf.refresh_interval)),
            asyncio.create_task(self._again(self._record, _RECORD_EVERY)),
            asyncio.create_task(self._again(self._renew, _RENEW_EVERY)),
            asyncio.create_task(self._again(self._forget, _FORGET_EVERY)),
        ]
        while not stop.is_set():
            await asyncio.sleep(_NOTICE_STOP)
        tasks = [*ours, *(task for _, task in self._watches.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _again(self, work: Callable, pause: float) -> None:
        """Does ``work`` for ever; an error is told once, and again when it is another."""
        told = None
        while True:
            try:
                await work()
                told = None
                await asyncio.sleep(pause)
            except Exception as error:
                if repr(error) != told:
                    LOG.exception("The monitor goes on after an error")
                told = repr(error)
                await asyncio.sleep(_RETRY_AFTER)

    async def _in_thread(self, work: Callable, *arguments):
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def _follow(self) -> None:
        """Brings the watches in line with what is registered."""
        view = await self._in_thread(self._registry.view)
        if view is self._followed:
            return
        instances = {instance.key: instance for instance in view.instances()}
        for key, (watched, task) in list(self._watches.items()):
            now = instances.get(key)
            if now is None or _target(now) != _target(watched):
                task.cancel()
                del self._watches[key]
        for key, instance in instances.items():
            if key not in self._watches:
                self._watches[key] = instance, asyncio.create_task(self._watch(instance))
        self._followed = view

    async def _watch(self, instance: Instance) -> None:
        """One check after the other, ``interval`` apart from start to start; the first at a random point of
        the interval, so that instances registered together are not checked together."""
        interval = instance.check.interval
        clock = asyncio.get_running_loop().time
        due = clock() + random.uniform(0, interval)  # noqa: S311 (spreads load, guards nothing)
        while True:
            await asyncio.sleep(due - clock())
            async with self._slots:
                await self._check(instance)
            due = max(due + interval, clock())

    async def _check(self, instance: Instance) -> None:
        try:
            reading = await self._read(instance)
        except Exception:  # a fault of ours: nothing is said of the instance
            LOG.exception("Could not check %s", instance.name)
            return
        self._readings.append((instance.key, reading))

    async def _read(self, instance: Instance) -> Reading:
        if instance.check.tunnel:
            return await self._tunnelled(instance)
        place = (instance.proto, instance.host, instance.port)
        return await checks.read(*place, instance.check, self._conf.verify_tls)

    async def _forget(self) -> None:
        await asyncio.to_thread(self._registry.forget_changes)

    async def _renew(self) -> None:
        await asyncio.to_thread(self._registry.renew_signatures)  # beside the readings, which do not wait

    async def _record(self) -> None:
        waiting = list(self._readings)
        if not waiting:
            return
        self._readings.clear()
        try:
            await self._in_thread(self._registry.record_all, waiting)
        except Exception:
            newer = list(self._readings)
            self._readings.clear()
            self._readings.extend([*waiting, *newer])
            raise


def _target(instance: Instance) -> tuple:
    """What a watch depends on; ``created_at`` tells an instance from an earlier one of the same name."""
    return (instance.proto, instance.host, instance.port, instance.check, instance.created_at)
