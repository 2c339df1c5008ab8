"""registry: find instances of services."""

from cliff import columns

from gateway.cli.command import Column, List, Show, fields, rows


def url(instance: dict) -> str:
    """Where an instance answers; the registry gives its parts."""
    host = instance["host"]
    return f"{instance['proto']}://{f'[{host}]' if ':' in host else host}:{instance['port']}"


_COLUMNS: tuple[Column, ...] = (
    ("Name", lambda instance: instance.get("name")),
    ("Type", lambda instance: instance.get("type")),
    ("URL", url),
    ("Status", lambda instance: instance.get("status")),
    ("Weight", lambda instance: instance.get("weight")),
    ("Health", lambda instance: instance.get("health")),
)


class _Token(columns.FormattableColumn):
    """A JWT: its beginning in a table, itself in the other formats."""

    def human_readable(self) -> str:
        return f"{self._value[:24]}…" if self._value else ""


def _instance(instance: dict):
    return fields({"url": url(instance), **instance}, {"signature": _Token})


class ListTypes(List):
    """List the service types that have instances"""

    def take_action(self, parsed_args):
        return ["Type"], [[name] for name in self.gateway.service_types()]


class ListInstances(List):
    """List instances, of one type or of all"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("type", metavar="TYPE", nargs="?", help="service type (all)")
        return parser

    def take_action(self, parsed_args):
        types = [parsed_args.type] if parsed_args.type else self.gateway.service_types()
        return rows([each for name in types for each in self.gateway.instances(name)], _COLUMNS)


class ShowInstance(Show):
    """Show an instance"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("instance", metavar="INSTANCE", help="type and number: hello-0")
        return parser

    def take_action(self, parsed_args):
        return _instance(self.gateway.instance(parsed_args.instance))


class ShowBest(Show):
    """Show the instance of a type to use now"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("type", metavar="TYPE", help="service type")
        return parser

    def take_action(self, parsed_args):
        return _instance(self.gateway.best_instance(parsed_args.type))
