"""Who does what where several processes have the same role, on any number of hosts: each has its share of
the keys by tooz's hash ring; what is done once in the whole gateway, that one does who has its name.

A member of the group of its role renews its lease again and again. Whoever could not for two thirds of the
lease, by its own clock, does nothing any more; the others take its share over when all of it has gone.
Whoever joins, or comes back after that, waits for two thirds, too: by then everyone who still works has seen
it. So nothing is ever in two shares at once, and that without a lock. In none it is for ``[coordination]
lease`` and about two seconds, at most.
"""

import contextlib
import dataclasses
import functools
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable

import fasteners
import sqlalchemy as sa
from oslo_config import cfg
from tooz import coordination, hashring

from gateway import errors

LOG = logging.getLogger(__name__)

_RENEW_EVERY = 0.5  # seconds
_LOOK_EVERY = 0.1  # seconds
_FREED_WITHIN = 10.0  # seconds; the processes of a gatewayd that was killed take a moment to end


@dataclasses.dataclass(frozen=True)
class Share:
    """The keys that are a process's own: none without members, all where it is the only one."""

    members: frozenset[bytes] = frozenset()
    own: bytes = b""

    def __contains__(self, key: str) -> bool:
        if len(self.members) < 2:
            return self.own in self.members
        return self.own in self._ring.get_nodes(key.encode())

    @functools.cached_property
    def _ring(self) -> hashring.HashRing:
        return hashring.HashRing(self.members)


NOTHING = Share()
ALL = Share(frozenset([b"alone"]), b"alone")


class Coordination:
    """One per process and role, made after any fork. Without ``[coordination] backend_url`` all is its own.
    ``fit``: whether this process can do its work, asked at each renewal of its lease, which ends where it
    cannot (or where the answer does not come). Threads may share it."""

    def __init__(self, conf: cfg.ConfigOpts, role: str, fit: Callable[[], bool] = lambda: True):
        self._conf = conf.coordination
        self._fit = fit
        self._group = f"gateway-{role}".encode()
        self.id = f"{socket.gethostname()}-{role}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._patience = self._conf.lease * 2 / 3
        self._ending = threading.Event()
        self._share = ALL
        self._renewed_at = self._joined_at = -float("inf")
        self._driver: coordination.CoordinationDriver | None = None
        self._thread = threading.Thread(target=self._renew_again, name="coordination", daemon=True)

    def start(self) -> None:
        """Joins the others, now or as soon as the backend answers."""
        if self._conf.backend_url:
            self._thread.start()

    def stop(self) -> None:
        """Leaves, so that the others take over at once: whatever works by its share has ended before. Takes
        some seconds where the backend does not answer."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether what this process does is still its own to do."""
        return self.remaining > 0

    @property
    def remaining(self) -> float:
        """Seconds for which ``alive`` will hold even if the lease cannot be renewed any more; none while this
        process has just come."""
        if not self._conf.backend_url:
            return float("inf")
        asked_at = now()
        if asked_at < self._joined_at + self._patience:
            return 0.0
        return max(0.0, self._renewed_at + self._patience - asked_at)

    def share(self) -> Share:
        """What is its own now; another object, not equal, once that has changed."""
        return self._share if self.alive else NOTHING

    def mine(self, key: str) -> bool:
        return key in self.share()

    def alone(self, name: str, run: Callable[[threading.Event], object], stop: threading.Event) -> None:
        """What only one process of this role may do: ``run`` is called each time that ``name`` comes into
        this one's share, with an event that is set once it has left it, or ``stop`` is set. Returns after
        ``stop``, and when ``run`` returns by itself."""
        if not self._conf.backend_url:
            run(stop)
            return
        while not stop.wait(_LOOK_EVERY):
            if self.mine(name):
                LOG.info("%s: this process does it now", name)
                over = _Until(lambda: stop.is_set() or not self.mine(name))
                run(over)
                if not over.is_set():
                    return

    # The group

    def _renew_again(self) -> None:
        told = None
        while not self._ending.is_set():
            try:
                self._renew()
                if told:
                    LOG.warning("The lease is renewed again")
                told = None
            except Exception as error:  # of the driver and of what it stands on, by etcd, Redis and HTTP
                if told is None:
                    LOG.warning("The lease cannot be renewed; trying again: %r", error)
                told = error
            self._ending.wait(_RENEW_EVERY)
        self._renewed_at = -float("inf")  # nothing is its own once the others may know that it leaves
        if self._driver is not None:
            with contextlib.suppress(Exception):  # then the lease ends by itself
                self._driver.stop()

    def _renew(self) -> None:
        """Raises what the driver raises."""
        if self._driver is None:
            self._driver = self._started()
        started = now()
        if not self._fit():
            raise errors.Unavailable("gateway.coordination.unfit", "the database does not answer")
        self._driver.heartbeat()
        if started - self._renewed_at > self._conf.lease or self.id.encode() not in self._members():
            self._join()
        share = Share(self._members(), self.id.encode())
        if share.own not in share.members:
            raise coordination.MemberNotJoined(self._group, share.own)
        if share != self._share:
            LOG.info("Of the group %s are now: %s", self._group.decode(), sorted(share.members))
            self._share = share
        self._renewed_at = started

    def _join(self) -> None:
        """Whoever was away for the whole lease is new, though it may still stand in the list."""
        self._joined_at = float("inf")
        self._driver.heartbeat()  # first: a lease that is over is another one from here on
        with contextlib.suppress(coordination.MemberAlreadyExist):
            self._driver.join_group_create(self._group)
        self._joined_at = now()

    def _members(self) -> frozenset[bytes]:
        try:
            return frozenset(self._driver.get_members(self._group).get(timeout=self._conf.lease))
        except coordination.GroupNotCreated:
            return frozenset()

    def _started(self) -> coordination.CoordinationDriver:
        lease = self._conf.lease
        timeouts = {"timeout": max(1, lease // 3), "membership_timeout": lease, "lock_timeout": lease}
        driver = coordination.get_coordinator(self._conf.backend_url, self.id.encode(), **timeouts)
        driver.start()
        return driver


class _Until(threading.Event):
    """Set for good once ``over`` has said so to whoever asked: a process that was stopped, and goes on, finds
    it set before any thread could have set it."""

    def __init__(self, over: Callable[[], bool]):
        super().__init__()
        self._over = over

    def is_set(self) -> bool:
        if not super().is_set() and self._over():
            self.set()
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        until = float("inf") if timeout is None else time.monotonic() + timeout
        while not self.is_set() and (left := until - time.monotonic()) > 0:
            super().wait(min(left, _LOOK_EVERY))
        return self.is_set()


def now() -> float:
    """Goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def only_one(conf: cfg.ConfigOpts, role: str) -> fasteners.InterProcessLock | None:
    """Takes the role for this gatewayd and the processes that it will fork, as long as one of them lives;
    None where a backend lets any number of them work together, which SQLite never does.

    Raises Conflict where another gatewayd on this machine has it."""
    url = sa.make_url(conf.database.connection)
    is_sqlite = url.get_backend_name() == "sqlite"
    if conf.coordination.backend_url and not is_sqlite:
        return None
    beside = url.database if is_sqlite and url.database else f"{conf.state_path}/gatewayd"
    path = f"{beside}.{role}.lock"
    lock = fasteners.InterProcessLock(path)
    if not lock.acquire(timeout=_FREED_WITHIN):
        why = "with SQLite there is one" if is_sqlite else "there is one without [coordination] backend_url"
        raise errors.Conflict(
            "gateway.coordination.taken",
            f"another gatewayd on this machine has the role {role} of this database ({path} is locked), and "
            f"{why}. For several, see scale-out in the documents: PostgreSQL or MariaDB, and etcd or Redis.",
        )
    return lock
