"""registry watch: what changes, as it does."""

import json

from gateway.cli import texts
from gateway.cli.command import Command, TimeUp, seconds, time_limit
from gateway.cli.registry import url


class Watch(Command):
    """Print the changes of the registry as they come, until Ctrl-C"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("--type", metavar="TYPE", help="only those of this service type")
        parser.add_argument(
            "--since", metavar="INDEX", type=int, help="begin with what came after it, rather than now"
        )
        parser.add_argument(
            "--json", action="store_true", help="a JSON object in each line, as the API has it"
        )
        parser.add_argument(
            "--timeout", metavar="SECONDS", type=seconds, help="end after so long (never), with exit code 0"
        )
        return parser

    def take_action(self, parsed_args):
        try:
            with time_limit(parsed_args.timeout):
                self._watch(parsed_args)
        except TimeUp:
            return

    def _watch(self, parsed_args) -> None:
        since = parsed_args.since
        if since is None:
            since = self.gateway.changes(type=parsed_args.type)["index"]
        if not parsed_args.json:
            self.warn(f"Changes after {since}:")
        for change in self.gateway.follow_changes(since, parsed_args.type):
            self.say(json.dumps(change) if parsed_args.json else _line(change))


def _line(change: dict) -> str:
    """16:23:05 changed hello-0 passing http://198.51.100.7:8080 1.0.0: /health answers 200"""
    what = f"{change['at'][11:19]} {change['change']} {change['instance']}"
    instance = change["service"]
    if instance is None:
        return what
    told = " ".join(filter(None, (what, instance["status"], url(instance), instance.get("version"))))
    output = texts.printable(instance.get("output") or "")
    return f"{told}: {output}" if output else told
