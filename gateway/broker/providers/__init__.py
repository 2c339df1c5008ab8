"""What makes services at their providers: a driver for each type, a module each.

A driver knows a service and its bindings by what ``gateway.broker.model`` calls them, which is made of their
ids alone. Every call waits at most ``Login.timeout`` seconds for each answer, and may be made again at any
time, also by another process after this one was killed: what is there already is left, or made as it should
be. Calls about one service follow each other, even where one was given up and goes on at the provider: on
servers of databases they hold a lock there, or end the other's connection.

They raise errors.ProviderError, and errors.Timeout where no answer came; then it is not known what was done.
What takes long raises Pending and is called again.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from gateway.broker.model import Binding, Offers, Plan, Service
from gateway.broker.providers.http import Http
from gateway.broker.providers.login import Login
from gateway.broker.providers.mysql import MySQL
from gateway.broker.providers.osb import OpenServiceBroker
from gateway.broker.providers.postgresql import PostgreSQL
from gateway.broker.providers.redis import Redis


class Driver(Protocol):
    def check(self, offers: Offers) -> Offers:
        """That the login works and may do what is needed, and what is offered can be made. Returns what
        there is to be had."""

    def ensure(self, service: Service, plan: Plan) -> None:
        """It is there, as the plan says; no other login can see into it. New while it is CREATING; else it
        was made by the plan ``service.in_force``."""

    def bind(self, service: Service, binding: Binding, plan: Plan) -> Mapping[str, Any]:
        """A login to it, and to no other. Returns the credentials, as JSON."""

    def unbind(self, service: Service, binding: Binding, plan: Plan) -> None:
        """No such login any more, nor a connection of it; what it made stays."""

    def remove(self, service: Service, plan: Plan) -> None:
        """Nothing any more, neither it nor any of its logins; nor where it is not known whether it was ever
        made. ``plan``: which it was last made by."""


class Measuring(Driver, Protocol):
    def sizes(self) -> Mapping[str, int]:
        """Bytes of the databases of all services there, by what these are called."""


@dataclasses.dataclass(frozen=True)
class Type:
    """Of providers. ``needs`` and ``may``: which members an admin must and may give of one, and of those of
    its plans, ``limits``."""

    driver: Callable[[Login], Driver] | None  # None: it is handed in (gateway.binding)
    needs: frozenset[str]
    may: frozenset[str]
    limits: frozenset[str] = frozenset()
    port: int | None = None  # where none is given
    measures: bool = False  # its driver is Measuring
    is_slow: bool = False  # nobody can wait for what it makes: minutes
    has_catalogue: bool = False  # what it offers it tells itself, and may tell otherwise tomorrow


def _database(driver: Callable[[Login], Driver], port: int, *limits: str, measures: bool = True) -> Type:
    """Its type of service is called as it is."""
    needs = frozenset({"host", "username", "plans"})
    return Type(
        driver, needs, frozenset({"port", "password", "ca"}), frozenset(limits), port, measures=measures
    )


_OVER_HTTP = frozenset({"username", "password", "ca"})
TYPES = {
    "mysql": _database(MySQL, 3306, "connections", "statement_timeout"),
    "postgresql": _database(PostgreSQL, 5432, "connections", "statement_timeout"),
    "redis": _database(Redis, 6379, measures=False),
    "http": Type(Http, frozenset({"url", "service", "plans"}), _OVER_HTTP),
    "server": Type(None, frozenset({"service", "plans"}), frozenset(), is_slow=True),
    "osb": Type(OpenServiceBroker, frozenset({"url"}), _OVER_HTTP, has_catalogue=True),
}
