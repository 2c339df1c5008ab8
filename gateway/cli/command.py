"""What every command shares: the client, one-line errors, rows out of the API's dicts."""

import argparse
import contextlib
import json
import pkgutil
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from cliff import columns, command, lister, show
from stevedore import extension

from gateway.client import ApiError, Gateway


class CommandError(Exception):
    """The command cannot go on; the message is for the user, ``exit_code`` for scripts."""

    def __init__(self, message: str, exit_code: int = 1):
        super().__init__(message)
        self.exit_code = exit_code


#: What scripts may tell from 1, refused or failed.
NOT_FOUND, TIMED_OUT, AWAY = 3, 4, 5


class Connected:
    """A command that talks to the gateway. Before cliff's own class in the bases."""

    app: Any

    @property
    def gateway(self) -> Gateway:
        return self.app.client_manager.gateway

    @property
    def program(self) -> str:
        """What hints begin a command with: it may be OpenStackClient that runs this."""
        return self.app.NAME if self.app.NAME == "gateway" else f"{self.app.NAME} gateway"

    @property
    def verbosity(self) -> int:
        """How many -v were given."""
        return self.app.options.verbose_level - self.app.DEFAULT_VERBOSE_LEVEL

    def _load_hooks(self) -> None:
        self._hooks: list = []  # there are none: cliff would look through all installed packages for them

    def get_epilog(self) -> str:
        return ""  # cliff would walk all installed packages to name ours

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            return super().run(parsed_args)  # type: ignore[misc]
        except ApiError as error:
            raise CommandError(described(error), exit_code(error)) from error

    def say(self, text: str = "") -> None:
        print(text, file=self.app.stdout, flush=True)

    def warn(self, text: str) -> None:
        print(text, file=self.app.stderr, flush=True)

    @contextlib.contextmanager
    def limited(self, longest: float | None, otherwise: str) -> Iterator[None]:
        """Raises CommandError, which says ``otherwise``, after so many seconds."""
        try:
            with time_limit(longest):
                yield
        except TimeUp:
            raise CommandError(f"{otherwise} after {longest:g} s.", TIMED_OUT) from None

    @property
    def is_on_terminal(self) -> bool:
        """Whether someone can be asked."""
        return self.app.stdin.isatty() and self.app.stdout.isatty()

    def ask(self, question: str) -> str:
        """Raises CommandError where the answer is the end of input."""
        self.app.stdout.write(question)
        self.app.stdout.flush()
        line = self.app.stdin.readline()
        if not line:
            raise CommandError("Nothing was done.")
        return line.strip()

    def confirm(self, question: str, parsed_args: argparse.Namespace) -> None:
        """Asks where someone can answer; a script has decided already. Raises CommandError for a no."""
        if parsed_args.yes or not self.is_on_terminal:
            return
        if self.ask(f"{question} [y/N] ").lower() not in ("y", "yes"):
            raise CommandError("Nothing was done.")


class Command(Connected, command.Command):
    pass


_PLACE = "cliff.formatters."
_FORMATTERS = {
    "json": _PLACE + "json_format:JSONFormatter",
    "table": _PLACE + "table:TableFormatter",
    "value": _PLACE + "value:ValueFormatter",
    "yaml": _PLACE + "yaml_format:YAMLFormatter",
}


class Printing(Connected):
    """A command with rows or fields to print. ``formatters``: those that cliff brings; it would look through
    all installed packages for them, at each start."""

    formatter_namespace: str
    formatters: dict[str, str]

    def _load_formatter_plugins(self) -> extension.ExtensionManager:
        made = [
            extension.Extension(name, None, None, pkgutil.resolve_name(place)())
            for name, place in self.formatters.items()
        ]
        return extension.ExtensionManager.make_test_instance(made, namespace=self.formatter_namespace)


class List(Printing, lister.Lister):
    formatters = {"csv": _PLACE + "commaseparated:CSVLister", **_FORMATTERS}


class Show(Printing, show.ShowOne):
    formatters = {"shell": _PLACE + "shell:ShellFormatter", **_FORMATTERS}


_HINTS = {
    "client.no_endpoint": "Give --gateway-url or set GATEWAY_URL.",
    "client.unauthorized": "Check OS_CLOUD or the OS_… variables.",
}


def exit_code(error: ApiError) -> int:
    return AWAY if error.is_away else NOT_FOUND if error.status == 404 else 1


def described(error: ApiError) -> str:
    """One line: what, a hint, and what an operator needs to find it."""
    parts = [" ".join(error.detail.split())]
    if error.code in _HINTS:
        parts.append(_HINTS[error.code])
    if error.retry_after is not None:
        parts.append(f"Try again in {error.retry_after} s.")
    named = [] if error.code.startswith("client.") else [error.code]
    if error.request_id:
        named.append(f"request id {error.request_id}")
    return " ".join(parts) + (f" ({', '.join(named)})" if named else "")


class Formatted(columns.FormattableColumn):
    """A value of the API: a text of it in a table, itself in JSON and YAML."""

    def __init__(self, value: Any, text: Callable[[Any], str]):
        super().__init__(value)
        self._text = text

    def human_readable(self) -> str:
        return self._text(self._value)


class Lines(Formatted):
    """A list of the API, with a line for each of its items."""

    def __init__(self, value: Any, line: Callable[[Any], str]):
        super().__init__(value, lambda items: "\n".join(line(each) for each in items or ()))


def as_yaml(value: dict) -> Formatted:
    return Formatted(value, _yaml)


def _yaml(value: dict) -> str:
    """Without what is empty."""
    import yaml

    told = {name: each for name, each in value.items() if each not in (None, "", [], {})}
    return yaml.safe_dump(told, sort_keys=False, allow_unicode=True).rstrip() if told else ""


def name_of(reference: dict | None) -> str | None:
    """{"id", "name"} as one word."""
    return reference and (reference.get("name") or reference.get("id"))


Column = tuple[str, Callable[[dict], Any]]


def rows(items: Iterable[dict], cells: Sequence[Column]) -> tuple[list[str], list[list[Any]]]:
    """What cliff's Lister wants: titles and rows."""
    return [title for title, _ in cells], [[cell(item) for _, cell in cells] for item in items]


def fields(item: dict, special: dict[str, Callable[[Any], Any]] | None = None) -> tuple[list[str], list[Any]]:
    """What cliff's ShowOne wants, in the API's order; ``special`` formats some of the fields."""
    special = special or {}
    return list(item), [special.get(name, _plain)(value) for name, value in item.items()]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return as_yaml(value)
    if isinstance(value, list):
        return Lines(value, _word)
    return value


def _word(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def add_yes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask")


def seconds(text: str) -> float:
    """The type of an option."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be more than 0")
    return value


class TimeUp(Exception):
    """The end of a ``time_limit``."""


@contextlib.contextmanager
def time_limit(longest: float | None) -> Iterator[None]:
    """Raises TimeUp in it after so many seconds."""

    def ring(*_):
        raise TimeUp

    if longest is None:
        yield
        return
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, longest)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def add_wait(parser: argparse.ArgumentParser, *, default: bool, what: str) -> None:
    parser.add_argument(
        "--wait",
        action=argparse.BooleanOptionalAction,
        default=default,
        help=f"{what} (default: {'yes' if default else 'no'})",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=seconds,
        help="longest time to wait (for ever); what was begun goes on then, and the exit code is 4",
    )
