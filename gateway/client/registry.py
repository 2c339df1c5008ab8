"""The registry: who is there, who is the best, and what changes."""

from collections.abc import Iterator
from typing import Any

from gateway.client.http import PATIENCE, Http, url_path


class Registry(Http):
    """The part of ``Gateway`` that asks the registry."""

    def registry_health(self) -> dict:
        return self._json("GET", "/registry/health")

    def service_types(self) -> list[str]:
        return [each["type"] for each in self._json("GET", "/registry/service/types")["types"]]

    def instances(self, service_type: str) -> list[dict]:
        return self._json("GET", url_path("/registry/service/types", service_type))["services"]

    def best_instance(
        self,
        service_type: str,
        *,
        balancer: str | None = None,
        key: str | None = None,
        version: str | None = None,
        tag: str | None = None,
        explain: bool = False,
    ) -> dict:
        """The one to use now; ApiError 503 with ``retry_after`` while none passes its check.

        ``balancer``: RR, RND, WRR, WRND, LL or HASH, which a ``key`` means too. ``explain`` adds
        "explanation": of each instance of the type why it was chosen or not."""
        asked = {"balancer": balancer, "key": key, "version": version, "tag": tag}
        query = {name: value for name, value in asked.items() if value is not None}
        query |= {"explain": "true"} if explain else {}
        return self._json("GET", url_path("/registry/service/types", service_type, "best"), params=query)

    def instance(self, name: str) -> dict:
        """By its name: hello-0."""
        return self._json("GET", url_path("/registry/service", name))

    def instance_by_index(self, service_type: str, index: int) -> dict:
        return self._json("GET", url_path("/registry/service/types", service_type, str(index)))

    def sign(self, service_type: str, **about: Any) -> dict:
        """A signature for a service that registers itself: {"token", "expires_at"}. ``about``: host, port,
        version, where it is for those alone."""
        return self._json("POST", "/registry/tokens", json={"type": service_type, **about})

    def signing_keys(self) -> dict:
        """The keys that verify the gateway's signatures, as a JWKS."""
        return self._json("GET", "/registry/.well-known/jwks.json")

    def find_instances(
        self,
        *,
        type: str | None = None,
        version: str | None = None,
        health: str | None = None,
        tag: str | None = None,
    ) -> list[dict]:
        """Of all types where none is given. ``version``: that very one, or a range: "~1.2" is any 1.2.x."""
        asked = {"type": type, "version": version, "health": health, "tag": tag}
        query = {name: value for name, value in asked.items() if value is not None}
        return list(self._pages("/registry/service", "services", **query))

    def prometheus_targets(self) -> list[dict]:
        """[{"targets": ["198.51.100.7:8080"], "labels": {"__meta_gateway_type": "web", …}}]"""
        return self._json("GET", "/registry/facades/http_sd")

    def register(self, instance: dict) -> dict:
        """{"status": "OK", "message": "OK", "instance": "hello-0", "change": "created", "index": 1}; raises
        ApiError where it is refused."""
        return self._json("POST", "/registry/service", json=instance)

    def replace_instance(self, name: str, instance: dict) -> dict:
        """As a whole: what ``instance`` leaves out is as in a new one. {"instance", "change": "changed",
        "index"}; the change is None where it was so already."""
        return self._json("PUT", url_path("/registry/service", name), json=instance)

    def update_instance(self, name: str, changes: dict) -> dict:
        """Only what ``changes`` has; answers as ``replace_instance`` does."""
        return self._json("PATCH", url_path("/registry/service", name), json=changes)

    def set_maintenance(self, name: str, enabled: bool, reason: str = "") -> dict:
        """Takes it out, or lets it in again once it passes; answers as ``replace_instance`` does."""
        body = {"enabled": enabled, **({"reason": reason} if reason else {})}
        return self._json("PUT", url_path("/registry/service", name) + "/maintenance", json=body)

    def remove_instance(self, name: str) -> dict:
        """{"instance", "change": "removed", "index"}"""
        return self._json("DELETE", url_path("/registry/service", name))

    def readings(self, name: str) -> dict:
        """{"name", "status", "since", "held", "check": {…}, "readings": [{"ok", "output", "at", "latency"}]},
        the newest first."""
        return self._json("GET", url_path("/registry/service", name, "readings"))

    def heartbeat(self, name: str, *, status: str = "passing", output: str | None = None) -> dict:
        """For an instance with a ttl check: it lives, or says that it is critical."""
        body = {"status": status} if output is None else {"status": status, "output": output}
        return self._json("PUT", url_path("/registry/service", name, "heartbeat"), json=body)

    def changes(
        self, index: int | None = None, wait: int = 0, type: str | None = None, limit: int | None = None
    ) -> dict:
        """What came after ``index``, waiting up to ``wait`` seconds for it: {"index": to go on from,
        "changes": [{"index", "at", "type", "instance", "change", "service"}]}; without ``index`` what comes
        from now on. ApiError 410 for one that is not in the log any more."""
        query = {"index": index, "wait": wait or None, "type": type, "limit": limit}
        given = {name: value for name, value in query.items() if value is not None}
        return self._json("GET", "/registry/changes", params=given)

    def follow_changes(
        self, index: int, type: str | None = None, patience: float = PATIENCE
    ) -> Iterator[dict]:
        """The changes after ``index``, as ``changes`` has them, for ever. A connection that breaks is made
        again; ApiError says why that has not been possible for ``patience`` seconds."""
        query = {} if type is None else {"type": type}
        for _, change in self._events("/registry/changes", query, None, index, patience):
            del change["id"]
            yield change

    def subscriptions(self) -> list[dict]:
        """The project's webhooks."""
        return list(self._pages("/registry/subscriptions", "subscriptions"))

    def subscription(self, subscription_id: str) -> dict:
        return self._json("GET", url_path("/registry/subscriptions", subscription_id))["subscription"]

    def create_subscription(self, url: str, type: str | None = None, secret: str | None = None) -> dict:
        """Has changes posted to ``url``. What is returned has the ``secret`` that they are signed with."""
        wanted = {"url": url, "type": type, "secret": secret}
        given = {name: value for name, value in wanted.items() if value is not None}
        return self._json("POST", "/registry/subscriptions", json=given)["subscription"]

    def delete_subscription(self, subscription_id: str) -> None:
        self._call("DELETE", url_path("/registry/subscriptions", subscription_id))

    def deliveries(self, subscription_id: str) -> list[dict]:
        """What did not get through to it."""
        return list(
            self._pages(url_path("/registry/subscriptions", subscription_id, "deliveries"), "deliveries")
        )

    def resend_delivery(self, subscription_id: str, index: int) -> None:
        path = url_path("/registry/subscriptions", subscription_id, "deliveries", str(index), "resend")
        self._call("POST", path)

    def resend_deliveries(self, subscription_id: str) -> int:
        """All of the dead; how many."""
        path = url_path("/registry/subscriptions", subscription_id, "deliveries", "resend")
        return self._json("POST", path)["resent"]
