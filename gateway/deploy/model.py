"""A deployment: the wish (Spec), where it stands (status, steps) and what it made (targets)."""

import dataclasses
import enum

from gateway.registry.model import Check


class Status(enum.StrEnum):
    PENDING = "pending"  # stored; no engine has taken it yet
    RUNNING = "running"  # its flow goes on
    SUCCEEDED = "succeeded"  # every instance passes and is registered
    REVERTING = "reverting"  # a step failed; what was made is being removed
    FAILED = "failed"  # nothing is left of it; ``fault`` says why
    DELETING = "deleting"  # being undeployed; the row goes when nothing is left


#: What the engine works on, also after a restart.
UNFINISHED = (Status.PENDING, Status.RUNNING, Status.REVERTING, Status.DELETING)


class StepState(enum.StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    REVERTING = "reverting"
    REVERTED = "reverted"


class Trust(enum.StrEnum):
    """Why the host key of a server is believed."""

    INJECTED = "injected"  # made by the gateway, put in by cloud-init
    CONSOLE = "console"  # printed by the guest on Nova's console
    GIVEN = "given"  # by the request
    FIRST_USE = "first_use"  # the request asked for it


@dataclasses.dataclass(frozen=True)
class Jump:
    """The server through which the others are reached, as it was found when the deployment was asked for."""

    server: str  # its id
    address: str
    user: str
    host_keys: tuple[str, ...]  # "ssh-ed25519 AAAA…", any of which it may show
    trust: Trust


@dataclasses.dataclass(frozen=True)
class NewServers:
    """Boot ``replicas`` of these. All ids, found by their names when the deployment was asked for."""

    flavor: str
    image: str
    network: str
    floating_network: str | None
    user: str
    jump: Jump | None = None


@dataclasses.dataclass(frozen=True)
class ExistingServers:
    """Deploy onto servers that are there."""

    ids: tuple[str, ...]
    user: str | None  # None: as known to the gateway since it booted them
    host_key: str | None = None  # "ssh-ed25519 AAAA…"
    trust_on_first_use: bool = False
    jump: Jump | None = None


@dataclasses.dataclass(frozen=True)
class Spec:
    """The wish, with the API's names, and ids for things. What is secret is not in it: the store keeps that
    sealed; ``secrets`` are their names."""

    service: str
    version: str
    replicas: int
    server: NewServers | ExistingServers
    command: str
    port: int
    proto: str
    health: Check
    routes: tuple[str, ...] = ()
    weight: int = 1
    artifact: str | None = None
    files: dict[str, str] = dataclasses.field(default_factory=dict)
    packages: tuple[str, ...] = ()
    setup: str | None = None
    env: dict[str, str] = dataclasses.field(default_factory=dict)
    secrets: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, kept: dict) -> "Spec":
        """The opposite of ``dataclasses.asdict``, by way of JSON."""
        server = dict(kept["server"])
        if server.get("jump"):
            server["jump"] = Jump(**_tupled({**server["jump"], "trust": Trust(server["jump"]["trust"])}))
        kind = ExistingServers if "ids" in server else NewServers
        return cls(
            **{**_tupled(kept), "server": kind(**_tupled(server)), "health": Check.from_dict(kept["health"])}
        )


@dataclasses.dataclass(frozen=True)
class Access:
    """How the gateway logs in to a server. ``private_key`` is an OpenSSH PEM and never leaves the process."""

    server_id: str
    project_id: str
    user: str
    private_key: str = dataclasses.field(repr=False)
    host_key: str | None  # public, "ssh-ed25519 AAAA…"; None until it is known
    trust: Trust | None
    deployment_id: str | None = None


@dataclasses.dataclass(frozen=True)
class Step:
    name: str  # "boot", "ssh" …
    target: int | None  # which replica, counted from 0; None: the whole deployment
    state: StepState
    detail: str = ""
    started_at: float | None = None
    finished_at: float | None = None


@dataclasses.dataclass(frozen=True)
class Target:
    """One replica: its server, where it is reached, and its name in the registry once it is there."""

    number: int
    server_id: str | None = None
    server_name: str | None = None
    address: str | None = None
    host_key: str | None = None
    trust: Trust | None = None
    instance: str | None = None


def _tupled(kept: dict) -> dict:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()}


@dataclasses.dataclass(frozen=True)
class LogLine:
    """What a step printed (``state`` None); or that a step, or the deployment (``step`` None), came to stand
    at ``state``, with the step's detail as its text."""

    id: int
    at: float
    step: str | None
    target: int | None
    text: str
    state: str | None = None


@dataclasses.dataclass(frozen=True)
class Fault:
    step: str
    target: int | None
    code: str
    message: str


@dataclasses.dataclass(frozen=True)
class Artifact:
    id: str
    project_id: str
    sha256: str
    size: int
    created_at: float


@dataclasses.dataclass(frozen=True)
class Deployment:
    id: str
    project_id: str
    user_id: str
    request_id: str  # of the call that asked for it
    trust_id: str | None
    spec: Spec
    status: Status
    fault: Fault | None
    created_at: float
    updated_at: float
    flow_id: str | None = None  # TaskFlow's, once an engine has taken it
    steps: tuple[Step, ...] = ()
    targets: tuple[Target, ...] = ()
