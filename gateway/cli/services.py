"""service: databases of the project's own, and their logins."""

import time

from gateway.cli.command import Column, Command, CommandError, List, Show, add_wait, add_yes, fields, rows

_POLL = 1.0  # seconds

_COLUMNS: tuple[Column, ...] = (
    ("Name", lambda service: service["name"]),
    ("Type", lambda service: service["type"]),
    ("Plan", lambda service: service["plan"]),
    ("Provider", lambda service: service["provider"]),
    ("Status", lambda service: service["status"]),
    ("Created At", lambda service: service["created_at"]),
)
_BINDING_COLUMNS: tuple[Column, ...] = (
    ("ID", lambda binding: binding["id"]),
    ("Status", lambda binding: binding["status"]),
    ("Created At", lambda binding: binding["created_at"]),
)


def _shown(thing: dict):
    """Each of the credentials is a field of its own: -c MYSQL_URL."""
    return fields({**thing, **(thing.pop("credentials", None) or {})})


class ListServices(List):
    """List the project's services"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--provider", metavar="NAME", help="only those on it")
        parser.add_argument("--user", metavar="ID", help="only those that this user asked for")
        return parser

    def take_action(self, parsed_args):
        return rows(self.gateway.services(parsed_args.user, parsed_args.provider), _COLUMNS)


class _OfService:
    """A command about one service."""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("service", metavar="SERVICE", help="name: mysql-746017aa")
        return parser


class ShowService(_OfService, Show):
    """Show a service, with its credentials"""

    def take_action(self, parsed_args):
        return _shown(self.gateway.service(parsed_args.service))


class CreateService(Show):
    """Have a service made"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("type", metavar="TYPE", help="mysql, for example; see provider list")
        parser.add_argument("--plan", required=True, metavar="NAME", help="see provider list")
        parser.add_argument("--name", help="default: its type and a number")
        parser.add_argument("--provider", metavar="NAME", help="default: the one with the fewest services")
        return parser

    def take_action(self, parsed_args):
        wanted = {name: getattr(parsed_args, name) for name in ("type", "plan", "name", "provider")}
        given = {name: value for name, value in wanted.items() if value is not None}
        return _shown(self.gateway.create_service(given))


class UpdateService(_OfService, Show):
    """Change a service's plan"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--plan", required=True, metavar="NAME", help="see provider list")
        return parser

    def take_action(self, parsed_args):
        return _shown(self.gateway.update_service(parsed_args.service, parsed_args.plan))


class RotateService(_OfService, Command):
    """Have new credentials in place of a service's; deployments that bind it are deployed anew with them"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        add_wait(parser, default=True, what="wait until everything runs with them and the old ones are gone")
        return parser

    def take_action(self, parsed_args):
        service = self.gateway.rotate_service(parsed_args.service)
        if parsed_args.wait:
            with self.limited(parsed_args.timeout, f"{service['name']} does not have them everywhere"):
                service = self._rotated(service)
        rotation = service["rotation"]
        if rotation["status"] == "failed":
            raise CommandError(rotation["fault"]["message"])
        is_over = rotation["status"] == "succeeded"
        has = "has" if is_over else "gets"
        self.say(f"{service['name']} {has} new credentials: binding {rotation['successor']}.")

    def _rotated(self, service: dict) -> dict:
        told = None
        while service["rotation"]["status"] == "running":
            if (now := _behind(service)) != told:
                self.say(now)
                told = now
            time.sleep(_POLL)
            service = self.gateway.service(service["name"])
        return service


def _behind(service: dict) -> str:
    successor = service["rotation"]["successor"]
    left = [each for each in service["deployments"] if each["binding"] != successor]
    names = ", ".join(dict.fromkeys(f"{each['service']} ({each['status']})" for each in left))
    return f"With the old credentials: {names or 'nothing'}."


def _said(what: str, gone: bool) -> str:
    return f"{what} is {'deleted' if gone else 'being deleted'}."


class DeleteService(Command):
    """Delete services, and what is in them"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("services", metavar="SERVICE", nargs="+", help="name")
        add_yes(parser)
        return parser

    def take_action(self, parsed_args):
        question = f"Delete {', '.join(parsed_args.services)} and all data in there?"
        self.confirm(question, parsed_args)
        for name in parsed_args.services:
            self.say(_said(name, self.gateway.delete_service(name)))


class ListBindings(_OfService, List):
    """List the logins to a service"""

    def take_action(self, parsed_args):
        return rows(self.gateway.bindings(parsed_args.service), _BINDING_COLUMNS)


class CreateBinding(_OfService, Show):
    """Make another login to a service; those that there are stay"""

    def take_action(self, parsed_args):
        return _shown(self.gateway.create_binding(parsed_args.service))


class _OfBinding(_OfService):
    """A command about one login."""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("binding", metavar="BINDING", help="id")
        return parser


class ShowBinding(_OfBinding, Show):
    """Show a login to a service, with its credentials"""

    def take_action(self, parsed_args):
        return _shown(self.gateway.binding(parsed_args.service, parsed_args.binding))


class DeleteBinding(_OfBinding, Command):
    """Delete a login to a service"""

    def take_action(self, parsed_args):
        gone = self.gateway.delete_binding(parsed_args.service, parsed_args.binding)
        self.say(_said(f"{parsed_args.service}'s binding {parsed_args.binding}", gone))
