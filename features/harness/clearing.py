"""Clears away after a scenario, and asks Nova, Neutron and Keystone, not the gateway, what is left."""

import time

from harness import clouds
from harness.client import Client
from harness.gatewayd import Gatewayd
from harness.servers import SharedServers

_WHO = ("a member",) if clouds.OWN_CLOUD else ("a member", "a stranger")


class Clearing:
    """``begin`` is called before anything is made, with the client of the daemon that will make it."""

    def __init__(self, shared: SharedServers, others: bool = False):
        """``others``: someone else works in the project too: what is left is shown and decides nothing."""
        self._shared = shared
        self._others = others
        self._before: dict[str, dict[str, str]] | None = None
        self._clients: list[Client] = []
        self.servers: list[tuple[Client, str]] = []  # booted by POST /v1/servers, to be deleted
        self.daemons: list[Gatewayd] = []  # of the scenario's own, to be shown when it fails

    def begin(self, client: Client) -> None:
        if self._before is None:
            self._before = {name: clouds.holdings(name) for name in clouds.MEMBERS}
        if client not in self._clients:
            self._clients.append(client)

    def clear(self, deadline: float) -> None:
        """Deletes through the gateway; raises AssertionError when something stays."""
        if self._before is None:
            return
        for client in self._clients:
            for who in _WHO:
                _undeploy_all(client, who, deadline)
        for client, server_id in self.servers:
            client.call("a member", "DELETE", f"/v1/servers/{server_id}")
        self.assert_nothing_left(deadline)

    def assert_nothing_left(self, deadline: float) -> None:
        assert self._before is not None, "nothing was asked for"
        left = clouds.left_since(self._before, set(self._shared.ids), deadline)
        text = "left behind by the scenario:\n  " + "\n  ".join(left)
        if left and self._others:
            print(text)
            return
        assert not left, text


def empty_registry(client: Client) -> None:
    """What a scenario has registered is in no other one's way: its type's name, its port."""
    for who in _WHO:
        for instance in client.call(who, "GET", "/registry/service").json()["services"]:
            if instance["deployment"] is None:
                client.call(who, "DELETE", f"/registry/service/{instance['name']}")


def _undeploy_all(client: Client, who: str, deadline: float) -> None:
    """Services first: what is deployed for them goes with them."""
    for service in client.call(who, "GET", "/v1/services").json()["services"]:
        client.call(who, "DELETE", f"/v1/services/{service['name']}")
    for deployment in client.call(who, "GET", "/v1/deployments").json()["deployments"]:
        undeploy(client, who, deployment["id"], deadline)


def _log(client: Client, who: str, url: str) -> str:
    """The end of a deployment's log."""
    lines = client.call(who, "GET", f"{url}/log").json().get("log", ())[-10:]
    return "\n".join(f"{line['at']} {line['step']} {line['target']}: {line['text']}" for line in lines)


def undeploy(client: Client, who: str, deployment_id: str, deadline: float) -> None:
    """DELETE, and wait until it is gone."""
    url = f"/v1/deployments/{deployment_id}"
    asked = client.call(who, "DELETE", url)
    goes_with_service = "gateway.deployment.of_service" in asked.text
    assert goes_with_service or asked.status_code in (202, 404), f"DELETE {url}: {asked.text}"
    while (answer := client.call(who, "GET", url)).status_code != 404:
        found = answer.json()["deployment"]
        is_going = goes_with_service or found["status"] == "deleting"
        assert is_going, f"{deployment_id} is {found['status']}: {found['fault']}"
        assert time.monotonic() < deadline, (
            f"{deployment_id} is still {found['status']}\n{_log(client, who, url)}"
        )
        time.sleep(0.5)
