"""Servers that the broker makes databases on, one module for each type.

``name`` is what a service is called on its server, ``user`` one of its logins; ``gateway.broker.model`` makes
both. Every call has connections of its own, waits at most ``Login.timeout`` seconds for each answer, and may
be made again at any time: what is there already is left, or made as it should be. Calls about one name follow
each other, even where one was given up and goes on in the server: they hold a lock there, or end the other's
connection.

They raise errors.ProviderError, and errors.Timeout where no answer came; then it is not known what was done.
"""

import dataclasses
from collections.abc import Callable, Collection
from typing import Protocol

from gateway.broker.model import Limits
from gateway.broker.providers.mysql import MySQL
from gateway.broker.providers.postgresql import PostgreSQL
from gateway.broker.providers.redis import Redis


class Server(Protocol):
    def check(self, limits: Collection[Limits]) -> None:
        """That the login works and may do what is needed, and the server can enforce such limits."""

    def ensure(self, name: str, limits: Limits) -> None:
        """A database of that name, which no other login can see into."""

    def bind(self, name: str, user: str, password: str, limits: Limits) -> None:
        """A login to that database, and to no other."""

    def unbind(self, name: str, user: str) -> None:
        """No such login any more, nor a connection of it; what it made stays."""

    def remove(self, name: str) -> None:
        """Nothing any more: neither the database nor any of its logins."""


@dataclasses.dataclass(frozen=True)
class Type:
    """``server`` is made of a gateway.broker.providers.login.Login; ``limits`` are those that it enforces, by
    their names in Limits; ``credentials``: what a project is told, of host, port, name, user and password."""

    server: Callable[..., Server]
    port: int
    limits: frozenset[str]
    credentials: Callable[[str, int, str, str, str], dict[str, str]]


def _url(variable: str, scheme: str) -> Callable[[str, int, str, str, str], dict[str, str]]:
    def credentials(host: str, port: int, name: str, user: str, password: str) -> dict[str, str]:
        return {variable: f"{scheme}://{user}:{password}@{_bracketed(host)}:{port}/{name}"}

    return credentials


def _redis_credentials(host: str, port: int, name: str, user: str, password: str) -> dict[str, str]:
    url = f"redis://{user}:{password}@{_bracketed(host)}:{port}/0"
    return {"REDIS_URL": url, "REDIS_PREFIX": f"{name}:"}


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


_SQL = frozenset({"connections", "statement_timeout"})
TYPES = {
    "mysql": Type(MySQL, 3306, _SQL, _url("MYSQL_URL", "mysql")),
    "postgresql": Type(PostgreSQL, 5432, _SQL, _url("POSTGRESQL_URL", "postgresql")),
    "redis": Type(Redis, 6379, frozenset(), _redis_credentials),
}
