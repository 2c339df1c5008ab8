"""provider: who makes services, for those who manage them."""

import argparse
import getpass
import json
import pathlib

import yaml

from gateway.cli.command import Column, Command, CommandError, Formatted, List, Show, add_yes, fields, rows


def _plans(value: dict) -> Formatted:
    return Formatted(value, lambda plans: "\n".join(_plan_text(*each) for each in plans.items()))


def _offers(value: dict) -> Formatted:
    """mysql: free, big"""
    return Formatted(
        value, lambda offers: "\n".join(f"{type}: {', '.join(plans)}" for type, plans in offers.items())
    )


def _address(provider: dict) -> str:
    place = f"{provider['host']}:{provider['port']}" if "host" in provider else ""
    return provider.get("url", place)


def _plan_text(name: str, limits: dict) -> str:
    return ",".join([name, *(f"{limit}={value}" for limit, value in limits.items())])


_COLUMNS: tuple[Column, ...] = (
    ("Name", lambda provider: provider["name"]),
    ("Type", lambda provider: provider["type"]),
    ("Address", lambda provider: _address(provider)),
    ("Offers", lambda provider: _offers(provider["offers"])),
    ("Status", lambda provider: provider["status"]),
)
_SPECIAL = {"plans": _plans, "offers": _offers}
#: What of a provider is given anew with each change; those that it has.
_SETTINGS = ("host", "port", "url", "service", "username", "ca")


def _plan(text: str) -> tuple[str, dict]:
    """The type of an option: free,connections=5,statement_timeout=1.5"""
    name, *limits = text.split(",")
    pairs = [limit.partition("=") for limit in limits]
    try:
        return name, {
            limit: value if limit == "description" else json.loads(value) for limit, _, value in pairs
        }
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME,LIMIT=NUMBER,…") from error


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", metavar="URL", help="of a provider of type http or osb")
    parser.add_argument(
        "--service", metavar="TYPE", help="what services of a provider of type http or server are"
    )
    parser.add_argument(
        "--ca-file", metavar="FILE", help="whose certificates are trusted; default: the host's"
    )
    parser.add_argument("--host", metavar="ADDRESS", help="where a server of databases listens")
    parser.add_argument("--port", type=int, metavar="PORT")
    parser.add_argument("--username", metavar="NAME", help="who may manage it")
    parser.add_argument("--password-file", metavar="FILE", help="whose first line is the password")
    parser.add_argument(
        "--plan",
        dest="plans",
        type=_plan,
        action="append",
        metavar="NAME[,LIMIT=NUMBER]",
        help="free,connections=5,statement_timeout=10; may be given several times",
    )
    parser.add_argument(
        "--plan-file",
        dest="recipes",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "FILE"),
        help="a plan of a provider of type server, in YAML; may be given several times",
    )


def _given(parsed_args: argparse.Namespace) -> dict:
    wanted = {name: getattr(parsed_args, name) for name in ("url", "service", "host", "port", "username")}
    plans = dict(parsed_args.plans or ()) | {name: _recipe(path) for name, path in parsed_args.recipes}
    wanted["plans"] = plans or None
    if parsed_args.password_file:
        wanted["password"] = _text("--password-file", parsed_args.password_file).partition("\n")[0]
    if parsed_args.ca_file:
        wanted["ca"] = _text("--ca-file", parsed_args.ca_file)
    return {name: value for name, value in wanted.items() if value is not None}


def _recipe(path: str) -> dict:
    """As of a service.yaml."""
    try:
        plan = yaml.safe_load(_text("--plan-file", path))
    except yaml.YAMLError as error:
        raise CommandError(f"--plan-file {path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(plan, dict):
        raise CommandError(f"--plan-file {path} is no plan: it must be fields, such as port: 6379.")
    return plan


def _text(option: str, path: str) -> str:
    try:
        return pathlib.Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{option} {path}: {error}") from error


class ListProviders(List):
    """List the providers and what they offer"""

    def take_action(self, parsed_args):
        return rows(self.gateway.providers(), _COLUMNS)


class ShowProvider(Show):
    """Show a provider"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("provider", metavar="PROVIDER", help="name")
        return parser

    def take_action(self, parsed_args):
        return fields(self.gateway.provider(parsed_args.provider), _SPECIAL)


class CreateProvider(Show):
    """Attach a provider"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="NAME")
        parser.add_argument(
            "--type", required=True, help="mysql (MariaDB too), postgresql, redis, http, osb or server"
        )
        _add_options(parser)
        return parser

    def take_action(self, parsed_args):
        wanted = {"name": parsed_args.name, "type": parsed_args.type, **_given(parsed_args)}
        if "username" in wanted and "password" not in wanted and self.app.stdin.isatty():
            wanted["password"] = getpass.getpass(f"Password of {parsed_args.username}: ")
        return fields(self.gateway.create_provider(wanted), _SPECIAL)


class UpdateProvider(Show):
    """Change a provider: what is given, and of its plans those that are named"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("provider", metavar="PROVIDER", help="name")
        _add_options(parser)
        parser.add_argument("--no-plan", metavar="NAME", action="append", default=[], help="take one away")
        return parser

    def take_action(self, parsed_args):
        known, given = self.gateway.provider(parsed_args.provider), _given(parsed_args)
        wanted = {name: known[name] for name in _SETTINGS if known.get(name)} | given
        if "plans" in known:
            plans = known["plans"] | given.get("plans", {})
            wanted["plans"] = {name: plan for name, plan in plans.items() if name not in parsed_args.no_plan}
        return fields(self.gateway.replace_provider(parsed_args.provider, wanted), _SPECIAL)


class DeleteProvider(Command):
    """Detach providers"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("providers", metavar="PROVIDER", nargs="+", help="name")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--force", action="store_true", help="delete all of their services first")
        how.add_argument(
            "--forget",
            action="store_true",
            help="they never come back: delete nothing there, and say what is left",
        )
        add_yes(parser)
        return parser

    def take_action(self, parsed_args):
        what = "with all services" if parsed_args.force or parsed_args.forget else "which have no services"
        self.confirm(f"Delete {', '.join(parsed_args.providers)}, {what}?", parsed_args)
        for name in parsed_args.providers:
            if parsed_args.forget:
                left = self.gateway.forget_provider(name)
                self.say(f"{name} is forgotten. Left there, maybe: {', '.join(left) or 'nothing'}.")
                continue
            gone = self.gateway.delete_provider(name, parsed_args.force)
            self.say(f"{name} is deleted." if gone else f"{name} goes with the last of its services.")
