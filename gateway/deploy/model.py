"""A deployment: the wish (a Release with its Spec), how far it is (steps), what it made (targets)."""

import dataclasses
import enum

from gateway.registry.model import Check


class Status(enum.StrEnum):
    PENDING = "pending"  # stored; no engine has taken it yet
    RUNNING = "running"  # its flow goes on
    FINISHING = "finishing"  # every instance passes; those that are no longer wanted are being removed
    SUCCEEDED = "succeeded"  # every instance passes and is registered
    REVERTING = "reverting"  # a step failed, or it was canceled; what was done is being taken back
    ROLLED_BACK = (
        "rolled_back"  # what was under way has failed, and the release before it runs; see ``fault``
    )
    FAILED = "failed"  # nothing is left of it; ``fault`` says why
    DELETING = "deleting"  # being undeployed; the row goes when nothing is left


#: What the engine works on, also after a restart.
UNFINISHED = (Status.PENDING, Status.RUNNING, Status.FINISHING, Status.REVERTING, Status.DELETING)
#: A release of the service runs, and may be followed by another.
SETTLED = (Status.SUCCEEDED, Status.ROLLED_BACK)


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
    key_name: str | None = None  # a key pair in Nova that may log in as well


@dataclasses.dataclass(frozen=True)
class ExistingServers:
    """Deploy onto servers that are there."""

    ids: tuple[str, ...]
    user: str | None  # None: as known to the gateway since it booted them
    host_key: str | None = None  # "ssh-ed25519 AAAA…"
    trust_on_first_use: bool = False
    jump: Jump | None = None


@dataclasses.dataclass(frozen=True)
class Update:
    """How a release follows another; times in seconds."""

    batch: int | str = 1  # instances switched side by side; "25%" of them
    pause: float = 0.0  # between one batch and the next
    drain: float = 5.0  # from weight 0, when no client is sent to an instance any more, to its stop
    ramp: float = 10.0  # from its first passing check to its full weight, in steps of at least 1

    def batch_size(self, count: int) -> int:
        """Of ``count`` instances, at least one."""
        if isinstance(self.batch, str):
            return max(1, count * int(self.batch.rstrip("%")) // 100)
        return self.batch


@dataclasses.dataclass(frozen=True)
class Heal:
    """Instances whose server is dead get a new one."""

    after: float = 60.0  # seconds that an instance must have been critical
    max_unhealthy: int = 1  # with more than so many down at once it is the network, not the servers


@dataclasses.dataclass(frozen=True)
class Bound:
    """A service of the broker's whose credentials are in the environment, their names after ``prefix``, and
    the binding that they are of."""

    service: str  # its name
    prefix: str
    service_id: str
    binding_id: str


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
    update: Update = Update()
    heal: Heal | None = None
    bind: tuple[Bound, ...] = ()

    @classmethod
    def from_dict(cls, kept: dict) -> "Spec":
        """The opposite of ``dataclasses.asdict``, by way of JSON."""
        server = dict(kept["server"])
        if server.get("jump"):
            server["jump"] = Jump(**_tupled({**server["jump"], "trust": Trust(server["jump"]["trust"])}))
        kind = ExistingServers if "ids" in server else NewServers
        parts = {
            "server": kind(**_tupled(server)),
            "health": Check.from_dict(kept["health"]),
            "update": Update(**kept.get("update", {})),
            "heal": Heal(**kept["heal"]) if kept.get("heal") else None,
            "bind": tuple(Bound(**each) for each in kept.get("bind", ())),
        }
        return cls(**{**_tupled(kept), **parts})


class ReleaseState(enum.StrEnum):
    DEPLOYING = "deploying"
    CURRENT = "current"
    OLD = "old"  # ran once, and can be rolled back to
    FAILED = "failed"


@dataclasses.dataclass(frozen=True)
class Release:
    """One version of the wish. ``folder`` is its name on the servers, VERSION-NUMBER; a release that only
    changes the number of servers, or goes back to an earlier one, has the folder of that."""

    number: int
    folder: str
    spec: Spec
    user_id: str
    request_id: str  # of the call that asked for it
    state: ReleaseState
    created_at: float

    @classmethod
    def wanted(
        cls, number: int, spec: Spec, user_id: str, request_id: str, now: float, folder: str | None = None
    ) -> "Release":
        """``folder``: where it is on the servers already."""
        folder = folder or f"{spec.version}-{number}"
        return cls(number, folder, spec, user_id, request_id, ReleaseState.DEPLOYING, now)


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


class Aim(enum.StrEnum):
    """What the flow under way does with a target."""

    KEEP = "keep"
    ADD = "add"
    UPDATE = "update"
    REPLACE = "replace"  # its server is dead: another one in its place
    REMOVE = "remove"


@dataclasses.dataclass(frozen=True)
class Target:
    """One replica: its server, where it is reached, and its name in the registry once it is there.
    ``number`` stays as long as the replica does."""

    number: int
    server_id: str | None = None
    server_name: str | None = None
    address: str | None = None
    host_key: str | None = None
    trust: Trust | None = None
    instance: str | None = None
    aim: Aim = Aim.ADD


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
    """Why it failed; ``journal`` and ``console`` are the last lines of the service's and of the server's."""

    step: str
    target: int | None
    code: str
    message: str
    journal: tuple[str, ...] = ()
    console: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, kept: dict) -> "Fault":
        return cls(**_tupled(kept))


@dataclasses.dataclass(frozen=True)
class IdempotencyKey:
    """Of a POST: the same key with the same body (its SHA-256) means the same deployment."""

    key: str
    body: str
    deployment_id: str


@dataclasses.dataclass(frozen=True)
class Artifact:
    id: str
    project_id: str
    sha256: str
    size: int
    created_at: float


@dataclasses.dataclass(frozen=True)
class Deployment:
    """``release`` is the one that is wanted; ``before``: the one that runs until that has succeeded, and
    again where it fails; None at first. ``request_id``: of the call that caused what is being done."""

    id: str
    project_id: str
    request_id: str
    trust_id: str | None
    release: Release
    status: Status
    fault: Fault | None
    created_at: float
    updated_at: float
    before: Release | None = None
    retired_trusts: tuple[str, ...] = ()  # no longer needed, to be deleted
    flow_id: str | None = None  # TaskFlow's, once an engine has taken it
    steps: tuple[Step, ...] = ()
    targets: tuple[Target, ...] = ()

    @property
    def spec(self) -> Spec:
        return self.release.spec

    def aim(self, number: int) -> Aim:
        return next(target.aim for target in self.targets if target.number == number)
