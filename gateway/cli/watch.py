"""Following a deployment until it has ended, and saying how it did."""

import argparse
import time
from collections.abc import Iterator

from gateway.cli import progress, screen, texts
from gateway.cli.command import (
    NOT_FOUND,
    TIMED_OUT,
    Command,
    CommandError,
    TimeUp,
    add_wait,
    described,
    exit_code,
    time_limit,
)
from gateway.client import ApiError

_POLL = 1.0  # seconds, while there is no stream of events to be had
_PATIENCE = 60.0  # seconds that the gateway may be away, being restarted
_LOG_LINES = 12
UNDER_WAY = ("pending", "running", "finishing", "reverting", "deleting")


class Watching(Command):
    """A command that begins something with a deployment and follows it."""

    def add_watching(self, parser: argparse.ArgumentParser, what: str) -> None:
        add_wait(parser, default=True, what=what)
        parser.add_argument("--watch", action="store_true", help="show what the steps print, too; so does -v")

    def watched(self, deployment: dict, parsed_args: argparse.Namespace) -> dict:
        """As it stands when it has ended. Raises CommandError where it cannot be followed that long."""
        short = deployment["id"][:8]
        view = screen.view(self.app.stdout, draws=self.verbosity < 2)  # from there on the libraries talk, too
        try:
            with time_limit(parsed_args.timeout), view:
                return self._followed(deployment, view, shows_log=parsed_args.watch or self.verbosity > 0)
        except TimeUp:
            whose = f"{texts.title(deployment)} has not ended in {parsed_args.timeout:g} s"
            raise CommandError(
                f"{whose} and goes on; see: {self.program} deployment show {short}", TIMED_OUT
            ) from None
        except KeyboardInterrupt:
            self.warn(f"\n{texts.title(deployment)} goes on without you. To see how, or to take it back:")
            self.warn(f"  {self.program} deployment show {short}\n  {self.program} deployment cancel {short}")
            raise

    def _followed(self, deployment: dict, view, shows_log: bool) -> dict:
        """By the events of its log; where these are interrupted, or cannot be had, by asking."""
        after = None
        view.show(deployment)
        while deployment["status"] in UNDER_WAY:
            for event, data in self._events(deployment, after):
                after = data["id"]
                if event == "log" and shows_log:
                    view.log(data)
                deployment = self._named(progress.with_event(deployment, event, data), data)
                view.show(deployment)
            deployment = self._asked(deployment)
            view.show(deployment)
            if deployment["status"] in UNDER_WAY:
                time.sleep(_POLL)
        return deployment

    def _events(self, deployment: dict, after: int | None) -> Iterator[tuple[str, dict]]:
        """Those of what is under way: the log has those of all releases. It begins with the status that the
        deployment has, at or after the time at which its release was asked for."""
        is_new = after is not None
        begun = max((each["created_at"] for each in deployment.get("releases", ())), default="")
        try:
            for event, data in self.gateway.follow_deployment_log(deployment["id"], after, patience=0):
                is_begin = event == "status" and data["status"] == deployment["status"]
                is_new = is_new or (is_begin and data["at"] >= begun)
                if is_new and event != "end":
                    yield event, data
        except ApiError as error:
            if not error.is_away:
                raise

    def _named(self, deployment: dict, data: dict) -> dict:
        """Asks again where a step may have found out which server it is about."""
        server = next(
            (each for each in deployment.get("instances", ()) if each["number"] == data.get("target")), None
        )
        if server is None or server.get("server_name") or data.get("state") != "done":
            return deployment
        return self._asked(deployment)

    def _asked(self, deployment: dict) -> dict:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                return self.gateway.deployment(deployment["id"])
            except ApiError as error:
                if error.status == 404:
                    raise CommandError(f"{texts.title(deployment)} was deleted.", NOT_FOUND) from error
                if not error.is_away or time.monotonic() > deadline:
                    more = f"It may go on; see: {self.program} deployment show {deployment['id'][:8]}"
                    raise CommandError(f"{described(error)} {more}", exit_code(error)) from error
            time.sleep(_POLL)

    def check_success(self, deployment: dict) -> None:
        """Raises CommandError, with its reason, where it has not succeeded; before that comes what may
        explain it: the service's journal and the server's console, else the end of the log."""
        if deployment["status"] == "succeeded":
            return
        fault = deployment["fault"] or {}
        for line in texts.evidence(fault) if fault.get("journal") else self._log_end(deployment["id"]):
            self.warn(line)
        raise CommandError(texts.fault_line(deployment))

    def _log_end(self, deployment_id: str) -> list[str]:
        try:
            log = self.gateway.deployment_log(deployment_id)
        except ApiError as error:
            return [f"Its log cannot be had: {described(error)}"]
        lines = [line for entry in log for line in texts.log_lines(entry)]
        return ["The end of its log:", *(f"  | {line}" for line in lines[-_LOG_LINES:])] if lines else []

    def say_what_runs(self, deployment: dict) -> None:
        for each in deployment["instances"]:
            server = f"{each['server_name']} ({each['server_id']})"
            self.say(f"  {each['instance']}  {each['url']}  on server {server}")
