"""server: boot, look at and delete servers."""

import time
from typing import Any

from gateway.cli.command import (
    Column,
    Command,
    CommandError,
    Lines,
    List,
    Show,
    add_wait,
    add_yes,
    fields,
    name_of,
    rows,
)
from gateway.client import ApiError

_POLL = 1.0  # seconds


def _address(entry: dict) -> str:
    kind = " (floating)" if entry.get("type") == "floating" else ""
    return f"{entry['network']}={entry['address']}{kind}"


def _addresses(value: Any) -> Lines:
    return Lines(value, _address)


_COLUMNS: tuple[Column, ...] = (
    ("ID", lambda server: server["id"]),
    ("Name", lambda server: server.get("name")),
    ("Status", lambda server: server.get("status")),
    ("Addresses", lambda server: _addresses(server.get("addresses"))),
    ("Flavor", lambda server: name_of(server.get("flavor"))),
    ("Image", lambda server: name_of(server.get("image"))),
)
_SPECIAL = {"addresses": _addresses, "flavor": name_of, "image": name_of}


class ListServers(List):
    """List the project's servers"""

    def take_action(self, parsed_args):
        return rows(self.gateway.servers(), _COLUMNS)


class ShowServer(Show):
    """Show a server"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="SERVER", help="name or id")
        return parser

    def take_action(self, parsed_args):
        return fields(self.gateway.server(parsed_args.server), _SPECIAL)


class CreateServer(List):
    """Boot one or more servers"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="NAME", help="name of the server")
        parser.add_argument("--flavor", required=True, help="name or id")
        parser.add_argument("--image", required=True, help="name or id")
        parser.add_argument("--network", required=True, help="name or id")
        parser.add_argument("--key-name", metavar="KEY", help="key pair in Nova that may log in as well")
        parser.add_argument(
            "--security-group",
            metavar="GROUP",
            action="append",
            dest="security_groups",
            help="name or id; may be repeated",
        )
        parser.add_argument("--user-data", metavar="FILE", help="cloud-init user data")
        parser.add_argument("--count", type=int, default=1, help="how many (1)")
        add_wait(parser, default=False, what="wait until they are ACTIVE")
        return parser

    def take_action(self, parsed_args):
        servers = self.gateway.create_servers(_wish(parsed_args))
        if parsed_args.wait:
            with self.limited(parsed_args.timeout, f"{parsed_args.name} is still being built"):
                servers = [self._active(server["id"]) for server in servers]
        return rows(servers, _COLUMNS)

    def _active(self, server_id: str) -> dict:
        while (server := self.gateway.server(server_id))["status"] == "BUILD":
            time.sleep(_POLL)
        if server["status"] == "ERROR":
            why = server.get("fault") or "Nova gives no reason"
            raise CommandError(f"Server {server['name']} ({server_id}) failed: {why}")
        return server


def _wish(parsed_args) -> dict:
    """The body of POST /v1/servers, with what was given."""
    names = ("name", "flavor", "image", "network", "key_name", "security_groups", "count")
    server = {name: value for name in names if (value := getattr(parsed_args, name)) is not None}
    if parsed_args.user_data:
        try:
            with open(parsed_args.user_data, encoding="utf-8") as file:
                server["user_data"] = file.read()
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"Cannot read the user data {parsed_args.user_data}: {error}") from error
    return server


class DeleteServer(Command):
    """Delete servers"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("servers", metavar="SERVER", nargs="+", help="name or id")
        add_wait(parser, default=False, what="wait until they are gone")
        add_yes(parser)
        return parser

    def take_action(self, parsed_args):
        found = [self.gateway.server(name) for name in parsed_args.servers]
        self.confirm(f"Delete {', '.join(server['name'] for server in found)}?", parsed_args)
        for server in found:
            self.gateway.delete_server(server["id"])
        with self.limited(parsed_args.timeout, f"{', '.join(parsed_args.servers)}: still there"):
            while parsed_args.wait and any(self._exists(each["id"]) for each in found):
                time.sleep(_POLL)
        return 0

    def _exists(self, server_id: str) -> bool:
        try:
            self.gateway.server(server_id)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True
