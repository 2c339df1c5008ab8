"""deployment: list, show, log, cancel, rollback, delete; and how one is named."""

import time
from typing import Any

from gateway.cli import texts
from gateway.cli.command import (
    NOT_FOUND,
    Column,
    Command,
    CommandError,
    Formatted,
    Lines,
    List,
    Show,
    add_wait,
    add_yes,
    fields,
    rows,
)
from gateway.cli.watch import Watching
from gateway.client import ApiError, Gateway

_POLL = 0.5  # seconds


def find(gateway: Gateway, name: str) -> dict:
    """By its id, the start of it where that is unique, or its service where only one deployment has it."""
    if len(name) >= 32:
        return gateway.deployment(name)
    everything = gateway.deployments()
    found = [each for each in everything if each["id"].startswith(name)]
    if not found:
        named = [each for each in everything if each["service"] == name]
        # Of a failed one nothing is left: it only counts where there is no other.
        found = [each for each in named if each["status"] != "failed"] or named
    if not found:
        raise CommandError(
            f"There is no deployment {name!r}; `deployment list` shows those there are.", NOT_FOUND
        )
    if len(found) > 1:
        which = ", ".join(f"{each['id'][:8]} ({each['service']}, {each['status']})" for each in found)
        raise CommandError(f"{name!r} may be any of {which}: give more of the id.")
    return found[0]


def _steps(value: Any) -> Lines:
    return Lines(value, lambda step: f"{texts.step_name(step['name'], step['target'])}: {step['state']}")


def _instances(value: Any) -> Lines:
    return Lines(value, _instance)


def _instance(each: dict) -> str:
    name = each["instance"] or f"#{each['number']} (not registered)"
    return f"{name}  {each['url'] or '-'}  on server {each['server_name'] or each['server_id'] or '-'}"


def _releases(value: Any) -> Lines:
    return Lines(value, lambda each: f"{each['number']}: {each['version']} ({each['state']})")


def _fault(value: Any) -> Any:
    return value and Formatted(value, lambda fault: "\n".join(texts.fault_lines(fault)))


_COLUMNS: tuple[Column, ...] = (
    ("ID", lambda deployment: deployment["id"]),
    ("Service", lambda deployment: deployment["service"]),
    ("Version", lambda deployment: deployment["version"]),
    ("Release", lambda deployment: deployment["release"]),
    ("Status", lambda deployment: deployment["status"]),
    ("Replicas", lambda deployment: deployment["replicas"]),
    ("Created At", lambda deployment: deployment["created_at"]),
)


class ListDeployments(List):
    """List the project's deployments"""

    def take_action(self, parsed_args):
        return rows(self.gateway.deployments(), _COLUMNS)


class ShowDeployment(Show):
    """Show a deployment with its steps, instances, releases and why it failed"""

    def get_parser(self, prog_name):
        return with_name(super().get_parser(prog_name))

    def take_action(self, parsed_args):
        found = self.gateway.deployment(find(self.gateway, parsed_args.deployment)["id"])
        return fields(
            found, {"steps": _steps, "instances": _instances, "releases": _releases, "fault": _fault}
        )


class ShowLog(Command):
    """Show what the steps of a deployment and their remote commands printed"""

    def get_parser(self, prog_name):
        parser = with_name(super().get_parser(prog_name))
        parser.add_argument(
            "-f", "--follow", action="store_true", help="go on until it has ended, and show its steps, too"
        )
        return parser

    def take_action(self, parsed_args):
        found = find(self.gateway, parsed_args.deployment)
        if parsed_args.follow:
            self._follow(found)
            return
        for entry in self.gateway.deployment_log(found["id"]):
            self._say_entry(entry)

    def _follow(self, found: dict) -> None:
        for event, data in self.gateway.follow_deployment_log(found["id"]):
            if event == "log":
                self._say_entry(data)
            elif event == "step":
                self.say(texts.step_line(data))
            elif event == "status":
                self.say(texts.status_line(data, found))
            else:
                self._say_end(found, data)

    def _say_end(self, found: dict, end: dict) -> None:
        if end["fault"]:
            self.say(texts.fault_line(self.gateway.deployment(found["id"])))
        else:
            self.say(f"{texts.title(found)}: {end['status']}")

    def _say_entry(self, entry: dict) -> None:
        for line in texts.log_lines(entry):
            self.say(line)


class CancelDeployment(Watching):
    """Take back what is under way: a first deployment goes, an update returns to the release before"""

    def get_parser(self, prog_name):
        parser = with_name(super().get_parser(prog_name))
        self.add_watching(parser, "follow it until all is taken back")
        return parser

    def take_action(self, parsed_args):
        found = find(self.gateway, parsed_args.deployment)
        deployment = self.gateway.cancel_deployment(found["id"])
        if not parsed_args.wait:
            where = f"see: {self.program} deployment show {found['id'][:8]}"
            self.say(f"{texts.title(found)} is being taken back; {where}")
            return 0
        ended = self.watched(deployment, parsed_args)
        if ended["status"] not in ("rolled_back", "failed"):
            raise CommandError(f"{texts.title(found)} was not taken back: it is {ended['status']}.")
        what = (
            f"{ended['version']} runs again" if ended["status"] == "rolled_back" else "nothing is left of it"
        )
        self.say(f"{texts.title(found)} was taken back; {what}.")
        return 0


class RollBackDeployment(Watching):
    """Go back to an earlier release of a service"""

    def get_parser(self, prog_name):
        parser = with_name(super().get_parser(prog_name))
        parser.add_argument("--release", metavar="NUMBER", type=int, help="its number (the one before)")
        self.add_watching(parser, "follow it until it runs or has failed")
        return parser

    def take_action(self, parsed_args):
        found = find(self.gateway, parsed_args.deployment)
        deployment = self.gateway.roll_back_deployment(found["id"], parsed_args.release)
        self.say(f"Going back: {texts.change(deployment)}")
        if not parsed_args.wait:
            self.say(f"See: {self.program} deployment show {found['id'][:8]}")
            return 0
        ended = self.watched(deployment, parsed_args)
        self.check_success(ended)
        self.say(f"{texts.title(ended)} runs again.")
        self.say_what_runs(ended)
        return 0


class DeleteDeployment(Command):
    """Undeploy: deregister its instances and delete the servers that it booted"""

    def get_parser(self, prog_name):
        parser = with_name(super().get_parser(prog_name))
        add_wait(parser, default=True, what="wait until all is gone")
        add_yes(parser)
        return parser

    def take_action(self, parsed_args):
        found = find(self.gateway, parsed_args.deployment)
        question = f"Undeploy {texts.title(found)} ({found['id'][:8]}) and delete the servers that it booted?"
        self.confirm(question, parsed_args)
        self.gateway.delete_deployment(found["id"])
        if parsed_args.wait:
            with self.limited(parsed_args.timeout, f"{texts.title(found)} is still there"):
                self._wait_until_gone(found["id"])
        self.say(f"{texts.title(found)} is {'gone' if parsed_args.wait else 'being undeployed'}.")
        return 0

    def _wait_until_gone(self, deployment_id: str) -> None:
        try:
            while (deployment := self.gateway.deployment(deployment_id))["status"] != "delete_failed":
                time.sleep(_POLL)
        except ApiError as error:
            if error.status == 404:
                return
            raise
        raise CommandError(texts.fault_line(deployment))


def with_name(parser):
    parser.add_argument("deployment", metavar="DEPLOYMENT", help="id, the start of one, or the service")
    return parser
