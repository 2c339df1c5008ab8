"""The services of docker-compose.yaml that are the gateway's, run by podman-compose as they stand. Only
the network is another, this machine's, since Keystone is there, and their PostgreSQL and their etcd."""

import os
import pathlib
import subprocess
import sys
import uuid

import yaml

from harness import container

_FILE = pathlib.Path(__file__).parents[2] / "docker-compose.yaml"
_PROGRAM = (container.ENGINE, sys.executable, "-m", "podman_compose")
_ELSEWHERE = {"postgresql", "etcd"}
_TIMEOUT = 300  # seconds


class Composed:
    """``folder`` has what is secret, ``variables`` are the operator's."""

    def __init__(self, folder: pathlib.Path, variables: dict[str, str]):
        self.project = f"gateway-{uuid.uuid4().hex[:12]}"
        self._file = folder / "docker-compose.yaml"
        self._file.write_text(yaml.safe_dump(_on_this_network(yaml.safe_load(_FILE.read_text()))))
        own = {"GATEWAY_IMAGE": container.IMAGE, "GATEWAY_SECRETS": str(folder)}
        self._environment = os.environ | variables | own

    def run(self, *arguments: str) -> str:
        """What podman-compose prints; it must not fail."""
        ended = subprocess.run(
            [*_PROGRAM, "--project-name", self.project, "--file", self._file, *arguments],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TIMEOUT,
            stdin=subprocess.DEVNULL,
        )
        assert ended.returncode == 0, f"podman-compose {arguments}: {ended.stdout}"
        return ended.stdout

    def container(self, service: str) -> str:
        return f"{self.project}_{service}_1"


def _on_this_network(file: dict) -> dict:
    services = {name: service for name, service in file["services"].items() if name not in _ELSEWHERE}
    for service in services.values():
        for key in ("networks", "ports", "build"):
            service.pop(key, None)
        service["network_mode"] = "host"
        needed = service["depends_on"].items()
        service["depends_on"] = {name: how for name, how in needed if name not in _ELSEWHERE}
    return file | {"services": services}
