"""A Debian with a systemd of its own, in a container that shares this process's network. Its disk is made by
devstack/machine, and is as before when the container ends."""

import os
import pathlib
import shutil
import signal
import subprocess
import time

_ROOT = pathlib.Path(__file__).parents[2] / ".state/machine/root"
_BOOTED_IN, _DONE_IN = 120, 240  # seconds, generous: two cores, shared with the cloud
#: Without a machine's own service manager around it: nothing is registered there, and root is root.
_NSPAWN = (
    "systemd-nspawn", "--quiet", "--boot", "--volatile=overlay", "--register=no", "--keep-unit",
    "--private-users=no", "--console=read-only",
)  # fmt: skip
#: Where the cloud's network has a /sys of its own, the machine's is under it, with the control groups.
_AS_ON_A_MACHINE = 'ls /sys/fs/cgroup/* >/dev/null 2>&1 || umount /sys; exec "$0" "$@"'


def installed() -> bool:
    return os.geteuid() == 0 and shutil.which("systemd-nspawn") is not None and _ROOT.is_dir()


class Machine:
    def __init__(self, folder: pathlib.Path):
        self.log = folder / "machine.log"
        with self.log.open("w") as log:
            command = ["unshare", "--mount", "bash", "-c", _AS_ON_A_MACHINE, *_NSPAWN, "--directory", _ROOT]
            self._container = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + _BOOTED_IN
        while not self._first() or self._ran("systemctl is-system-running --wait").returncode:
            assert self._container.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.2)

    def _first(self) -> str | None:
        """The process that is its init, as seen from here."""
        pid = self._container.pid
        return (pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split() or [None])[0]

    def _ran(self, script: str, text: str | None = None) -> subprocess.CompletedProcess:
        environment = ("env", "-i", "PATH=/opt/gateway/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8")
        spaces = ("--mount", "--uts", "--ipc", "--pid", "--net", "--cgroup", "--root", "--wd")
        command = ["nsenter", "--target", self._first(), *spaces, *environment, "bash", "-ec", script]
        return subprocess.run(command, input=text or "", capture_output=True, text=True, timeout=_DONE_IN)

    def run(self, script: str, text: str | None = None) -> str:
        """What a root shell prints, ``text`` being its input; raises AssertionError where it fails."""
        ran = self._ran(script, text)
        assert ran.returncode == 0, f"{script}\n{ran.stdout}{ran.stderr}\n{self.tail()}"
        return ran.stdout.strip()

    def shown(self, unit: str, property: str) -> str:
        return self.run(f"systemctl show --property={property} --value {unit}")

    def processes(self, unit: str) -> dict[int, str]:
        """Titles by the numbers that they have in the machine."""
        files = "/sys/fs/cgroup/{systemd/,}system.slice/$unit.service/cgroup.procs 2>/dev/null"
        each = "echo $pid $(tr '\\0' ' ' 2>/dev/null </proc/$pid/cmdline)"
        script = f"for pid in $(cat {files}); do {each}; done"
        lines = self.run(f"unit={unit}; {script}").splitlines()
        return {int(pid): title for pid, _, title in (line.partition(" ") for line in lines)}

    def tail(self, lines: int = 60) -> str:
        if self._container.poll() is not None:
            return self.log.read_text()[-4000:]
        return self._ran(f"journalctl --no-pager --lines={lines} --output=short-monotonic").stdout

    def close(self) -> None:
        """As by its power switch."""
        if self._container.poll() is None:
            first = self._first()
            if first:
                os.kill(int(first), signal.SIGKILL)
            self._container.wait(_DONE_IN)
