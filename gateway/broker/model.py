"""The broker's things: a provider makes services of some types, by plans; a service is one such of a
project's (a database, say), a binding one login to it.

At its provider a service is named after its id, and each of its logins after both: whoever looks for them, at
any time, needs nothing else.
"""

import dataclasses
import enum
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any


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
class Plan:
    """What a service is made by. ``settings`` is what the provider's type alone understands, JSON: of osb the
    ids of its catalogue."""

    description: str = ""
    limits: Limits = Limits()
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    is_offered: bool = True  # else only the services that there are go on with it
    is_bindable: bool = True  # its services have bindings, and so credentials
    is_updateable: bool = True  # its services may change to another plan
    patience: int | None = None  # seconds that its provider says that making one may take


#: What there is to be had of a provider: type of service → name of plan → plan.
Offers = Mapping[str, Mapping[str, Plan]]


@dataclasses.dataclass(frozen=True)
class Provider:
    """``url`` is where it is, mysql://203.0.113.7:3306 or https://broker.example/v1; ``username`` manages it
    there."""

    name: str
    type: str  # of gateway.broker.providers.TYPES
    project_id: str  # of who attached it
    url: str
    username: str
    password: str = dataclasses.field(repr=False)
    ca: str | None  # PEM: whose certificates it may have; None: those that this host trusts
    offers: Offers
    status: Status
    created_at: float
    updated_at: float

    @property
    def host(self) -> str:
        """Raises ValueError for a URL that is none."""
        return urllib.parse.urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """As ``host``."""
        place = urllib.parse.urlsplit(self.url)
        return {"http": 80, "https": 443}[place.scheme] if place.port is None else place.port

    def plan(self, type: str, name: str) -> Plan | None:
        return self.offers.get(type, {}).get(name)


def with_catalogue(before: Offers, told: Offers, used: Iterable[tuple[str, str]]) -> Offers:
    """What a provider's catalogue tells of now. Plans of ``used`` (type, name) that it does not tell of any
    more, or by whose name it now means another one, stay for the services that there are."""
    offers = {type: dict(plans) for type, plans in told.items()}
    for type, name in used:
        old, new = before[type][name], offers.setdefault(type, {}).get(name)
        if new is None or any(old.settings[id] != new.settings[id] for id in ("service_id", "plan_id")):
            offers[type][name] = dataclasses.replace(old, is_offered=False)
    return offers


def is_renewed(before: Provider, after: Provider, type: str, plan: str) -> bool:
    """Whether services of the plan must be brought to what the provider has become."""
    old, new = before.plan(type, plan), after.plan(type, plan)
    return before.url != after.url or (old and old.limits) != (new and new.limits)


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
    #: What a client is told, as JSON: {"MYSQL_URL": …}; None while it has not been made.
    credentials: Mapping[str, Any] | None = dataclasses.field(default=None, repr=False)
    operation: str | None = None  # as in Service
    #: What a platform of the Open Service Broker API asked with, see gateway.api.osb_bindings.
    platform: Mapping[str, Any] | None = None

    @property
    def user(self) -> str:
        """Its login, at the provider."""
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
    in_force: str | None = None  # the plan that it was last made by
    operation: str | None = None  # what its provider calls that which is under way there; see Pending
    #: What a platform of the Open Service Broker API asked with, see gateway.api.osb_instances.
    platform: Mapping[str, Any] | None = None
    size: int | None = None  # bytes, as last seen; None: not seen yet, or its provider does not tell
    bindings: tuple[Binding, ...] = ()  # in the order in which they were made

    @property
    def current(self) -> Binding | None:
        """The newest that works."""
        ready = [binding for binding in self.bindings if binding.status is Status.READY]
        return ready[-1] if ready and self.status in LIVE else None

    def binding(self, id: str) -> Binding | None:
        return next((binding for binding in self.bindings if binding.id == id), None)

    def credentials(self, binding: Binding | None = None) -> Mapping[str, Any] | None:
        """Those of the binding, or of the newest that works; None while there are none."""
        wanted = binding or self.current
        usable = wanted is not None and wanted.status is Status.READY and self.status in LIVE
        return wanted.credentials if usable else None


class Pending(Exception):
    """A provider is not done with it, and is asked again in ``after`` seconds. ``operation`` is kept with
    that which it is about, and there for who asks; None: it has not begun."""

    def __init__(self, about: Service | Binding, operation: str | None, after: float):
        super().__init__(f"it is under way, asked for again in {after:g} s")
        self.about = about
        self.operation = operation
        self.after = after


class RotationStatus(enum.StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"  # nothing runs with the old bindings any more, and they are gone
    FAILED = "failed"  # ``fault`` says why; all of them work


@dataclasses.dataclass(frozen=True)
class Rotation:
    """The binding ``successor`` takes the place of those in ``replaces``, all of them ids."""

    service_id: str
    successor: str
    replaces: tuple[str, ...]
    status: RotationStatus
    fault: Fault | None
    user_id: str  # who asked for it, by the call request_id
    request_id: str
    started_at: float
    updated_at: float


def on_server(service_id: str) -> str:
    """What the service's database, or prefix of keys, is called at its provider; its logins begin with it."""
    return f"gw{service_id}"
