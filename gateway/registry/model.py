"""What the registry knows: instances of a service type, their checks and readings, and changes."""

import dataclasses
import enum


class Status(enum.StrEnum):
    PASSING = "passing"
    WARNING = "warning"  # failing, but not yet as often as the check allows
    CRITICAL = "critical"
    MAINTENANCE = "maintenance"  # taken out by hand


class Change(enum.StrEnum):
    CREATED = "created"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclasses.dataclass(frozen=True)
class Check:
    """How an instance is checked: GET proto://host:port/path; 2xx and no ``"up": false`` in a JSON body passes.

    ``interval`` and ``timeout`` are seconds; the two counts are the readings in a row that change the status.
    """

    path: str = "/"
    interval: float = 10.0
    timeout: float = 5.0
    success_before_passing: int = 1
    failures_before_critical: int = 3


@dataclasses.dataclass(frozen=True)
class Reading:
    """One answer to a check."""

    ok: bool
    output: str  # what was seen, at most 4 KiB: "200 OK", "connection refused"
    at: float


@dataclasses.dataclass(frozen=True)
class Health:
    """What the readings add up to. ``streak`` counts the last readings alike, negative when they failed."""

    status: Status = Status.PASSING
    streak: int = 0
    output: str = ""
    since: float = 0.0


@dataclasses.dataclass(frozen=True)
class Instance:
    """A registered service instance. ``name`` is type and ordinal: hello-0; no ordinal is used twice."""

    project_id: str
    type: str
    ordinal: int
    proto: str  # http | https
    host: str  # an IP address
    port: int
    http_port: int
    https_port: int
    routes: tuple[str, ...]
    check: Check
    health: Health
    weight: int
    signature: str
    version: str = ""
    deployment_id: str | None = None
    server_id: str | None = None
    created_at: float = 0.0
    updated_at: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.type}-{self.ordinal}"

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.proto}://{host}:{self.port}"


def split_name(name: str) -> tuple[str, int]:
    """``auth-2`` is ("auth", 2): split at the last dash. Raises ValueError for anything else."""
    type_, dash, ordinal = name.rpartition("-")
    if not (type_ and dash and ordinal.isascii() and ordinal.isdigit()):
        raise ValueError(f"{name!r} is not TYPE-NUMBER, such as auth-2")
    return type_, int(ordinal)
