"""A deployment on its way, shown: as bars on a terminal, as lines in files and pipes."""

import os
import time
from typing import TextIO

from gateway.cli import progress, texts

_SECONDS_WIDTH = 6  # "12.3 s"
_LONGEST_BAR = 40
_STYLES = {"done": "green", "failed": "red", "reverting": "yellow", "reverted": "yellow", "waiting": "dim"}
_SAID = {"reverted": "taken back"}
_MARKS = {"failed": "✗ ", "reverting": "← "}


def view(stream: TextIO, draws: bool = True) -> "Screen | Lines":
    """A context manager that fits what ``stream`` is; one that ``draws`` has its terminal for itself."""
    draws = draws and stream.isatty() and os.environ.get("TERM") != "dumb"
    return Screen(stream) if draws else Lines(stream)


class Lines:
    """A line for each change."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._seen = progress.Seen()

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_) -> None:
        self._stream.flush()

    def show(self, deployment: dict) -> None:
        self._print(progress.changes(self._seen, deployment))
        self._seen = progress.look(self._seen, deployment, time.monotonic())

    def log(self, entry: dict) -> None:
        self._print(texts.log_lines(entry))

    def _print(self, lines: list[str]) -> None:
        for line in lines:
            print(line, file=self._stream, flush=True)


class Screen:
    """A bar for each server, drawn over itself; the log, if there is any, runs above."""

    def __init__(self, stream: TextIO):
        from rich import console, live  # not for commands that draw nothing

        self._console = console.Console(file=stream, highlight=False)
        self._shown: tuple[progress.Seen, dict] = progress.Seen(), {"status": "pending"}
        self._settled = False
        self._live = live.Live(
            console=self._console,
            get_renderable=self._drawn,
            refresh_per_second=5,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> "Screen":
        self._live.start()
        return self

    def __exit__(self, *_) -> None:
        self._settled = True
        self._live.stop()

    def show(self, deployment: dict) -> None:
        """Drawn within a fifth of a second, by a thread of its own."""
        self._shown = progress.look(self._shown[0], deployment, time.monotonic()), deployment

    def log(self, entry: dict) -> None:
        from rich import text

        for line in texts.log_lines(entry):
            self._console.print(text.Text(line, style="dim"), overflow="fold")

    def _drawn(self):
        from rich import console, text

        seen, deployment = self._shown
        rows = progress.rows(seen, deployment, time.monotonic())
        notes = [progress.trouble(deployment)]
        if not self._settled:
            rows, left_out = progress.fitting(rows, max(self._console.height - 2, 2))
            notes.append(left_out)
        lines = [
            text.Text(texts.printable(note), no_wrap=True, overflow="ellipsis") for note in notes if note
        ]
        return console.Group(_table(rows, self._console.width), *lines)


def _table(rows: list[progress.Row], width: int):
    """Nothing in it moves to the side while it goes on, as far as the names are known."""
    from rich import table, text

    name_width = min(max((len(row.name) for row in rows), default=0), max(14, width // 3))
    step_width = max((len(_step(row)) for row in rows), default=0)
    step_width = max(step_width, 10)
    bar_width = max(1, min(_LONGEST_BAR, width - name_width - step_width - _SECONDS_WIDTH - 3))
    grid = table.Table.grid(padding=(0, 1, 0, 0))
    for each in (name_width, bar_width, step_width):
        grid.add_column(width=each, no_wrap=True, overflow="ellipsis")
    grid.add_column(width=_SECONDS_WIDTH, no_wrap=True, justify="right")
    for row in rows:
        style, full = _STYLES.get(row.state, ""), bar_width * row.done // row.total
        bar = text.Text.assemble(("━" * full, style or "cyan"), ("─" * (bar_width - full), "dim"))
        name = text.Text(_shortened(row.name, name_width))
        grid.add_row(name, bar, text.Text(_step(row), style=style), _seconds(row.seconds))
    return grid


def _shortened(name: str, width: int) -> str:
    """Without its middle: servers of one service differ at their end."""
    if len(name) <= width:
        return name
    head = (width - 1) // 2
    return f"{name[:head]}…{name[head + 1 - width :]}"


def _step(row: progress.Row) -> str:
    return _MARKS.get(row.state, "") + (row.step or _SAID.get(row.state, row.state))


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
