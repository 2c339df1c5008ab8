"""The container image, which devstack/features has built from this checkout, run by podman as an operator
does: as its own user, with nothing that it may write but its volume, and no privileges."""

import json
import os
import pathlib
import shutil
import subprocess
import uuid

from harness.gatewayd import Gatewayd

_HERE = pathlib.Path(__file__).parents[2]
#: Runs podman and its like where they have the image.
ENGINE = str(_HERE / "devstack/containers")
_PODMAN = [ENGINE, "podman"]
_CONFINED = (
    *("--read-only", "--read-only-tmpfs=false"),
    *("--cap-drop=ALL", "--security-opt=no-new-privileges"),
)
_TIMEOUT = 300  # seconds
IMAGE = "localhost/gateway:test"
BUILD_LOG = _HERE / ".state/image.log"

_NEEDED = ("buildah", "podman", "crun", "catatonit", "debootstrap", "etcd")
installed = os.geteuid() == 0 and all(map(shutil.which, _NEEDED))


def podman(*arguments: str) -> subprocess.CompletedProcess:
    pipes = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
    return subprocess.run([*_PODMAN, *arguments], timeout=_TIMEOUT, **pipes)


def done(*arguments: str) -> str:
    """What podman prints, which must not fail."""
    ended = podman(*arguments)
    assert ended.returncode == 0, f"podman {arguments}: {ended.stderr}"
    return ended.stdout


def image() -> dict:
    """As ``podman image inspect`` has it. Where there is none its build has failed."""
    assert podman("image", "exists", IMAGE).returncode == 0, BUILD_LOG.read_text()[-4000:]
    return json.loads(done("image", "inspect", IMAGE))[0]


def run_once(*command: str, user: str = "") -> subprocess.CompletedProcess:
    """``command`` in a container of its own, with no network."""
    options = ("--rm", "--network=none", "--no-healthcheck", *(("--user", user) if user else ()))
    return podman("run", *options, "--entrypoint", command[0], IMAGE, *command[1:])


class Contained(Gatewayd):
    """The image's, configured by environment variables alone, on the network of this machine."""

    def __init__(self, folder: pathlib.Path, options: dict[str, dict] | None = None):
        super().__init__(folder, options)
        self.name = f"gateway-{uuid.uuid4().hex[:12]}"
        self._variables = {
            f"OS_{group}__{option}".upper(): str(value)
            for group, values in self._sections.items()
            for option, value in values.items()
            if option != "state_path"  # it is the volume
        }
        self.environment = os.environ | self._variables

    @property
    def command(self) -> list[str]:
        names = [f"--env={name}" for name in self._variables]  # whose values no list of processes shows
        return [
            *(*_PODMAN, "run", "--rm", f"--name={self.name}", "--network=host", "--no-healthcheck"),
            *(*_CONFINED, *names, IMAGE),
        ]

    def run_inside(self, *command: str) -> subprocess.CompletedProcess:
        return podman("exec", self.name, *command)

    def kill(self) -> None:
        podman("kill", "--signal=KILL", self.name)
        self._process.wait(_TIMEOUT)
        super().kill()
