"""Hosts made of network namespaces, on one bridge: each has an address of its own and can be cut off from
what another serves. For root; what is made here is gone with the namespaces that make runs it in."""

import os
import pathlib
import signal
import subprocess
import time

HUB = "10.77.0.1"  # this side of the bridge: the database, etcd, HAProxy and what is checked
NETWORK = "10.77.0.0/24"
_BRIDGE = "several"


def _run(*command: str | int) -> None:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(str(each) for each in command)}: {done.stderr}"


def make_network() -> None:
    pathlib.Path("/run/netns").mkdir(exist_ok=True)
    _run("mount", "-t", "tmpfs", "several", "/run/netns")  # names of this run alone
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", _BRIDGE, "type", "bridge")
    _run("ip", "address", "add", f"{HUB}/24", "dev", _BRIDGE)
    _run("ip", "link", "set", _BRIDGE, "up")


class Host:
    """``start`` runs its one gatewayd."""

    def __init__(self, name: str, number: int, folder: pathlib.Path):
        self.name, self.address, self.folder = name, f"10.77.0.{number}", folder / name
        self.folder.mkdir()
        self.log = self.folder / "log"
        self._process: subprocess.Popen | None = None
        _run("ip", "netns", "add", name)
        _run("ip", "link", "add", f"v-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
        _run("ip", "link", "set", f"v-{name}", "master", _BRIDGE, "up")
        self._inside("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            self._inside("ip", "link", "set", device, "up")

    def _inside(self, *command: str | int) -> None:
        _run("ip", "netns", "exec", self.name, *command)

    def start(self, *command: str | pathlib.Path) -> None:
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                ["ip", "netns", "exec", self.name, *command],
                stdout=log,
                stderr=log,
                start_new_session=True,  # its processes are one group
            )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """All its processes at once, as a power cut does."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        if self.running:
            self._process.terminate()
            self._process.wait(60)

    def freeze(self) -> None:
        os.killpg(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.killpg(self._process.pid, signal.SIGCONT)

    def cut(self, *ports: int) -> None:
        """What is sent to them, and comes from them, is lost without a word."""
        for port in ports:
            self._inside("iptables", "-A", "OUTPUT", "-d", HUB, "-p", "tcp", "--dport", port, "-j", "DROP")
            self._inside("iptables", "-A", "INPUT", "-s", HUB, "-p", "tcp", "--sport", port, "-j", "DROP")

    def heal(self) -> None:
        self._inside("iptables", "-F")

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def until(fact, seconds: float, what: str) -> float:
    """Seconds until ``fact`` is true; raises AssertionError after ``seconds``."""
    began = time.monotonic()
    while not fact():
        assert time.monotonic() - began < seconds, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)
    return time.monotonic() - began
