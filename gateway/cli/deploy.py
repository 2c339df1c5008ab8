"""deploy: from a service.yaml to running instances, watched on the way."""

import argparse
import pathlib
import time
import uuid

from gateway.cli import artifacts, service_file, texts
from gateway.cli.start import FILE, Starting
from gateway.cli.watch import Watching
from gateway.client import ApiError

_TRIES = 5
_PAUSE = 1.0  # seconds before the second try, and twice as long before each further one


class Deploy(Starting, Watching):
    """Deploy a service as its service.yaml says; of one that runs, this is the next release"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "file",
            metavar="FILE",
            nargs="?",
            type=pathlib.Path,
            help=f"{FILE}; without one that of this folder, which is asked for and written if there is none",
        )
        parser.add_argument(
            "--set",
            metavar="KEY=VALUE",
            type=_pair,
            action="append",
            default=[],
            dest="env",
            help="a variable of the service's environment; may be repeated",
        )
        self.add_watching(parser, "follow it until it runs or has failed")
        return parser

    def take_action(self, parsed_args):
        file = parsed_args.file or self._of_this_folder()
        wish = service_file.read(file, dict(parsed_args.env))
        deployment = self._asked_for(self._with_artifact(wish))
        self.say(f"Deploying {texts.change(deployment)}: {deployment['id']}")
        if not parsed_args.wait:
            self._say_next(deployment)
            return 0
        self._say_success(self.watched(deployment, parsed_args))
        return 0

    def _of_this_folder(self) -> pathlib.Path:
        file = pathlib.Path(FILE)
        return file if file.exists() else self.begun()

    def _with_artifact(self, wish: service_file.ServiceFile) -> dict:
        if wish.artifact is None:
            return wish.deployment
        with artifacts.opened(wish.artifact) as file:
            artifact = self.gateway.create_artifact(file)
        self.say(f"Uploaded {wish.artifact}: {artifact['size']} bytes, sha256 {artifact['sha256'][:12]}…")
        return {**wish.deployment, "artifact": artifact["id"]}

    def _asked_for(self, wish: dict) -> dict:
        """Again where no answer came: by its key the gateway knows the call, so that it deploys once."""
        key = str(uuid.uuid4())
        for earlier in range(_TRIES - 1):
            try:
                return self.gateway.create_deployment(wish, key)
            except ApiError as error:
                is_being_answered = earlier > 0 and error.code == "gateway.deployment.in_progress"
                if not (error.is_away or is_being_answered):
                    raise
                wait = max(_PAUSE * 2**earlier, error.retry_after or 0)
                self.warn(f"{error.detail} Trying again in {wait:g} s.")
                time.sleep(wait)
        return self.gateway.create_deployment(wish, key)

    def _say_success(self, deployment: dict) -> None:
        self.check_success(deployment)
        self.say(f"{texts.title(deployment)} runs.")
        self.say_what_runs(deployment)
        self._say_next(
            deployment,
            f"curl {deployment['instances'][0]['url']}/",
            f"{self.program} registry best {deployment['service']}",
        )

    def _say_next(self, deployment: dict, *commands: str) -> None:
        verbs = ["show", "log", "delete"]
        if any(each["state"] == "old" for each in deployment.get("releases", ())):
            verbs.insert(2, "rollback")
        self.say("Try next:")
        more = (f"{self.program} deployment {verb} {deployment['id'][:8]}" for verb in verbs)
        for command in (*commands, *more):
            self.say(f"  {command}")


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value
