"""Servers of databases, a gateway that has them for providers, and who calls it."""

import contextlib
import pathlib
import re
import uuid

from harness import clouds
from harness.client import Client
from harness.gatewayd import Gatewayd
from harness.platform import Platform

from gateway.tests.database_servers import PASSWORD, USERNAME, MariaDB, PostgreSQL, Redis, Server

_NAME = re.compile(r"\bgw([0-9a-f]{16})(?:b([0-9a-f]{8}))?\b")
_OPTIONS = {"broker": {"max_services": 1000, "allowed_networks": "127.0.0.1/32"}}


class Ground:
    """``ends``: what is to be undone at the end."""

    def __init__(self, folder: pathlib.Path, ends: contextlib.ExitStack):
        self.servers = {kind.type: kind() for kind in (MariaDB, PostgreSQL, Redis)}
        for server in self.servers.values():
            ends.callback(server.stop)
            server.start()
        self.gateway = Gatewayd(folder, _OPTIONS)
        self.gateway.start()
        ends.callback(self.gateway.stop)
        self.client = Client(self.gateway.url, set())
        for type, server in self.servers.items():
            self._attach(type, server)
        self.platform = Platform(self.gateway.url, self._credential(ends), set())
        self.platform.read_catalog()

    def _attach(self, type: str, server: Server) -> None:
        provider = {
            "name": f"the-{type}",
            "type": type,
            "host": "127.0.0.1",
            "port": server.port,
            "username": USERNAME,
            "password": PASSWORD,
            "plans": {"free": {}},
        }
        answer = self.client.call("an admin", "POST", "/v1/providers", json={"provider": provider})
        assert answer.status_code == 201, answer.text

    def _credential(self, ends: contextlib.ExitStack) -> tuple[str, str]:
        conn = clouds.as_user("a member")
        made = conn.identity.create_application_credential(conn.current_user_id, f"stress-{uuid.uuid4()}")
        ends.callback(conn.identity.delete_application_credential, conn.current_user_id, made.id)
        return made.id, made.secret

    def services(self) -> set[tuple[str, str, str]]:
        """(type, service's id, binding's id), as the gateway has them."""
        found, path = set(), "/v1/services?limit=50"
        while path:
            page = self.client.call("a member", "GET", path).json()
            for each in page["services"]:
                bindings = self.client.call("a member", "GET", f"/v1/services/{each['name']}/bindings").json()
                found |= {(each["type"], each["id"], binding["id"]) for binding in bindings["bindings"]}
            path = next((link["href"] for link in page.get("services_links", ())), None)
            path = path and path[path.index("/v1/") :]
        return found

    def on_the_servers(self) -> tuple[set[tuple[str, str]], set[tuple[str, str, str]]]:
        """Databases (type, service's id) and logins, as the servers have them."""
        made, logins = set(), set()
        for type, server in self.servers.items():
            for thing in server.things():
                service, binding = _NAME.search(thing).groups()
                made.add((type, service))
                if binding:
                    logins.add((type, service, binding))
        return made, logins
