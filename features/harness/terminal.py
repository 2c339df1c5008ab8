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

_LINES = 40


def run(command: list[str], environment: dict[str, str], width: int, timeout: float) -> tuple[str, int]:
    """All that it drew, one picture after the other, without colours and moves of the cursor; its exit code.
    Raises AssertionError after ``timeout`` seconds."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, width, 0, 0))
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        try:
            drawn = _read(ours, time.monotonic() + timeout)
        except AssertionError:
            process.kill()
            raise
        finally:
            os.close(ours)
    text = drawn.decode(errors="replace").replace("\r", "\n")
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text), process.returncode


def _read(terminal: int, deadline: float) -> bytes:
    drawn = b""
    while True:
        assert time.monotonic() < deadline, f"it has not ended: {drawn[-2000:]!r}"
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            drawn += os.read(terminal, 65536)
        except OSError as error:
            if error.errno == errno.EIO:  # the other end was closed: it is over
                return drawn
            raise
