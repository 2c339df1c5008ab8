"""deploy: from a service.yaml to running instances, watched on the way."""

import argparse
import pathlib
import shutil
import time

from gateway.cli import artifacts, progress, service_file
from gateway.cli.command import Command, CommandError, add_wait, described
from gateway.cli.deployments import fault_line, log_line, title
from gateway.client import ApiError

_POLL = 0.5  # seconds
_PATIENCE = 60.0  # seconds that the gateway may be away, being restarted
_LOG_LINES = 12
_GOES_ON = ("pending", "running", "finishing", "reverting")


class Deploy(Command):
    """Deploy a service as its service.yaml says"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", type=pathlib.Path, help="service.yaml")
        parser.add_argument(
            "--set",
            metavar="KEY=VALUE",
            type=_pair,
            action="append",
            default=[],
            dest="env",
            help="a variable of the service's environment; may be repeated",
        )
        add_wait(parser, default=True, what="follow it until it runs or has failed")
        return parser

    def take_action(self, parsed_args):
        wish = service_file.read(parsed_args.file, dict(parsed_args.env))
        deployment = self.gateway.create_deployment(self._with_artifact(wish))
        self.say(f"Deploying {title(deployment)}: {deployment['id']}")
        if not parsed_args.wait:
            self._say_where(deployment["id"])
            return 0
        try:
            return self._ended(self._followed(deployment))
        except KeyboardInterrupt:
            self.warn("\nThe deployment goes on without you.")
            self._say_where(deployment["id"])
            return 130

    def _with_artifact(self, wish: service_file.ServiceFile) -> dict:
        if wish.artifact is None:
            return wish.deployment
        with artifacts.opened(wish.artifact) as file:
            artifact = self.gateway.create_artifact(file)
        self.say(f"Uploaded {wish.artifact}: {artifact['size']} bytes, sha256 {artifact['sha256'][:12]}…")
        return {**wish.deployment, "artifact": artifact["id"]}

    def _followed(self, deployment: dict) -> dict:
        view = _Screen(self.app.stdout) if self.app.stdout.isatty() else _Lines(self.app.stdout)
        view.show(deployment)
        while deployment["status"] in _GOES_ON:
            time.sleep(_POLL)
            deployment = self._asked_again(deployment["id"])
            view.show(deployment)
        return deployment

    def _asked_again(self, deployment_id: str) -> dict:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                return self.gateway.deployment(deployment_id)
            except ApiError as error:
                is_away = error.code == "client.unreachable" or error.status in (502, 503, 504)
                if not is_away or time.monotonic() > deadline:
                    more = f"It may go on; see: gateway deployment show {deployment_id[:8]}"
                    raise CommandError(f"{described(error)} {more}") from error
            time.sleep(_POLL)

    def _ended(self, deployment: dict) -> int:
        if deployment["status"] != "succeeded":
            self._say_log_end(deployment["id"])
            raise CommandError(fault_line(deployment))
        self.say(f"{title(deployment)} runs.")
        for each in deployment["instances"]:
            server = f"{each['server_name']} ({each['server_id']})"
            self.say(f"  {each['instance']}  {each['url']}  on server {server}")
        self.say("Try next:")
        self.say(f"  curl {deployment['instances'][0]['url']}/")
        self.say(f"  gateway registry best {deployment['service']}")
        self._say_where(deployment["id"], heading="")
        return 0

    def _say_log_end(self, deployment_id: str) -> None:
        try:
            log = self.gateway.deployment_log(deployment_id)
        except ApiError as error:
            self.warn(f"Its log cannot be had: {described(error)}")
            return
        lines = [line for entry in log for line in log_line(entry).splitlines()]
        for line in lines[-_LOG_LINES:]:
            self.warn(f"  | {line}")

    def _say_where(self, deployment_id: str, heading: str = "Try next:") -> None:
        commands = [f"  gateway deployment {verb} {deployment_id[:8]}" for verb in ("show", "log", "delete")]
        for line in ([heading] if heading else []) + commands:
            self.say(line)


class _Lines:
    """For files and pipes: a line for each change."""

    def __init__(self, stream):
        self._stream = stream
        self._seen = progress.Seen()

    def show(self, deployment: dict) -> None:
        for line in progress.changes(self._seen, deployment):
            print(line, file=self._stream, flush=True)
        self._seen = progress.look(self._seen, deployment, time.monotonic())


class _Screen:
    """For terminals: the steps drawn over themselves."""

    def __init__(self, stream):
        self._stream = stream
        self._seen = progress.Seen()
        self._drawn = 0

    def show(self, deployment: dict) -> None:
        now = time.monotonic()
        self._seen = progress.look(self._seen, deployment, now)
        size = shutil.get_terminal_size()
        lines = progress.screen(self._seen, deployment, now, size.columns, max(size.lines - 2, 1))
        # up to the first line, and clear from there
        up = f"\x1b[{self._drawn}F" if self._drawn else ""
        self._stream.write(up + "\x1b[J" + "".join(line + "\n" for line in lines))
        self._stream.flush()
        self._drawn = len(lines)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value
