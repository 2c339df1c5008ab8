"""registry: find instances of services, and keep them."""

import argparse

from cliff import columns

from gateway.cli.command import Column, Command, Lines, List, Show, add_yes, as_yaml, fields, rows


def url(instance: dict) -> str:
    """Where an instance answers; the registry gives its parts."""
    host = instance["host"]
    return f"{instance['proto']}://{f'[{host}]' if ':' in host else host}:{instance['port']}"


_COLUMNS: tuple[Column, ...] = (
    ("Name", lambda instance: instance.get("name")),
    ("Type", lambda instance: instance.get("type")),
    ("URL", url),
    ("Status", lambda instance: instance.get("status")),
    ("Version", lambda instance: instance.get("version")),
    ("Weight", lambda instance: instance.get("weight")),
    ("Health", lambda instance: instance.get("health")),
)


class _Token(columns.FormattableColumn):
    """A JWT: its beginning in a table, itself in the other formats."""

    def human_readable(self) -> str:
        return f"{self._value[:24]}…" if self._value else ""


def _instance(instance: dict):
    special = {"signature": _Token, "explanation": lambda verdicts: Lines(verdicts, _why)}
    return fields({"url": url(instance), **instance}, special)


class ListTypes(List):
    """List the service types that have instances"""

    def take_action(self, parsed_args):
        return ["Type"], [[name] for name in self.gateway.service_types()]


class ShowType(List):
    """List the instances of one type; one that nobody has ever registered is an error"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("type", metavar="TYPE", help="service type")
        return parser

    def take_action(self, parsed_args):
        return rows(self.gateway.instances(parsed_args.type), _COLUMNS)


class ListTargets(List):
    """List what Prometheus is told to scrape (http_sd)"""

    def take_action(self, parsed_args):
        targets = self.gateway.prometheus_targets()
        found = [(", ".join(each["targets"]), each["labels"]) for each in targets]
        return ["Targets", "Labels"], [[where, as_yaml(labels)] for where, labels in found]


_STATUSES = ("passing", "warning", "critical", "maintenance")


_VERSION = "--service-version"  # cliff and OpenStackClient take --version for theirs wherever it stands


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        _VERSION, dest="version", metavar="VERSION", help="this very one, or a range: ~1.2 is any 1.2.x"
    )
    parser.add_argument("--tag", help="only those with this tag")


class ListInstances(List):
    """List instances, of one type or of all"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        type_ = parser.add_mutually_exclusive_group()
        type_.add_argument("type", metavar="TYPE", nargs="?", help="service type (all)")
        type_.add_argument("--type", dest="of_type", metavar="TYPE", help="the same")
        _add_filters(parser)
        parser.add_argument("--health", choices=_STATUSES, help="only those with this status")
        return parser

    def take_action(self, parsed_args):
        found = self.gateway.find_instances(
            type=parsed_args.type or parsed_args.of_type,
            version=parsed_args.version,
            health=parsed_args.health,
            tag=parsed_args.tag,
        )
        return rows(found, _COLUMNS)


class OfInstance:
    """A command about one instance."""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("instance", metavar="INSTANCE", help="type and number: hello-0")
        return parser


class ShowInstance(OfInstance, Show):
    """Show an instance: hello-0, or hello 0"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("number", metavar="NUMBER", nargs="?", type=int, help="where INSTANCE is a type")
        return parser

    def take_action(self, parsed_args):
        name, number = parsed_args.instance, parsed_args.number
        if number is None:
            return _instance(self.gateway.instance(name))
        return _instance(self.gateway.instance_by_index(name, number))


def _why(verdict: dict) -> str:
    return f"{verdict['instance']}: {'won' if verdict['won'] else 'lost'}, {verdict['why']}"


class ShowBest(Show):
    """Show the instance of a type to use now"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("type", metavar="TYPE", help="service type")
        parser.add_argument("--balancer", metavar="NAME", help="RR, RND, WRR, WRND, LL or HASH")
        parser.add_argument("--key", help="the same instance for the same key")
        _add_filters(parser)
        parser.add_argument("--explain", action="store_true", help="say of each instance why it won or lost")
        return parser

    def take_action(self, parsed_args):
        best = self.gateway.best_instance(
            parsed_args.type,
            balancer=parsed_args.balancer,
            key=parsed_args.key,
            version=parsed_args.version,
            tag=parsed_args.tag,
            explain=parsed_args.explain,
        )
        return _instance(best)


_PORT = {"type": int, "metavar": "PORT"}

#: Of a service's options: the flag, the member of the API's body, and what argparse needs.
_OPTIONS: tuple[tuple[str, str, dict], ...] = (
    ("--proto", "proto", {"choices": ("http", "https")}),
    ("--http-port", "httpPort", _PORT),
    ("--https-port", "httpsPort", _PORT),
    ("--route", "routes", {"action": "append", "metavar": "PATH", "help": "may be given several times"}),
    ("--health", "health", {"metavar": "PATH", "help": "path of the health check"}),
    ("--weight", "weight", {"type": int, "metavar": "N", "help": "its share; 0: never the best"}),
    (_VERSION, "version", {"metavar": "VERSION"}),
    ("--tag", "tags", {"action": "append", "metavar": "TAG", "help": "may be given several times"}),
    ("--signature", "signature", {"metavar": "JWT"}),
)


def _add_options(parser: argparse.ArgumentParser) -> None:
    for flag, member, details in _OPTIONS:
        parser.add_argument(flag, dest=member, **details)


def _given(parsed_args: argparse.Namespace, *more: str) -> dict:
    members = [*more, *(member for _, member, _ in _OPTIONS)]
    given = {member: getattr(parsed_args, member) for member in members}
    return {member: value for member, value in given.items() if value is not None}


class Register(Command):
    """Register a service that runs"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("type", metavar="TYPE", help="service type")
        parser.add_argument("host", metavar="ADDRESS", help="where it listens")
        parser.add_argument("port", **_PORT)
        _add_options(parser)
        return parser

    def take_action(self, parsed_args):
        wanted = {"proto": "http", **_given(parsed_args, "type", "host", "port")}
        self.say(f"{self.gateway.register(wanted)['instance']} is registered.")


class UpdateInstance(OfInstance, Command):
    """Change an instance: only what is given"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--host", metavar="ADDRESS", help="where it listens")
        parser.add_argument("--port", **_PORT)
        _add_options(parser)
        return parser

    def take_action(self, parsed_args):
        changes = _given(parsed_args, "host", "port")
        self.say(_said(self.gateway.update_instance(parsed_args.instance, changes)))


class ReplaceInstance(OfInstance, Command):
    """Change an instance as a whole: what is not given is as in a new one"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("host", metavar="ADDRESS", help="where it listens")
        parser.add_argument("port", **_PORT)
        _add_options(parser)
        return parser

    def take_action(self, parsed_args):
        type_ = parsed_args.instance.rpartition("-")[0]
        wanted = {"proto": "http", "type": type_, **_given(parsed_args, "host", "port")}
        self.say(_said(self.gateway.replace_instance(parsed_args.instance, wanted)))


def _said(answer: dict) -> str:
    return f"{answer['instance']} is {answer['change'] or 'so already'}."


class RemoveInstance(Command):
    """Remove instances"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("instances", metavar="INSTANCE", nargs="+", help="type and number: hello-0")
        add_yes(parser)
        return parser

    def take_action(self, parsed_args):
        self.confirm(f"Remove {', '.join(parsed_args.instances)}?", parsed_args)
        for name in parsed_args.instances:
            self.say(_said(self.gateway.remove_instance(name)))


class MaintenanceOn(OfInstance, Command):
    """Take an instance out: it is never the best"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--reason", default="", help="shown to who asks")
        return parser

    def take_action(self, parsed_args):
        self.gateway.set_maintenance(parsed_args.instance, True, parsed_args.reason)
        self.say(f"{parsed_args.instance} is in maintenance.")


class MaintenanceOff(OfInstance, Command):
    """Let an instance in again, once it passes its check"""

    def take_action(self, parsed_args):
        self.gateway.set_maintenance(parsed_args.instance, False)
        self.say(f"{parsed_args.instance} is in again once it passes its check.")
