"""The broker's things: a provider is a server of databases, a service a database of a project's on it, a
binding one login to that.

On its server a service is named after its id, and each of its logins after both: whoever looks for them, at
any time, needs nothing else.
"""

import dataclasses
import enum
from collections.abc import Mapping


class Status(enum.StrEnum):
    """Of a service, and of a binding. A provider is READY or DELETING."""

    CREATING = "creating"
    UPDATING = "updating"  # it works, and its plan's limits are not in force yet
    READY = "ready"
    REVERTING = "reverting"  # it could not be made, and what may be there of it is being removed
    FAILED = "failed"  # it could not be made, and nothing is there of it
    DELETING = "deleting"


#: The broker has something to do.
UNFINISHED = (Status.CREATING, Status.UPDATING, Status.REVERTING, Status.DELETING)
#: It counts, and may be used or be about to.
LIVE = (Status.CREATING, Status.UPDATING, Status.READY)


@dataclasses.dataclass(frozen=True)
class Limits:
    """Of a plan; None: what the server itself allows."""

    connections: int | None = None  # at the same time
    statement_timeout: float | None = None  # seconds


@dataclasses.dataclass(frozen=True)
class Provider:
    """``username`` logs in to manage the server of this ``type`` at host and port."""

    name: str
    type: str
    host: str
    port: int
    username: str
    password: str = dataclasses.field(repr=False)
    plans: Mapping[str, Limits]
    status: Status
    created_at: float
    updated_at: float


@dataclasses.dataclass(frozen=True)
class Fault:
    """Why something could not be done; of a thing that is taken back, why that is."""

    code: str
    message: str


@dataclasses.dataclass(frozen=True)
class Binding:
    id: str  # 8 hexadecimal digits, unique within its service
    service_id: str
    password: str = dataclasses.field(repr=False)
    status: Status
    fault: Fault | None
    created_at: float

    @property
    def user(self) -> str:
        """Its login, on the server."""
        return f"{on_server(self.service_id)}b{self.id}"


@dataclasses.dataclass(frozen=True)
class Service:
    id: str  # 16 hexadecimal digits
    project_id: str
    user_id: str  # who asked for it
    name: str  # unique within its project
    type: str
    provider: str
    plan: str
    status: Status
    fault: Fault | None
    created_at: float
    updated_at: float
    bindings: tuple[Binding, ...] = ()  # in the order in which they were made

    @property
    def current(self) -> Binding | None:
        """The newest that works."""
        ready = [binding for binding in self.bindings if binding.status is Status.READY]
        return ready[-1] if ready and self.status in LIVE else None

    def binding(self, id: str) -> Binding | None:
        return next((binding for binding in self.bindings if binding.id == id), None)


def on_server(service_id: str) -> str:
    """What the service's database, or prefix of keys, is called there; its logins begin with it."""
    return f"gw{service_id}"
