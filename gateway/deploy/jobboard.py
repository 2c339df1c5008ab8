"""Which engine works on which deployment, where there are several: TaskFlow's jobboard, on etcd or Redis.

The database says what is to be done; the board only says who does it. Each deployment that has work has one
job there; who claims it works on it, and renews its claim about once a second. What is lost on the board is
posted again, and two jobs for one deployment, or two claims of one job, harm nothing: the store that is taken
last (``gateway.deploy.claims``) is the only one that writes.

TaskFlow's backends are used with care (6.5, ``taskflow/jobs/backends``):

- etcd's board keeps its jobs, and each job the first lease that it has seen (``EtcdJob.lease``), whoever's it
  is: each look takes a board of its own, and the lease is read while the claim is new.
- etcd's ``abandon`` and ``consume`` look for the owner first and then delete, whoever is the owner then, and
  Redis prolongs a claim whoever's it is: none is asked where a claim may be over, by this engine's own clock.
- etcd's ``connect`` starts a thread that does not come back from a broken connection: with a client of its
  own the board is not connected, and is read anew at each look.
"""

import contextlib
import threading
import time
import urllib.parse
from collections.abc import Callable, Collection, Iterator

import etcd3gw
import redis
import taskflow.exceptions
from oslo_config import cfg
from oslo_log import log
from taskflow import states
from taskflow.jobs import backends
from taskflow.jobs import base as jobs

from gateway import errors
from gateway.coordination import now
from gateway.deploy.claims import Claim
from gateway.deploy.model import UNFINISHED
from gateway.deploy.store import DeploymentStore

LOG = log.getLogger(__name__)

_LOOK_INTERVAL = 0.5  # seconds between looks at the board, while there is something to look for
_RENEWALS = 6  # in a lease
_LEAVING = 3.0  # seconds, in which those who work see that they have to leave


class Jobboard:
    """``who``: the name of this engine, which no other has; ``posts``: whether it posts the job of a
    deployment: one of all the engines does. Threads may share it."""

    def __init__(self, conf: cfg.ConfigOpts, store: DeploymentStore, who: str, posts: Callable[[str], bool]):
        self._store = store
        self._who = who
        self._posts = posts
        self._lease = conf.coordination.lease
        self._place = _place(conf)
        self._claims: set[_Claim] = set()
        self._seen: set[str] = set()  # of whom there are jobs
        self._looked_at = 0.0
        self._leaving = threading.Event()
        self._told = False
        threading.Thread(target=self._renew_again, name="jobboard", daemon=True).start()

    def take(self, unfinished: Collection[str], wanted: Collection[str], most: int) -> Iterator[Claim]:
        """Claims up to ``most`` of those that are ``wanted``, and has the others of those that are
        ``unfinished`` on the board, and nothing else. Nothing while the board cannot be reached."""
        self._seen.intersection_update(unfinished)
        missing = any(id not in self._seen and self._posts(id) for id in unfinished)
        if not (missing or (wanted and most)) or now() - self._looked_at < _LOOK_INTERVAL:
            return
        self._looked_at = now()
        try:
            yield from self._look(unfinished, set(wanted), most)
            self._told = False
        except Exception as error:  # TaskFlow's, and of what it stands on
            if not self._told:
                LOG.warning("The jobboard cannot be reached; trying again: %s", error)
            self._told = True

    def _look(self, unfinished: Collection[str], wanted: set[str], most: int) -> Iterator["_Claim"]:
        board, self._seen = _opened(self._place), set()
        for job in sorted(board.iterjobs(ensure_fresh=True), key=lambda job: job.sequence):
            if job.state == states.UNCLAIMED:
                if job.name not in unfinished:
                    self._clear(board, job)
                elif most and job.name in wanted - self._seen and (claim := self._claimed(board, job)):
                    most -= 1
                    yield claim
            self._seen.add(job.name)
        for id in unfinished:
            if id not in self._seen and self._posts(id):
                board.post(id)
                self._seen.add(id)

    def close(self) -> None:
        """Whoever works here yet is stopped; what is left is free at once."""
        self._leaving.set()
        for claim in list(self._claims):
            claim.leave()
        until = now() + _LEAVING
        while self._claims and now() < until:
            time.sleep(0.05)

    def _claimed(self, board: jobs.JobBoard, job: jobs.Job) -> "_Claim | None":
        began = now()
        try:
            board.claim(job, self._who, expiry=self._lease)
        except taskflow.exceptions.UnclaimableJob:
            return None
        getattr(job, "lease", None)  # etcd's: it is kept from now on
        claim = _Claim(self, board, job, began)
        self._claims.add(claim)
        return claim

    def _clear(self, board: jobs.JobBoard, job: jobs.Job) -> None:
        """Its deployment has ended, or has begun anew since that was looked at: then it is posted again."""
        if claim := self._claimed(board, job):
            claim.give_back(ended=True)

    # Renewals

    def _renew_again(self) -> None:
        while not self._leaving.wait(self._lease / _RENEWALS):
            try:
                self._renew()
            except Exception as error:  # those that cannot be renewed any more say so themselves
                LOG.warning("The claims of this engine are not renewed: %s", error)

    def _renew(self) -> None:
        """Whoever cannot reach the database, or not the board, leaves what it has to others."""
        claims = list(self._claims)
        epochs = self._store.epochs([claim.id for claim in claims]) if claims else {}
        for claim in claims:
            claim.renew(epochs.get(claim.id))


class _Claim:
    """Of this engine's, and how long it lasts."""

    def __init__(self, owner: Jobboard, board: jobs.JobBoard, job: jobs.Job, began: float):
        self.id = job.name
        self._owner = owner
        self._board, self._job = board, job
        self._renewed_at = began
        self._epoch: int | None = None
        self._over = threading.Event()
        self._leaves = threading.Event()

    @contextlib.contextmanager
    def held(self) -> Iterator[DeploymentStore]:
        try:
            store = self._owner._store.taken(self.id)
            self._epoch = store.epoch
            yield store
        finally:
            self.give_back(self._has_ended())

    def is_alive(self) -> bool:
        return self._holds() and not self._leaves.is_set()

    def _holds(self) -> bool:
        return not self._over.is_set() and now() < self._renewed_at + self._owner._lease * 2 / 3

    def leave(self) -> None:
        self._leaves.set()

    def renew(self, epoch: int | None) -> None:
        """``epoch``: the deployment's, in the database. Raises what the board raises."""
        renewed_at, lease = now(), self._owner._lease
        if self._epoch not in (None, epoch) or self._board.find_owner(self._job) != self._owner._who:
            self._over.set()
        elif self._holds() and self._job.extend_expiry(lease):
            self._renewed_at = renewed_at

    def give_back(self, ended: bool) -> None:
        self._owner._claims.discard(self)
        if not self._holds():
            LOG.warning("Deployment %s: this engine's claim of it is over", self.id)
            return
        try:
            (self._board.consume if ended else self._board.abandon)(self._job, self._owner._who)
        except Exception as error:  # it ends by itself
            LOG.warning("Deployment %s could not be given back: %s", self.id, error)

    def _has_ended(self) -> bool:
        try:
            return self._owner._store.status(self.id) not in UNFINISHED
        except errors.NotFound:
            return True
        except Exception:
            return False


def worked_on(conf: cfg.ConfigOpts) -> set[str]:
    """The deployments that any engine works on right now. Raises Unavailable."""
    try:
        on_board = _opened(_place(conf)).iterjobs(ensure_fresh=True)
        return {job.name for job in on_board if job.state == states.CLAIMED}
    except Exception as error:
        raise errors.Unavailable(
            "gateway.coordination.unreachable", f"[coordination] backend_url cannot be reached: {error}"
        ) from error


def _place(conf: cfg.ConfigOpts) -> tuple[str, etcd3gw.Etcd3Client | redis.Redis]:
    """The name of the backend, and a client of it whose calls end in time."""
    url, timeout = conf.coordination.backend_url, conf.coordination.lease / _RENEWALS
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "redis":
        return "redis", redis.Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout)
    options = dict(urllib.parse.parse_qsl(parts.query))
    tls = {name: options[name] for name in ("ca_cert", "cert_cert", "cert_key") if name in options}
    protocol = parts.scheme.partition("+")[2]
    return "etcd", etcd3gw.Etcd3Client(parts.hostname, parts.port or 2379, protocol, timeout=timeout, **tls)


def _opened(place: tuple[str, etcd3gw.Etcd3Client | redis.Redis]) -> jobs.JobBoard:
    name, client = place
    # etcd's board takes a path, Redis's a namespace
    named = {"board": name, "path": "gateway", "namespace": "gateway"}
    board = backends.fetch("gateway", named, client=client)
    board.connect()
    return board
