"""GET /healthcheck: is the gateway well. Load balancers read the status alone, 200 or 503.

Plain, it says OK, by oslo.middleware, which the backends of [healthcheck] may overrule, as by a file that
takes this gateway out. ``?detailed`` looks into the database, too, and says what it finds:

    {"status", "reasons", "database": {"up", "seconds"}, "processes": [{"role", "alive", "seen"}]}

``status`` is ok, degraded (no engine or no monitor gives signs of life: what is registered is still answered)
or down, with 503. ``reasons`` are the backends'. ``processes`` are those of all gateways on this database;
``seen``: seconds since the last sign of one.
"""

import ipaddress
import time
from collections.abc import Sequence

import pecan

from gateway import errors
from gateway.api.expose import expose
from gateway.api.shapes import Maybe, many, shape
from gateway.db import alive
from gateway.db.question import Question

#: Where the middleware leaves what oslo.middleware finds: whether all is well, and why.
FOUND = "gateway.health"
_NEEDED = ("engine", "monitor")
_HEALTH = shape(
    status={"enum": ["ok", "degraded", "down"]},
    reasons=many(str),
    database=shape(up=bool, seconds=Maybe(float)),
    processes=many(shape(role=str, alive=int, seen=float)),
)


class Health:
    def __init__(self, parts):
        self._networks = [ipaddress.ip_network(network) for network in parts.conf.api.health_networks]
        self._database = parts.database
        self._question = Question(self._look, parts.conf.metrics.database_timeout)

    @expose(
        policy=None,
        query={"detailed": {"enum": ["", "true"], "error": "must be without a value, or true."}},
        answer=_HEALTH,
        also={503: _HEALTH},
        raises=[errors.Forbidden],
    )
    def index(self, detailed=None):
        self._check_network(pecan.request.remote_addr)
        well, reasons = pecan.request.environ[FOUND]
        try:
            seconds, seen = self._question.answer()
            database = {"up": True, "seconds": round(seconds, 6)}
        except Exception:
            database, seen = {"up": False}, []
        processes = _by_role(seen)
        lacking = [role for role in _NEEDED if not any(each["role"] == role for each in processes)]
        status = "down" if not (well and database["up"]) else "degraded" if lacking else "ok"
        if status == "down":
            pecan.response.status_int = 503
        return {"status": status, "reasons": reasons, "database": database, "processes": processes}

    def _check_network(self, address: str) -> None:
        caller = ipaddress.ip_address(address)
        caller = getattr(caller, "ipv4_mapped", None) or caller
        if not any(caller in network for network in self._networks):
            raise errors.Forbidden(
                "gateway.health.network", f"{caller} is in none of the networks that may see the details."
            )

    def _look(self) -> tuple[float, list[tuple[str, float]]]:
        began = time.monotonic()
        with self._database.read() as connection:
            seen = alive.seen(connection)
        return time.monotonic() - began, seen


def _by_role(seen: Sequence[tuple[str, float]]) -> list[dict]:
    """Of the processes that live."""
    roles: dict[str, list[float]] = {}
    for role, ago in seen:
        if ago < alive.DOWN_AFTER:
            roles.setdefault(role, []).append(ago)
    return [
        {"role": role, "alive": len(agos), "seen": round(min(agos), 1)}
        for role, agos in sorted(roles.items())
    ]
