"""A terminal for a command that draws on one."""

import errno
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Sequence

_LINES = 40


def run(
    command: list[str],
    environment: dict[str, str],
    width: int,
    timeout: float,
    answers: Sequence[tuple[str, str]] = (),
    cwd: str | None = None,
) -> tuple[str, int]:
    """All that it drew, one picture after the other, without colours and moves of the cursor; its exit code.
    ``answers``: what it asks, in this order, and what is then typed. Raises AssertionError after ``timeout``
    seconds."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, width, 0, 0))
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with subprocess.Popen(command, **streams, env=environment, cwd=cwd) as process:
        os.close(theirs)
        try:
            drawn = _read(ours, time.monotonic() + timeout, list(answers))
        except AssertionError:
            process.kill()
            raise
        finally:
            os.close(ours)
    text = drawn.decode(errors="replace").replace("\r", "\n")
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text), process.returncode


def _read(terminal: int, deadline: float, answers: list[tuple[str, str]]) -> bytes:
    drawn, answered = b"", 0
    while True:
        if answers and answers[0][0].encode() in drawn[answered:]:
            answered = len(drawn)
            os.write(terminal, f"{answers.pop(0)[1]}\n".encode())
        assert time.monotonic() < deadline, f"it has not ended: {drawn[-2000:]!r}"
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            drawn += os.read(terminal, 65536)
        except OSError as error:
            if error.errno == errno.EIO:  # the other end was closed: it is over
                return drawn
            raise
