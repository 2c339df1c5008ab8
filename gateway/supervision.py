"""The processes of one daemon as one thing that lives: what systemd is told of it (sd_notify(3)), and the end
of a process that hangs.

Each process moves a counter of its own once a second, in memory that all share, from when it serves on. The
first process, which serves nothing, looks at them.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing import sharedctypes

import cotyledon
import sdnotify
from oslo_config import cfg
from oslo_log import log

LOG = log.getLogger(__name__)

_SIGN_EVERY = 1.0  # seconds
_LOOK_EVERY, _LOOK_WHILE_STARTING = 1.0, 0.1  # seconds


class Life:
    """Of a process, and of the one that comes in its place when it has ended."""

    def __init__(self):
        self._shared = sharedctypes.RawArray("Q", 2)  # its pid, 0 while it does not serve; its counter
        self._seen = 0
        self.silent = 0.0  # seconds of who looks: none counts in which all of them are frozen

    def begin(self) -> None:
        """In the process itself, once it serves."""
        self._shared[0] = os.getpid()
        threading.Thread(target=self._go_on, name="signs of life", daemon=True).start()

    def _go_on(self) -> None:
        while True:
            self._shared[1] += 1
            time.sleep(_SIGN_EVERY)

    @property
    def pid(self) -> int:
        return self._shared[0]

    def look(self, passed: float) -> None:
        """``passed``: seconds since the last look."""
        before, self._seen = self._seen, self._shared[1]
        self.silent = self.silent + passed if self._seen == before else 0.0

    def end(self) -> None:
        self._shared[0], self.silent = 0, 0.0


class Supervisor:
    """Runs the services of a cotyledon manager; each has ``serves``, a call that it makes once it serves."""

    def __init__(self, conf: cfg.ConfigOpts, manager: cotyledon.ServiceManager):
        self._conf, self._manager = conf, manager
        self._systemd = sdnotify.SystemdNotifier()
        os.environ.pop("NOTIFY_SOCKET", None)  # cotyledon would say READY before anything is
        self._lives: dict[tuple[str, int], Life] = {}
        self._leaving: set[int] = set()  # pids that must be others before all is ready
        self._ready, self._ending = False, threading.Event()
        manager.register_hooks(
            on_new_worker=self._introduce,
            on_dead_worker=lambda id, number, _: self._lives[id, number].end(),
            on_reload=self._reload,
            on_terminate=self._terminate,
        )

    def add(self, service: Callable[..., cotyledon.Service], workers: int, args: Sequence) -> None:
        id = self._manager.add(service, workers, args)
        self._lives |= {(id, number): Life() for number in range(workers)}

    def run(self) -> None:
        """Until the process ends."""
        threading.Thread(target=self._watch, name="supervision", daemon=True).start()
        self._manager.run()

    def _introduce(self, id: str, number: int, service: cotyledon.Service) -> None:
        """In each process, before its service runs."""
        service.serves = self._lives[id, number].begin

    def _reload(self) -> None:
        self._leaving = {life.pid for life in self._lives.values()}
        self._ready = False
        self._systemd.notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def _terminate(self) -> None:
        self._ending.set()
        self._systemd.notify("STOPPING=1")

    def _watch(self) -> None:
        pause = _LOOK_WHILE_STARTING
        while not self._ending.wait(pause):
            for life in self._lives.values():
                life.look(pause)
            self._tell_ready()
            self._tell_alive()
            pause = _LOOK_EVERY if self._ready else _LOOK_WHILE_STARTING

    def _tell_ready(self) -> None:
        pids = {life.pid for life in self._lives.values()}
        if not self._ready and 0 not in pids and not pids & self._leaving:
            self._ready = True
            self._systemd.notify(f"READY=1\nSTATUS={len(pids)} processes serve")

    def _tell_alive(self) -> None:
        """Kills what hangs: another process comes in its place. Where that does not help, systemd gets no
        sign any more, and starts the whole daemon anew."""
        limit = self._conf.worker_timeout
        for life in self._lives.values():
            if limit and life.pid and life.silent > limit:
                LOG.error("Process %d has given no sign of life for %.0f s: killed", life.pid, life.silent)
                os.kill(life.pid, signal.SIGKILL)
        if not limit or all(life.silent <= 2 * limit for life in self._lives.values()):
            self._systemd.notify("WATCHDOG=1")
