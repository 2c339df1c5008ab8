"""One bash that keeps its variables from command to command."""

import os
import pathlib
import queue
import subprocess
import threading
import time
import uuid


class Shell:
    def __init__(self, folder: pathlib.Path, environment: dict[str, str]):
        self._mark = f"--- {uuid.uuid4().hex} "
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._bash = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._bash.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def run(self, command: str, timeout: float) -> str:
        """What it prints, standard error with it. Raises AssertionError after ``timeout`` seconds."""
        self._bash.stdin.write(f"{{ {command}\n}} </dev/null\nprintf '\\n%s\\n' '{self._mark}'\n")
        self._bash.stdin.flush()
        seen, deadline = "", time.monotonic() + timeout
        while True:
            try:
                line = self._lines.get(timeout=max(0.1, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"{command} has not ended after {timeout:g} s:\n{seen}") from None
            if line is None or line.strip() == self._mark.strip():
                return seen
            seen += line

    def close(self) -> None:
        os.killpg(self._bash.pid, 9)
        self._bash.wait()
