"""The surroundings of commands that a user runs."""

import os
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time

from harness import clouds

GATEWAY = pathlib.Path(sys.executable).parent / "gateway"
_STATE = pathlib.Path(__file__).parents[2] / ".state"  # where devstack/features puts things
NODE_MODULES = _STATE / "node/node_modules"


def promtool() -> str | None:
    """Where it is."""
    return shutil.which("promtool", path=f"{os.environ['PATH']}:{_STATE}")


def environment(context) -> dict[str, str]:
    """A member's, with the daemon of the run, and ``gateway`` on the path."""
    return os.environ | {
        "OS_CLOUD": clouds.USERS["a member"],
        "GATEWAY_URL": context.client.url,
        "PATH": f"{GATEWAY.parent}:{os.environ['PATH']}",
        "COLUMNS": "200",
        "no_proxy": "*",
    }


class Watched:
    """A command that goes on, and what it has printed, errors too."""

    def __init__(self, command: list[str], environment: dict[str, str]):
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # as in a shell's foreground
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._printed = ""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._process.stdout:
            self._lines.put(line)

    def wait_for(self, text: str, timeout: float = 60) -> None:
        deadline = time.monotonic() + timeout
        while text not in self._printed:
            try:
                self._printed += self._lines.get(timeout=max(0.1, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"it has not printed {text!r} but {self._printed!r}") from None

    def interrupt(self) -> subprocess.CompletedProcess:
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(60)
        return subprocess.CompletedProcess(self._process.args, code, self._printed, "")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
