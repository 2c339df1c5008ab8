"""The table of ``gateway.api.root`` read as data, for the tests that hold the features to it.

python -m gateway.tests.url_table FILE…     # fails on what none of the calls in these files reaches
"""

import dataclasses
import pathlib
import re
import sys
from collections.abc import Iterable

from gateway.api import root


@dataclasses.dataclass(frozen=True)
class Endpoint:
    method: str
    path: str  # /v1/servers/{server}

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def matches(self, path: str) -> bool:
        parts = (r"[^/]+" if part.startswith("{") else re.escape(part) for part in self.path.split("/"))
        return re.fullmatch("/".join(parts), path.rstrip("/") or "/") is not None

    @property
    def is_for_platforms(self) -> bool:
        """They speak the Open Service Broker API, people do not."""
        return self.path.startswith("/osb/")

    @property
    def is_for_people(self) -> bool:
        """By the client and the command line: neither by platforms, nor by browsers."""
        return not self.path.startswith(("/osb/", "/v1/docs", "/v1/session", "/ui"))

    @property
    def variables(self) -> int:
        return self.path.count("{")


def endpoints() -> list[Endpoint]:
    rows = re.findall(r"^(GET|POST|PUT|PATCH|DELETE) +(/\S*)", root.__doc__, re.MULTILINE)
    return [Endpoint(method, path) for method, path in rows]


def untouched(calls: Iterable[tuple[str, str]]) -> list[Endpoint]:
    """The endpoints that none of the calls (method, path) reaches."""
    table = endpoints()
    touched = {meant(table, method, path) for method, path in calls}
    return [row for row in table if row not in touched]


def meant(table: Iterable[Endpoint], method: str, path: str) -> Endpoint | None:
    """The most literal of the rows that a call matches, as the router sees it."""
    rows = [row for row in table if row.method == method and row.matches(path)]
    return min(rows, key=lambda row: row.variables, default=None)


if __name__ == "__main__":
    lines = [line for name in sys.argv[1:] for line in pathlib.Path(name).read_text().splitlines()]
    if missing := untouched(line.split(" ", 1) for line in lines):
        sys.exit("no scenario calls " + ", ".join(map(str, missing)))
