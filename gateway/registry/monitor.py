"""Checks every registered instance of every project, again and again, on one event loop."""

import asyncio
import collections
import concurrent.futures
import dataclasses
import gc
import logging
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

import uvloop
from oslo_config import cfg

from gateway import metrics
from gateway.coordination import NOTHING, Coordination
from gateway.registry import brake, checks, guard
from gateway.registry.checks import tcp
from gateway.registry.ledger import Circumstances, Ledger
from gateway.registry.model import Instance, Key, Kind, Reading
from gateway.registry.registry import Registry
from gateway.registry.schedule import Schedule, descriptors
from gateway.registry.snapshot import ServiceType, View, touched

LOG = logging.getLogger(__name__)

_MAX_WAITING = 100_000  # readings that wait for a slow database; the oldest are dropped beyond
_RECORD_EVERY = 0.05  # seconds; what was read meanwhile is recorded in one go
_SETTLE_EVERY = 1.0
_KEEP_EVERY = 2.0  # seconds; the readings of that time are written together, for people to look at
_RETRY_AFTER = 1.0  # seconds, after an error
_SWITCH_EVERY = 0.0005  # seconds; a thread that judges would hold up each round of the loop
_COLLECT_AFTER = 10_000, 20, 100  # of 30,000 instances there is too much to look through again and again
_NOTICE_STOP = 0.1  # seconds
_FORGET_EVERY = 60.0  # seconds between looks for changes that need not be kept
_RENEW_EVERY = 10.0  # seconds between looks for signatures that grow old
_LATE = 0.5  # seconds that this process got nothing done: what timed out then may have answered
_STALLED = 5.0  # seconds that this process did nothing at all: the machine slept
_REFERENCE_TIMEOUT = 2.0  # seconds
_NOVA_INTERVAL = 10.0  # seconds between questions about the same server
_NOVA_BATCH = 1000  # instances asked about at once
_BEATS_AGAIN = 0.5  # seconds; heartbeats written later than another process's newer ones

#: A check that ``checks`` does not make. What it raises is a fault of ours: nothing is said of the instance.
Probe = Callable[[Instance], Awaitable[Reading]]
#: Nova's status of the instances' servers by key; None: there is no such server. What Nova does not tell is
#: left out.
Servers = Callable[[Sequence[Instance]], Mapping[Key, str | None]]


class Monitor:
    """``run`` blocks its thread. The database is only touched in threads of its own: a slow one delays the
    readings, not the checks. ``probes``: of checks that the registry cannot make, by their kinds,
    and ``tunnel``; ``servers``: asked about instances that fail, where they belong to a deployment;
    ``together``: with whom the instances are shared, by default with nobody."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        registry: Registry,
        probes: Mapping[str, Probe] | None = None,
        servers: Servers | None = None,
        together: Coordination | None = None,
    ):
        self._conf = conf
        self._registry = registry
        self._probes = probes or {}
        self._servers = servers
        self._together = together or Coordination(conf, "monitor")

    def run(self, stop: threading.Event) -> None:
        """Checks until ``stop`` is set, and returns within about a second of that."""
        sys.setswitchinterval(_SWITCH_EVERY)
        gc.set_threshold(*_COLLECT_AFTER)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._run(stop))

    async def _run(self, stop: threading.Event) -> None:
        await _Round(self._conf, self._registry, self._probes, self._servers, self._together).run(stop)


class _Round:
    """What one ``run`` has under way."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        registry: Registry,
        probes: Mapping[str, Probe],
        servers: Servers | None,
        together: Coordination,
    ):
        self._conf = conf.monitor
        self._together = together
        self._share = NOTHING
        self._guard = guard.Guard(conf)
        self._registry = registry
        self._probes = probes
        self._servers = servers
        self._schedule = Schedule(self._check, min(conf.monitor.max_checks, descriptors() - 100))
        self._followed: View | None = None
        self._readings: collections.deque[tuple[Key, Reading]] = collections.deque(maxlen=_MAX_WAITING)
        self._kept: collections.deque[tuple[Key, Reading]] = collections.deque(maxlen=_MAX_WAITING)
        self._gone: list[Key] = []
        self._slots_are_old = False
        self._swept = False
        self._late_at = 0.0
        self._beats: dict[Key, float] = {}  # when each reported last
        self._commits = registry.readings.commits()
        self._around = Circumstances(resumed_at=time.time())
        self._states: dict[Key, str] = {}  # of servers that do not run, as Nova says
        self._suspects: dict[Key, tuple[Instance, float]] = {}  # those that fail, and when to ask Nova next
        self._ledger: Ledger | None = None
        # judging, keeping, asking Nova: none waits for the other
        self._threads = {
            name: concurrent.futures.ThreadPoolExecutor(1, f"monitor-{name}")
            for name in ("judge", "keep", "nova")
        }

    async def run(self, stop: threading.Event) -> None:
        tasks = [asyncio.create_task(work) for work in self._works()]
        beat = time.monotonic()
        while not stop.is_set():
            await asyncio.sleep(_NOTICE_STOP)
            beat, before = time.monotonic(), beat
            if beat - before > _LATE:
                self._late_at = beat
            if beat - before > _STALLED:
                self._resume()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._schedule.stop()
        for thread in self._threads.values():
            thread.shutdown(wait=False, cancel_futures=True)

    def _works(self) -> Iterator:
        yield self._again(self._reshare, self._conf.refresh_interval)
        yield self._again(self._follow, self._conf.refresh_interval)
        yield self._again(self._record, _RECORD_EVERY)
        yield self._again(self._settle, _SETTLE_EVERY)
        yield self._again(self._keep, _KEEP_EVERY)
        yield self._again(self._renew, _RENEW_EVERY)
        yield self._again(self._forget, _FORGET_EVERY)
        if self._servers is not None:
            yield self._again(self._ask_nova, _SETTLE_EVERY)
        if self._conf.reference:
            yield self._again(self._look_at_reference, _SETTLE_EVERY)

    async def _again(self, work: Callable, pause: float) -> None:
        """Does ``work`` for ever; an error is told once, and again when it is another."""
        told, failed_at = None, 0.0
        while True:
            try:
                await work()
                if told and time.monotonic() - failed_at > self._conf.outage:
                    self._resume()
                told = None
                await asyncio.sleep(pause)
            except Exception as error:
                if told is None:
                    failed_at = time.monotonic()
                if repr(error) != told:
                    LOG.exception("The monitor goes on after an error")
                told = repr(error)
                await asyncio.sleep(_RETRY_AFTER)

    def _resume(self) -> None:
        LOG.warning("The monitor was cut off; failures count again after one interval")
        self._around = dataclasses.replace(self._around, resumed_at=time.time())

    async def _in_thread(self, name: str, work: Callable, *arguments):
        return await asyncio.get_running_loop().run_in_executor(self._threads[name], work, *arguments)

    # Whom to check

    async def _follow(self) -> None:
        """Brings the watches in line with what is registered, then takes the heartbeats."""
        with self._commits.looking() as is_new:
            view = await self._in_thread("judge", self._registry.view)
            if view is not self._followed:
                for before, after in touched(self._followed, view):
                    self._line_up(before, after)
                self._followed = view
            if is_new:
                await self._listen(view)

    async def _reshare(self) -> None:
        """Leaves to the others what is theirs now, and takes what was theirs. Who had nothing, since it was
        cut off or has just come, waits before it counts failures."""
        before, share = self._share, self._together.share()
        if share == before:
            return
        self._share = share
        if before == NOTHING:
            self._around = dataclasses.replace(self._around, resumed_at=time.time())
        if share == NOTHING:
            LOG.warning("This monitor may be thought dead by the others: it checks nothing until it is not")
        self._kept.clear()
        self._slots_are_old = True
        for instance in self._followed.instances() if self._followed is not None else ():
            was_own, is_own = instance.key.text in before, instance.key.text in share
            if was_own and not is_own:
                self._let_go(instance.key)
            elif is_own and not was_own:
                self._schedule.watch(instance)

    async def _listen(self, view: View) -> None:
        """Takes the heartbeats that came."""
        newest = max(self._beats.values(), default=0.0)
        beats = await self._in_thread("judge", self._registry.readings.beats, newest - _BEATS_AGAIN)
        for key, beat in beats:
            instance = view.instance(key)
            if instance is not None and max(self._beats.get(key, 0.0), instance.created_at) < beat.at:
                self._beats[key] = beat.at
                if key.text in self._share:
                    self._take_beat(instance, beat)

    def _line_up(self, before: ServiceType | None, after: ServiceType | None) -> None:
        watched = before.instances if before else {}
        wanted = after.instances if after else {}
        for ordinal, instance in watched.items():
            if ordinal not in wanted:
                self._leave(instance.key)
        for ordinal, instance in wanted.items():
            known = watched.get(ordinal)
            is_other = known is None or (known is not instance and _target(known) != _target(instance))
            if is_other and instance.key.text in self._share:
                self._schedule.watch(instance)

    def _leave(self, key: Key) -> None:
        self._let_go(key)
        self._beats.pop(key, None)
        self._gone.append(key)

    def _let_go(self, key: Key) -> None:
        self._schedule.leave(key)
        self._suspects.pop(key, None)
        self._states.pop(key, None)

    def _take_beat(self, instance: Instance, beat: Reading) -> None:
        """The next one is due an interval later, or that long after an outage of ours."""
        if beat.at >= self._around.resumed_at:
            self._take(instance, beat)
        due = max(beat.at, self._around.resumed_at) + instance.check.interval
        self._schedule.put_off(instance.key, max(0.0, due - time.time()))

    # Checking

    async def _check(self, instance: Instance) -> None:
        if not self._together.mine(instance.key.text):  # this process was stopped, perhaps, and goes on now
            return
        try:
            reading = await self._reading(instance)
        except Exception:  # a fault of ours: nothing is said of the instance
            LOG.exception("Could not check %s", instance.name)
            return
        kind = "tunnel" if instance.check.tunnel else instance.check.kind
        metrics.CHECKS.inc(kind, "ok" if reading.ok else "failed")
        metrics.CHECK_SECONDS.observe(reading.latency, kind)
        if reading.ok or not self._was_late(instance, reading):
            self._take(instance, reading)

    def _was_late(self, instance: Instance, reading: Reading) -> bool:
        """Whether it took so long because this process got nothing done meanwhile."""
        timed_out = reading.latency >= instance.check.timeout
        return timed_out and time.monotonic() - reading.latency - _NOTICE_STOP <= self._late_at

    async def _reading(self, instance: Instance) -> Reading:
        check = instance.check
        if check.kind is Kind.TTL:
            return Reading(False, f"no heartbeat for {check.interval:g} s", time.time())
        probe = self._probes.get("tunnel" if check.tunnel else check.kind)
        if probe is not None:
            return await probe(instance)
        place = (instance.proto, instance.host, instance.port)
        return await checks.read(*place, check, self._conf.verify_tls, self._guard)

    def _take(self, instance: Instance, reading: Reading) -> None:
        key = instance.key
        if reading.ok:
            self._suspects.pop(key, None)
            self._states.pop(key, None)
        elif instance.deployment_id and instance.server_id:
            self._suspects.setdefault(key, (instance, 0.0))
            state = self._states.get(key)
            if state is not None:
                output = f"{_not_running(state)} ({reading.output})"
                reading = dataclasses.replace(reading, output=output, certain=True)
        self._readings.append((key, reading))
        self._kept.append((key, reading))

    # What the readings come to

    async def _record(self) -> None:
        waiting = list(self._readings)
        if not waiting:
            return
        self._readings.clear()
        try:
            await self._in_thread("judge", self._judged().record, waiting, self._now())
        except Exception:
            newer = list(self._readings)
            self._readings.clear()
            self._readings.extend([*waiting, *newer])
            raise

    async def _settle(self) -> None:
        await self._in_thread("judge", self._judged().settle, self._now())

    def _judged(self) -> Ledger:
        if self._ledger is None:
            conf = self._conf
            rule = brake.Rule(conf.brake_share, conf.brake_minimum, conf.brake_window, conf.brake_patience)
            self._ledger = Ledger(self._registry, rule)
        return self._ledger

    def _now(self) -> Circumstances:
        share, alive = self._together.share(), lambda: self._together.alive
        return dataclasses.replace(self._around, certain=frozenset(self._states), share=share, alive=alive)

    async def _keep(self) -> None:
        """Drops what cannot be written: it is for people to look at, and newer ones come."""
        readings = self._registry.readings
        if self._followed is None:
            return
        if not self._swept:  # who was removed while no monitor ran
            known = await self._in_thread("keep", readings.known)
            self._gone += [key for key in known if self._followed.instance(key) is None]
            self._swept = True
        kept, gone = list(self._kept), self._gone
        self._kept.clear()
        self._gone = []
        if self._slots_are_old:
            readings.look_again()
            self._slots_are_old = False
        if kept:
            await self._in_thread("keep", readings.write, kept)
        if gone:
            await self._in_thread("keep", readings.forget, gone)

    async def _renew(self) -> None:
        if self._together.mine("renew_signatures"):
            await self._in_thread("keep", self._registry.renew_signatures)

    async def _forget(self) -> None:
        if self._together.mine("forget_changes"):
            await self._in_thread("keep", self._registry.forget_changes)

    # What else is asked

    async def _ask_nova(self) -> None:
        """About those that fail, a bounded number at a time, and of each not more than once an interval."""
        now = time.monotonic()
        asked = [instance for instance, at in self._suspects.values() if at <= now][:_NOVA_BATCH]
        for instance in asked:
            self._suspects[instance.key] = instance, now + _NOVA_INTERVAL
        if not asked:
            return
        states = await self._in_thread("nova", self._servers, asked)
        for instance in asked:
            if instance.key in states and instance.key in self._suspects:
                await self._believe(instance, states[instance.key])

    async def _believe(self, instance: Instance, state: str | None) -> None:
        if state is None:
            LOG.info("Removing %s: its server is gone from Nova", instance.name)
            await self._in_thread("judge", self._registry.deregister, *instance.key)
        elif state in _RUNNING:
            self._states.pop(instance.key, None)
        elif self._states.get(instance.key) != state:
            self._states[instance.key] = state
            reading = Reading(False, _not_running(state), time.time(), certain=True)
            self._readings.append((instance.key, reading))

    async def _look_at_reference(self) -> None:
        found = await asyncio.gather(
            *(tcp.reaches(place, _REFERENCE_TIMEOUT) for place in self._conf.reference)
        )
        if any(found):
            if self._around.lost_at is not None:
                LOG.warning("The monitor reaches its reference again")
            self._around = dataclasses.replace(self._around, lost_at=None)
        elif self._around.lost_at is None:
            LOG.warning("The monitor reaches none of %s: nothing is removed", ", ".join(self._conf.reference))
            self._around = dataclasses.replace(self._around, lost_at=time.time())


#: Nova's statuses of servers on which a service may answer, or soon will.
_RUNNING = ("ACTIVE", "BUILD", "REBOOT", "HARD_REBOOT", "PASSWORD", "REBUILD", "RESIZE", "VERIFY_RESIZE",
            "REVERT_RESIZE", "MIGRATING", "UNKNOWN")  # fmt: skip


def _not_running(state: str) -> str:
    return f"its server is {state} in Nova"


def _target(instance: Instance) -> tuple:
    """What a watch depends on; ``created_at`` tells an instance from an earlier one of the same name."""
    return (instance.proto, instance.host, instance.port, instance.check, instance.created_at)
