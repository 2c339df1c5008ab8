"""A call of a platform's, and what it is answered."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import webob

from gateway import errors
from gateway.api import auth, expose

_AT_ONCE = 1.0  # seconds that one who can come back for it waits

ID = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "error": "must be text of 1 to 255 characters.",
}
OBJECT = {"type": ["object", "null"], "error": "must be an object."}


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]
    headers: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Call:
    """``identity``: who asked the platform; ``accepts_incomplete``: it can come back for what takes long."""

    request: webob.Request
    context: auth.Context
    identity: dict | None
    accepts_incomplete: bool

    def body(self, schema: dict) -> dict[str, Any]:
        """Raises Invalid, also for parameters: nothing here has any."""
        found = expose.checked_body(self.request, schema)
        if found.get("parameters"):
            name = sorted(found["parameters"])[0]
            raise errors.Invalid("gateway.request.parameter", f"parameters: there is no parameter {name!r}.")
        if found.get("maintenance_info"):
            raise errors.Unprocessable(
                "MaintenanceInfoConflict", "maintenance_info: the catalog's plans have none."
            )
        return found

    def query(self, name: str) -> str | None:
        return self.request.GET.get(name)

    def needed(self, name: str) -> str:
        """Of the query. Raises Invalid."""
        value = self.query(name)
        if not value:
            raise errors.Invalid("gateway.request.parameter", f"{name} is needed in the query.")
        return value

    @property
    def patience(self) -> float | None:
        """Seconds to wait for it to be done; None: as long as calls do."""
        return _AT_ONCE if self.accepts_incomplete else None

    def unfinished(self, operation: str) -> Answer:
        """202 for who can come back for it. Raises Timeout."""
        if self.accepts_incomplete:
            return Answer(202, {"operation": operation}, {"Retry-After": "1"})
        raise errors.Timeout(
            "gateway.service.slow",
            "It is not done yet, and goes on: call again, with accepts_incomplete=true best, or delete it.",
        )


def last(state: str, description: str, **more: Any) -> Answer:
    """Of an operation."""
    headers = {"Retry-After": "1"} if state == "in progress" else {}
    return Answer(200, {"state": state, "description": description, **more}, headers)


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Around a deletion: what deployments of the project are bound to is kept."""
    try:
        yield
    except errors.Conflict as error:
        raise errors.Unprocessable("InUse", error.message) from error


def concurrent(what: str) -> errors.Unprocessable:
    return errors.Unprocessable("ConcurrencyError", what)
