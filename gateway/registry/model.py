"""What the registry knows: instances of a service type, their checks and readings, and changes."""

import dataclasses
import enum
from typing import NamedTuple

#: Names of service types. Dashes are fine: an instance's name is split at its last one.
TYPE_PATTERN = r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}(?!\n)$"
#: Paths of checks: what may stand in a request line as it is, so that none can smuggle in a header.
PATH_PATTERN = r"^/[!-~]{0,1023}(?!\n)$"


class Status(enum.StrEnum):
    PASSING = "passing"
    WARNING = "warning"  # failing, but not yet as often as the check allows
    CRITICAL = "critical"
    MAINTENANCE = "maintenance"  # taken out by hand


class Change(enum.StrEnum):
    CREATED = "created"
    CHANGED = "changed"
    REMOVED = "removed"


class Kind(enum.StrEnum):
    """What a check does."""

    HTTP = "http"  # GET http://host:port/path
    HTTPS = "https"
    TCP = "tcp"  # connects
    GRPC = "grpc"  # asks grpc.health.v1.Health; over TLS where the instance's proto is https
    TTL = "ttl"  # nothing: the instance has to say that it lives, once each interval
    SSH = "ssh"  # runs a command on the instance's server; 0 passes. Only for what the gateway deployed


@dataclasses.dataclass(frozen=True)
class Check:
    """How an instance is checked. Times are seconds; the three counts are the readings in a row that change
    the status. ``path``, ``status``, ``body`` and ``body_pattern`` are for http and https, ``service`` for
    grpc, ``command`` for ssh."""

    path: str = "/"
    interval: float = 10.0
    timeout: float = 5.0
    success_before_passing: int = 1
    failures_before_critical: int = 3
    failures_before_warning: int = 1
    kind: Kind | None = None  # None: the instance's proto
    status: tuple[int, ...] = ()  # the answers that pass; none: 2xx
    body: str = ""  # must be in the answer's body
    body_pattern: str = ""  # RE2; must be found in it
    service: str = ""  # whose health is asked; empty: the server's
    command: str = ""  # run by a shell, as the service's user
    deregister_after: float | None = None  # seconds critical after which it is removed; None: never
    tunnel: bool = False  # made through the jump host of the instance's deployment

    def what(self, proto: str) -> str:
        """For people: "http, /health"."""
        kind = self.kind or Kind(proto)
        asked = {Kind.HTTP: self.path, Kind.HTTPS: self.path, Kind.GRPC: self.service}.get(kind)
        return f"{kind}, {asked}" if asked else str(kind)

    @classmethod
    def from_dict(cls, kept: dict) -> "Check":
        """From JSON. The opposite of ``dataclasses.asdict``."""
        kind = kept.get("kind")
        return cls(**{**kept, "kind": Kind(kind) if kind else None, "status": tuple(kept.get("status", ()))})


@dataclasses.dataclass(frozen=True)
class Reading:
    """One answer to a check, which came ``at`` and took ``latency`` seconds from the start of the check."""

    ok: bool
    output: str  # what was seen, at most 4 KiB: "200 OK", "connection refused"
    at: float
    latency: float = 0.0
    certain: bool = False  # Nova says that the server is not running: no more readings are needed


@dataclasses.dataclass(frozen=True)
class Health:
    """What the readings add up to. ``streak`` counts the last readings alike, negative when they failed.
    ``held``: it fails, but so many do that it is taken for as good as before (gateway.registry.brake)."""

    status: Status = Status.PASSING
    streak: int = 0
    output: str = ""
    since: float = 0.0
    held: bool = False

    @property
    def is_well(self) -> bool:
        return self.status is Status.PASSING and not self.held


class Key(NamedTuple):
    """What identifies an instance; never another one's while its type lives."""

    project_id: str
    type: str
    ordinal: int

    @property
    def text(self) -> str:
        """By which monitors share the instances out."""
        return f"{self.project_id}/{self.type}/{self.ordinal}"


@dataclasses.dataclass(frozen=True)
class Entry:
    """A row of the log of changes. Indexes count the changes of all projects, one by one."""

    index: int
    at: float
    key: Key
    change: Change


@dataclasses.dataclass(frozen=True)
class Registration:
    """A service that wants to be registered. ``host`` is an IP address, without brackets, or a
    name; ``host_key`` is the
    public SSH host key of its server ("ssh-ed25519 AAAA…"): its fingerprint goes into a minted signature."""

    type: str
    proto: str  # http | https
    host: str
    port: int
    http_port: int = 0
    https_port: int = 0
    routes: tuple[str, ...] = ()
    check: Check = Check()
    weight: int = 1  # 0: registered and checked, but never the best
    signature: str = ""
    version: str = ""
    tags: tuple[str, ...] = ()
    deployment_id: str | None = None
    server_id: str | None = None
    host_key: str | None = None
    provider: str | None = None  # of the broker's, which this is


@dataclasses.dataclass(frozen=True)
class Instance:
    """A registered service instance. ``name`` is type and ordinal: hello-0; no ordinal is used twice.
    ``reason``: why it is in maintenance. ``index``: of the change that made it what it is."""

    project_id: str
    type: str
    ordinal: int
    proto: str  # http | https
    host: str  # an IP address, or a name that is resolved at each check
    port: int
    http_port: int
    https_port: int
    routes: tuple[str, ...]
    check: Check
    health: Health
    weight: int
    signature: str
    version: str = ""
    tags: tuple[str, ...] = ()
    reason: str = ""
    index: int = 0
    deployment_id: str | None = None
    server_id: str | None = None
    provider: str | None = None
    created_at: float = 0.0
    updated_at: float = 0.0

    @property
    def key(self) -> Key:
        return Key(self.project_id, self.type, self.ordinal)

    @property
    def name(self) -> str:
        return f"{self.type}-{self.ordinal}"

    @property
    def is_in_service(self) -> bool:
        """Whether it may be the best, if it has a weight."""
        return self.health.status is Status.PASSING or self.health.held

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.proto}://{host}:{self.port}"


def judge(health: Health, check: Check, reading: Reading) -> Health:
    """What one more reading makes of an instance's health.

    Failing, what passed is ``warning`` after ``failures_before_warning`` readings in a row and ``critical``
    after ``failures_before_critical``, or at once when the reading is certain; it is passing again after
    ``success_before_passing`` good ones in a row. ``since`` moves with the status alone; maintenance ends
    only by hand.
    """
    streak = max(health.streak, 0) + 1 if reading.ok else min(health.streak, 0) - 1
    status = health.status
    if status is Status.MAINTENANCE:
        pass
    elif reading.ok and streak >= check.success_before_passing:
        status = Status.PASSING
    elif not reading.ok and (reading.certain or -streak >= check.failures_before_critical):
        status = Status.CRITICAL
    elif not reading.ok and status is Status.PASSING and -streak >= check.failures_before_warning:
        status = Status.WARNING
    since = health.since if status is health.status else reading.at
    return Health(status, streak, reading.output, since, health.held)


def split_name(name: str) -> tuple[str, int]:
    """``auth-2`` is ("auth", 2): split at the last dash. Raises ValueError for anything else."""
    type_, dash, ordinal = name.rpartition("-")
    if not (type_ and dash and ordinal.isascii() and ordinal.isdigit() and str(int(ordinal)) == ordinal):
        raise ValueError(f"{name!r} is not TYPE-NUMBER, such as auth-2")
    return type_, int(ordinal)
