"""A platform of the Open Service Broker API, as Cloud Foundry is one: it knows the specification alone."""

import base64
import dataclasses
import json
import time
import urllib.parse
import uuid
from typing import Any

import requests

_TIMEOUT = 60  # seconds, as Cloud Foundry's
_SOON = 60


@dataclasses.dataclass
class Platform:
    """``login``: user name and password of the broker's. ``called`` as in harness.client."""

    url: str
    login: tuple[str, str]
    called: set[tuple[str, str]]
    ids: dict[str, str] = dataclasses.field(default_factory=dict)  # of the catalogue: redis, redis_free …

    def call(self, method: str, path: str, timeout: float = _TIMEOUT, **kwargs) -> requests.Response:
        """``path`` from /osb on; ``kwargs`` are those of requests."""
        self.called.add((method, urllib.parse.urlsplit(path).path))
        headers = {
            "X-Broker-API-Version": "2.17",
            "X-Broker-API-Request-Identity": str(uuid.uuid4()),
            **(kwargs.pop("headers", None) or {}),
        }
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                method, self.url + path, headers=headers, auth=self.login, timeout=timeout, **kwargs
            )

    def read_catalog(self) -> requests.Response:
        answer = self.call("GET", "/osb/v2/catalog")
        self.remember(answer.json())
        return answer

    def remember(self, catalog: dict[str, Any]) -> None:
        for offering in catalog["services"]:
            self.ids[offering["name"]] = offering["id"]
            self.ids |= {f"{offering['name']}_{plan['name']}": plan["id"] for plan in offering["plans"]}

    def provision(self, instance: str, type: str, plan: str = "free", **kwargs) -> requests.Response:
        wanted = self._named(type, plan) | {"organization_guid": "o-1", "space_guid": "s-1"}
        return self.call("PUT", f"/osb/v2/service_instances/{instance}", json=wanted, **kwargs)

    def bind(self, instance: str, binding: str, type: str, plan: str = "free", **kwargs) -> requests.Response:
        path = f"/osb/v2/service_instances/{instance}/service_bindings/{binding}"
        return self.call("PUT", path, json=self._named(type, plan), **kwargs)

    def deprovision(self, instance: str, type: str, plan: str = "free", **kwargs) -> requests.Response:
        params = self._named(type, plan) | (kwargs.pop("params", None) or {})
        return self.call("DELETE", f"/osb/v2/service_instances/{instance}", params=params, **kwargs)

    def polled(self, path: str, operation: str | None = None) -> str:
        """What becomes of what is under way at ``path``: succeeded, failed, or gone."""
        deadline = time.monotonic() + _SOON
        while True:
            answer = self.call("GET", f"{path}/last_operation", params={"operation": operation})
            if answer.status_code == 410:
                return "gone"
            assert answer.status_code == 200 or answer.status_code >= 500, answer.text
            if answer.ok and (state := answer.json()["state"]) != "in progress":
                return state
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.2)

    def _named(self, type: str, plan: str) -> dict[str, str]:
        return {"service_id": self.ids[type], "plan_id": self.ids[f"{type}_{plan}"]}


def identity(user: dict) -> dict[str, str]:
    """The header that says on whose behalf."""
    value = base64.b64encode(json.dumps(user).encode()).decode()
    return {"X-Broker-API-Originating-Identity": f"cloudfoundry {value}"}
