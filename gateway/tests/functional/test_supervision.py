"""What a gatewayd tells systemd, over such a socket, and what becomes of a process that hangs."""

import configparser
import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest
import requests

_SOON = 60  # seconds, generous: a machine that others use, too


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Daemon:
    """A gatewayd of the API and gRPC; it meets no Keystone before a request has a token."""

    def __init__(self, folder: pathlib.Path):
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(folder / "notify"))
        self._notify.settimeout(_SOON)
        self.port = free_port()
        config = configparser.RawConfigParser(default_section="")
        config.read_dict(
            {
                "DEFAULT": {"state_path": folder, "worker_timeout": 2},
                "api": {"port": self.port, "workers": 1},
                "rpc": {"port": free_port()},
                "keystone_authtoken": {"auth_type": "password", "auth_url": "http://127.0.0.1:9/v3"},
            }
        )
        with (folder / "gateway.conf").open("w") as file:
            config.write(file)
        program = pathlib.Path(sys.executable).with_name("gatewayd")
        self.process = subprocess.Popen(
            [program, "--config-file", folder / "gateway.conf", "--role", "api", "--role", "rpc"],
            env=os.environ | {"NOTIFY_SOCKET": str(folder / "notify")},
            stderr=(folder / "log").open("wb"),
            start_new_session=True,
        )

    def told(self, name: str) -> None:
        """Waits until it has said so; what it has said before that is forgotten."""
        deadline = time.monotonic() + _SOON
        while not any(line.startswith(f"{name}=") for line in self._notify.recv(4096).decode().split("\n")):
            assert time.monotonic() < deadline, f"it has not said {name}"

    def answers(self) -> bool:
        return requests.get(f"http://127.0.0.1:{self.port}/healthcheck", timeout=_SOON).ok

    def children(self) -> set[int]:
        """Of any of its threads: one of them forks."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task")
        return {int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()}

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._notify.close()


@pytest.fixture
def daemon(tmp_path):
    made = Daemon(tmp_path)
    yield made
    made.close()


def test_systemd_is_told_what_is_true(daemon):
    daemon.told("READY")
    assert daemon.answers()
    first = daemon.children()
    daemon.process.send_signal(signal.SIGHUP)
    daemon.told("RELOADING")
    daemon.told("READY")
    assert daemon.answers()
    assert not first & daemon.children()
    daemon.told("WATCHDOG")
    daemon.process.send_signal(signal.SIGTERM)
    daemon.told("STOPPING")
    assert daemon.process.wait(_SOON) == 0


def test_a_process_that_hangs_is_killed_and_another_one_comes(daemon):
    daemon.told("READY")
    before = daemon.children()
    hung = min(before)
    os.kill(hung, signal.SIGSTOP)
    deadline = time.monotonic() + _SOON
    while hung in (now := daemon.children()) or len(now) < len(before):
        assert time.monotonic() < deadline, (before, now)
        time.sleep(0.1)
    assert before - {hung} <= now
    assert daemon.answers()
