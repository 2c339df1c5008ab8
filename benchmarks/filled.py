"""A database of a given size, as real use would have left it: written in bulk, since how it comes to be is
measured elsewhere. For scale.py."""

import base64
import dataclasses
import itertools
import json
import time
import uuid
from collections.abc import Iterator

from oslo_config import cfg

from gateway import vault
from gateway.db import Database, metadata, schema
from gateway.deploy.model import Aim, Heal, ReleaseState, Status, StepState, Trust
from gateway.registry.model import Change
from gateway.registry.model import Status as Health
from gateway.tests import deployed

PROJECT = "a" * 32  # has every second type; the others are nine
_OTHERS = [f"{number:032x}" for number in range(9)]
_READINGS, _LINES = 10, 40  # of each instance, of each deployment
_CHUNK = 20_000
_TABLES = {table.name: table for table in metadata.sorted_tables}


@dataclasses.dataclass(frozen=True)
class Size:
    instances: int
    types: int
    deployments: int

    def __str__(self) -> str:
        return f"{self.instances:,} in {self.types:,}"


def fill(conf: cfg.ConfigOpts, size: Size) -> None:
    """Each deployment has as many instances as the size gives it; what is over has registered itself."""
    database = Database(conf)
    schema.upgrade(database)
    maker = _Maker(size, vault.opened(conf))
    with database.write() as connection:
        for name, rows in maker.tables():
            while chunk := list(itertools.islice(rows, _CHUNK)):
                connection.execute(_TABLES[name].insert(), chunk)
        connection.execute(_TABLES["last_change"].update().values(index=2 * size.instances))


class _Maker:
    def __init__(self, size: Size, opened: vault.Vault):
        self._size = size
        self._sealed = opened.seal(json.dumps({"env": {"PASSWORD": "secret"}, "private_key": "x" * 400}))
        self._now = time.time() - 3600
        self._ids = [str(uuid.uuid4()) for _ in range(size.deployments)]
        self._servers = [str(uuid.uuid4()) for _ in range(size.instances)]

    def tables(self) -> Iterator[tuple[str, Iterator[dict]]]:
        """In the order in which they refer to each other."""
        yield "instances", map(self._instance, range(self._size.instances))
        yield "instance_ordinals", self._ordinals()
        yield "changes", self._changes()
        yield "readings", self._readings()
        yield "deployments", map(self._deployment, range(self._size.deployments))
        yield "deployment_releases", map(self._release, range(self._size.deployments))
        yield "deployment_steps", self._steps()
        yield "deployment_targets", self._targets()
        yield "deployment_log", self._log()
        yield "server_access", self._accesses()

    def _place(self, number: int) -> dict:
        """Of an instance: its key."""
        of_type = number % self._size.types
        project = PROJECT if of_type % 2 else _OTHERS[of_type // 2 % len(_OTHERS)]
        return {"project_id": project, "type": f"type-{of_type}", "ordinal": number // self._size.types}

    def _deployment_of(self, number: int) -> str | None:
        """Those of one type are of one deployment, up to ten of them."""
        each = self._size.instances // self._size.types
        per_type = max(1, self._size.deployments // self._size.types)
        of_type, ordinal = number % self._size.types, number // self._size.types
        index = of_type * per_type + ordinal * per_type // each
        return self._ids[index] if index < len(self._ids) else None

    def _instance(self, number: int) -> dict:
        claims = {"iss": "gateway", "iat": int(self._now), "exp": int(self._now) + 86400, "n": number}
        return {
            **self._place(number),
            "proto": "http",
            "host": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
            **{"port": 8080, "http_port": 8080, "https_port": 0, "routes": ["/", "/a"]},
            "check": {"path": "/health", "interval": 10.0, "timeout": 5.0},
            **{"status": Health.PASSING, "streak": 1, "output": "200 OK", "since": self._now, "held": False},
            **{"weight": 1 + number % 3, "version": f"1.{number % 20}.0", "reason": ""},
            "tags": ["http", f"rack-{number % 40}"],
            "signature": _signature(claims),
            "index": self._size.instances + number + 1,
            "deployment_id": self._deployment_of(number),
            "server_id": self._servers[number],
            **{"provider": None, "created_at": self._now, "updated_at": self._now},
        }

    def _ordinals(self) -> Iterator[dict]:
        for number in range(self._size.types):
            place = self._place(number)
            place["next"] = -(-self._size.instances // self._size.types)
            del place["ordinal"]
            yield place

    def _changes(self) -> Iterator[dict]:
        """Each has been created, and has changed once."""
        for number in range(2 * self._size.instances):
            first = number < self._size.instances
            change = Change.CREATED if first else Change.CHANGED
            place = self._place(number % self._size.instances)
            yield {"index": number + 1, "at": self._now, "change": change, **place}

    def _readings(self) -> Iterator[dict]:
        for number in range(self._size.instances):
            place = self._place(number)
            for slot in range(_READINGS):
                at = self._now + slot * 10
                yield {**place, "slot": slot, "ok": True, "output": "200 OK", "at": at, "latency": 0.002}

    def _deployment(self, number: int) -> dict:
        return {
            "id": self._ids[number],
            "project_id": self._project(number),
            "live": f"service-{number}",
            "request_id": f"req-{uuid.uuid4()}",
            "trust_id": uuid.uuid4().hex,
            **{"retired_trusts": [], "release": 1, "before": None, "status": Status.SUCCEEDED},
            **{"fault": None, "flow_id": None, "heals": True},
            **{"created_at": self._now + number * 1e-3, "updated_at": self._now},
        }

    def _project(self, number: int) -> str:
        per_type = max(1, self._size.deployments // self._size.types)
        return self._place(number // per_type)["project_id"]

    def _release(self, number: int) -> dict:
        spec = deployed.spec(service=f"service-{number}", heal=Heal())
        release = deployed.release(spec, state=ReleaseState.CURRENT)
        row = dataclasses.asdict(release)
        return {"deployment_id": self._ids[number], **row, "secrets": self._sealed}

    def _steps(self) -> Iterator[dict]:
        names = [step.name for step in deployed.deployment().steps]
        for id in self._ids:
            for position, name in enumerate(names):
                times = {"started_at": self._now, "finished_at": self._now + 1}
                told = {"state": StepState.DONE, "detail": "done as it should be", "target": 0}
                yield {"deployment_id": id, "position": position, "name": name, **told, **times}

    def _targets(self) -> Iterator[dict]:
        counts: dict[str, int] = {}
        for number in range(self._size.instances):
            id = self._deployment_of(number)
            if id is None:
                continue
            counts[id] = counts.get(id, 0) + 1
            place = self._place(number)
            yield {
                **{"deployment_id": id, "number": counts[id] - 1, "server_id": self._servers[number]},
                **{"server_name": f"server-{number}", "address": "10.0.0.1", "trust": Trust.INJECTED},
                "host_key": "ssh-ed25519 " + "A" * 68,
                "instance": f"{place['type']}-{place['ordinal']}",
                **{"aim": Aim.KEEP, "keys": self._sealed},
            }

    def _log(self) -> Iterator[dict]:
        for id, line in itertools.product(self._ids, range(_LINES)):
            told = {"at": self._now, "step": "install", "target": 0, "state": None}
            yield {"deployment_id": id, **told, "text": f"line {line} of what apt-get says"}

    def _accesses(self) -> Iterator[dict]:
        for number, server in enumerate(self._servers):
            project, id = self._place(number)["project_id"], self._deployment_of(number)
            way = {"login_user": "debian", "private_key": self._sealed, "trust": Trust.INJECTED}
            key = "ssh-ed25519 " + "A" * 68
            yield {"project_id": project, "server_id": server, "deployment_id": id, "host_key": key, **way}


def _signature(claims: dict) -> str:
    """What a real one looks like: nobody verifies it here."""
    parts = ({"alg": "EdDSA", "kid": "k" * 16, "typ": "JWT"}, claims | {"host_key": "SHA256:" + "x" * 43})
    text = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*text, "s" * 86])
