"""deployment: list, show, log, cancel, rollback, delete; and how one is named."""

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
    rows,
)
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
        raise CommandError(f"There is no deployment {name!r}. See: gateway deployment list")
    if len(found) > 1:
        which = ", ".join(f"{each['id'][:8]} ({each['service']}, {each['status']})" for each in found)
        raise CommandError(f"{name!r} may be any of {which}: give more of the id.")
    return found[0]


def title(deployment: dict) -> str:
    return " ".join(filter(None, (deployment["service"], deployment.get("version"))))


def log_line(entry: dict) -> str:
    return f"{entry['at'][11:19]} {entry['step']}{_target(entry)}: {entry['text'].rstrip()}"


def _event_line(event: str, data: dict, deployment: dict) -> str:
    if event == "log":
        return log_line(data)
    if event == "step":
        detail = f": {data['detail']}" if data["detail"] else ""
        return f"{data['at'][11:19]} {data['step']}{_target(data)} {data['state']}{detail}"
    if event == "status":
        return f"{data['at'][11:19]} {title(deployment)} is {data['status']}"
    fault = data["fault"]
    return fault_line({**deployment, **data}) if fault else f"{title(deployment)}: {data['status']}"


def _target(entry: dict) -> str:
    return "" if entry["target"] is None else f" #{entry['target']}"


def fault_line(deployment: dict) -> str:
    """Why it failed, where, and under which request id the operator finds more."""
    fault = deployment.get("fault")
    request = f"request id {deployment.get('request_id')}"
    if not fault:
        return f"{title(deployment)} is {deployment['status']} ({request})"
    server = "" if fault["target"] is None else f" on server #{fault['target']}"
    where = f"{fault['step']}{server}"
    return f"{title(deployment)} failed at {where}: {fault['message']} ({fault['code']}, {request})"


def _steps(value: Any) -> Lines:
    return Lines(value, lambda step: f"{step['name']}{_target(step)}: {step['state']}")


def _instances(value: Any) -> Lines:
    return Lines(value, _instance)


def _instance(each: dict) -> str:
    name = each["instance"] or f"#{each['number']} (not registered)"
    return f"{name}  {each['url'] or '-'}  on server {each['server_name'] or each['server_id'] or '-'}"


def _releases(value: Any) -> Lines:
    return Lines(value, lambda each: f"{each['number']}: {each['version']} ({each['state']})")


def _fault(value: Any) -> Any:
    return value and Lines([value], lambda fault: f"{fault['step']}: {fault['message']}")


_COLUMNS: tuple[Column, ...] = (
    ("ID", lambda deployment: deployment["id"]),
    ("Service", lambda deployment: deployment["service"]),
    ("Version", lambda deployment: deployment["version"]),
    ("Status", lambda deployment: deployment["status"]),
    ("Replicas", lambda deployment: deployment["replicas"]),
    ("Created At", lambda deployment: deployment["created_at"]),
)


class ListDeployments(List):
    """List the project's deployments"""

    def take_action(self, parsed_args):
        return rows(self.gateway.deployments(), _COLUMNS)


class ShowDeployment(Show):
    """Show a deployment with its steps and instances"""

    def get_parser(self, prog_name):
        return _with_name(super().get_parser(prog_name))

    def take_action(self, parsed_args):
        found = self.gateway.deployment(find(self.gateway, parsed_args.deployment)["id"])
        return fields(
            found, {"steps": _steps, "instances": _instances, "releases": _releases, "fault": _fault}
        )


class ShowLog(Command):
    """Show what the steps of a deployment and their remote commands printed"""

    def get_parser(self, prog_name):
        parser = _with_name(super().get_parser(prog_name))
        parser.add_argument(
            "-f", "--follow", action="store_true", help="go on until it has ended, and show its steps, too"
        )
        return parser

    def take_action(self, parsed_args):
        found = find(self.gateway, parsed_args.deployment)
        if parsed_args.follow:
            for event, data in self.gateway.follow_deployment_log(found["id"]):
                self.say(_event_line(event, data, found))
            return
        for entry in self.gateway.deployment_log(found["id"]):
            self.say(log_line(entry))


class CancelDeployment(Command):
    """Take back what is under way: a first deployment goes, an update returns to the release before"""

    def get_parser(self, prog_name):
        return _with_name(super().get_parser(prog_name))

    def take_action(self, parsed_args):
        found = find(self.gateway, parsed_args.deployment)
        self.gateway.cancel_deployment(found["id"])
        self.say(f"{title(found)} is being taken back; see: gateway deployment show {found['id'][:8]}")


class RollBackDeployment(Command):
    """Go back to an earlier release of a service"""

    def get_parser(self, prog_name):
        parser = _with_name(super().get_parser(prog_name))
        parser.add_argument("--release", metavar="NUMBER", type=int, help="its number (the one before)")
        return parser

    def take_action(self, parsed_args):
        found = find(self.gateway, parsed_args.deployment)
        begun = self.gateway.roll_back_deployment(found["id"], parsed_args.release)
        self.say(
            f"{title(found)} goes back to {begun['version']}; see: gateway deployment show {found['id'][:8]}"
        )


class DeleteDeployment(Command):
    """Undeploy: deregister its instances and delete the servers that it booted"""

    def get_parser(self, prog_name):
        parser = _with_name(super().get_parser(prog_name))
        add_wait(parser, default=True, what="wait until all is gone")
        add_yes(parser)
        return parser

    def take_action(self, parsed_args):
        found = find(self.gateway, parsed_args.deployment)
        question = f"Undeploy {title(found)} ({found['id'][:8]}) and delete the servers that it booted?"
        if not self.confirmed(question, parsed_args):
            return 1
        self.gateway.delete_deployment(found["id"])
        if parsed_args.wait:
            self._wait_until_gone(found["id"])
        self.say(f"{title(found)} is {'gone' if parsed_args.wait else 'being undeployed'}.")
        return 0

    def _wait_until_gone(self, deployment_id: str) -> None:
        try:
            while (deployment := self.gateway.deployment(deployment_id))["status"] != "delete_failed":
                time.sleep(_POLL)
        except ApiError as error:
            if error.status == 404:
                return
            raise
        raise CommandError(fault_line(deployment))


def _with_name(parser):
    parser.add_argument("deployment", metavar="DEPLOYMENT", help="id, the start of one, or the service")
    return parser
