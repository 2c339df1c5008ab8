"""A gatewayd of the run's own: its configuration, state and log in one folder, on a free port."""

import configparser
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import requests

from gateway.tests import databases
from harness import clouds
from harness.names import address_here

_BIN = pathlib.Path(sys.executable).parent
#: The daemons of a run take no larger artifact, so that none of that size need be sent.
MAX_ARTIFACT = 1024 * 1024
_AIO_NETWORKS = "198.51.100.0/24,198.18.0.0/16,203.0.113.0/24"
_UP = 60  # seconds for the health check to answer, generous: two cores, shared with the cloud


class Gatewayd:
    """``options`` are by section, over the harness's own: {"ssh": {"ready_timeout": 5}}; ``variables`` are of
    its environment. ``launcher``: a script that runs it in its own way (harness.crashing)."""

    def __init__(
        self,
        folder: pathlib.Path,
        options: dict[str, dict] | None = None,
        variables: dict[str, str] | None = None,
        launcher: pathlib.Path | None = None,
    ):
        self._program = [sys.executable, "-P", launcher] if launcher else [_BIN / "gatewayd"]
        self.state = folder / "state"
        self.state.mkdir(parents=True)
        self.port, self.rpc_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "gatewayd.log"
        self._config = folder / "gateway.conf"
        self._sections = {
            "DEFAULT": {"state_path": self.state},
            "api": {"port": self.port},
            "rpc": {"port": self.rpc_port},
            # of what never gets healthy a scenario need not wait for the default's two minutes
            "deploy": {"max_artifact": MAX_ARTIFACT, "healthy_timeout": 60},
            # the services that scenarios register are on this machine
            # so many of them end with their scenarios that a brake would hold them
            "monitor": {"brake_minimum": 1000},
            "registry": {"allowed_networks": f"{address_here()},{_AIO_NETWORKS}"},
            "broker": {
                "allowed_networks": "127.0.0.1/32",
                "max_services": 5,
                "max_bindings": 3,
                "size_interval": 2,
            },
            "keystone_authtoken": _service_user(),
        }
        self.database = f"sqlite:///{self.state}/gateway.db"
        if databases.SERVER:
            self.new_database()
        self.configure(options or {})
        self.environment = os.environ | (variables or {})
        self._process: subprocess.Popen | None = None

    def configure(self, options: dict[str, dict]) -> None:
        """Writes the file anew, with ``options`` too."""
        for name, values in options.items():
            self._sections.setdefault(name, {}).update(values)
        parser = configparser.RawConfigParser(default_section="")
        parser.read_dict(self._sections)
        with self._config.open("w") as file:
            parser.write(file)
        self._config.chmod(0o600)

    def new_database(self) -> None:
        """Empty, as of the next start."""
        if not databases.SERVER:
            for path in self.state.glob("gateway.db*"):
                path.unlink()
            return
        if "database" in self._sections:
            databases.dropped(self.database)
        self.database = databases.made(str(self.state))
        self._sections["database"] = {"connection": self.database}

    @property
    def metrics_url(self) -> str:
        """Of one that was given a port for them."""
        return f"http://127.0.0.1:{self._sections['metrics']['port']}"

    @property
    def password(self) -> str:
        """Of its service user."""
        return self._sections["keystone_authtoken"]["password"]

    @property
    def command(self) -> list[str | pathlib.Path]:
        return [*self._program, "--config-file", self._config]

    def start(self) -> "Gatewayd":
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,  # its processes are one group, which ``kill`` takes down as one
            )
        self._wait_until_up()
        return self

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + _UP
        while True:
            if self._process.poll() is not None:
                raise AssertionError(f"gatewayd exited with {self._process.returncode}:\n{self.tail()}")
            try:
                if requests.get(self.url + "/healthcheck", timeout=5).ok:
                    if "role" not in self._sections["DEFAULT"]:  # then it runs all of them
                        socket.create_connection(("127.0.0.1", self.rpc_port), timeout=5).close()
                    return
            except OSError:  # requests' own are such, too
                pass
            assert time.monotonic() < deadline, f"gatewayd is not up after {_UP} s:\n{self.tail()}"
            time.sleep(0.2)

    @property
    def pid(self) -> int:
        """Of its first process, which is its process group's number, too."""
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def exit_code(self, timeout: float = 60) -> int:
        """Waits for its end; raises subprocess.TimeoutExpired."""
        return self._process.wait(timeout)

    def stop(self) -> None:
        """As systemd stops it; it must end by itself, with 0."""
        if not self.running:
            return
        self.signal(signal.SIGTERM)
        try:
            code = self.exit_code()
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"gatewayd did not stop upon SIGTERM:\n{self.tail()}") from None
        assert code == 0, f"gatewayd ended with {code} upon SIGTERM:\n{self.tail()}"

    def kill(self) -> None:
        """As a power cut does: every process of it, at once."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def freeze(self) -> None:
        """Every process of it stands still, until ``thaw``."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.killpg(self._process.pid, signal.SIGCONT)

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def _service_user() -> dict[str, str]:
    """On devstack/aio the user ``gateway``; on a cloud of one's own that cloud's user, who may check his own
    tokens and be the trustee of his own trusts."""
    auth = clouds.cloud(clouds.OWN_CLOUD or "gateway").config.config["auth"]
    names = (
        "auth_url", "username", "password", "project_name", "project_id",
        "user_domain_name", "user_domain_id", "project_domain_name", "project_domain_id",
    )  # fmt: skip
    found = {name: auth[name] for name in names if auth.get(name)}
    return {"auth_type": "password", "www_authenticate_uri": auth["auth_url"], **found}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
