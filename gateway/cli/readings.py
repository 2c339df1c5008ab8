"""registry readings and heartbeat: how an instance is."""

from gateway.cli.command import Column, Command, List, rows
from gateway.cli.registry import OfInstance

_COLUMNS: tuple[Column, ...] = (
    ("At", lambda reading: reading["at"]),
    ("OK", lambda reading: reading["ok"]),
    ("Latency", lambda reading: reading["latency"]),
    ("Output", lambda reading: reading["output"]),
)


class ListReadings(OfInstance, List):
    """List the last answers to an instance's health check, the newest first; latency in seconds"""

    def take_action(self, parsed_args):
        return rows(self.gateway.readings(parsed_args.instance)["readings"], _COLUMNS)


class Heartbeat(OfInstance, Command):
    """Report that an instance lives, where its check is of the kind ttl"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--critical", action="store_true", help="report that it does not do well")
        parser.add_argument("--output", metavar="TEXT", help="what to show of it")
        return parser

    def take_action(self, parsed_args):
        status = "critical" if parsed_args.critical else "passing"
        self.gateway.heartbeat(parsed_args.instance, status=status, output=parsed_args.output)
        self.say(f"{parsed_args.instance} is {status}.")
