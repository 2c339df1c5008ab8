"""The journal of a service on one of its servers, read over SSH: what is there, or while it is written."""

import collections
import contextlib
import dataclasses
import json
import threading
from collections.abc import Callable

from oslo_log import log

from gateway import errors
from gateway.deploy import recipe, ssh, tunnel
from gateway.deploy.model import Deployment
from gateway.deploy.work import Work

LOG = log.getLogger(__name__)

_READ_TIMEOUT = 30.0  # seconds
_LONGEST_LINE = 8192  # characters of one that are shown
_AHEAD = 1000  # entries of a follower that does not take them, before the server has to wait
_PAUSE = 0.1  # seconds


@dataclasses.dataclass(frozen=True)
class Entry:
    at: int  # microseconds since 1970; the entry's id, too
    text: str


def parse(line: str) -> Entry | None:
    """One line of ``journalctl -o json``; None for what is none."""
    try:
        found = json.loads(line)
        at, message = int(found["__REALTIME_TIMESTAMP"]), found.get("MESSAGE") or ""
    except (ValueError, KeyError, TypeError):
        return None
    if isinstance(message, list):  # bytes that are no UTF-8
        message = bytes(message).decode(errors="replace")
    return Entry(at, recipe.printable(message)[:_LONGEST_LINE])


class Journal:
    """Of one target. It has a connection of its own from the beginning until ``close``."""

    def __init__(self, work: Work, number: int):
        """Raises NotFound, Conflict where there is nothing yet, and what ``ssh.connect`` raises."""
        self._work = work
        self._layout = work.layout(work.release)
        self._closing = contextlib.ExitStack()
        try:
            self._connection = self._connected(work, number)
        except BaseException:
            self._closing.close()
            raise

    def close(self) -> None:
        self._closing.close()

    def last(self, lines: int) -> list[Entry]:
        """The newest ones, oldest first."""
        entries: list[Entry] = []
        command = recipe.journal_entries(self._layout, _READ_TIMEOUT, lines)
        self._run(command, entries.append)
        return entries

    def follow(
        self,
        lines: int,
        after: int,
        seconds: float,
        take: Callable[[Entry], None],
        proceed: Callable[[], None],
    ) -> None:
        """``take`` gets, in another thread, the last ``lines`` and what comes then; or what came ``after``
        that entry. For so many seconds, or until ``proceed``, called each second, raises."""
        command = recipe.journal_entries(self._layout, seconds, lines, after)
        self._run(command, lambda entry: take(entry) if entry.at > after else None, proceed)

    def _run(self, command: recipe.Command, take: Callable, proceed: Callable = lambda: None) -> None:
        """Raises Unhealthy where it cannot be read."""
        rest = ""

        def more(text: str) -> None:
            nonlocal rest
            *lines, rest = (rest + text).split("\n")
            for entry in filter(None, map(parse, lines)):
                take(dataclasses.replace(entry, text=self._work.masked(entry.text)))

        result = self._connection.run(command, on_output=more, proceed=proceed)
        if result.status != 0:
            raise errors.Unhealthy(
                "gateway.deployment.journal",
                f"The journal cannot be read: {self._work.last_lines(result.output)}",
            )

    def _connected(self, work: Work, number: int) -> ssh.Connection:
        """One try: whoever asks is waiting."""
        target = work.target(number)
        if target.host_key is None:
            raise errors.Conflict(
                "gateway.deployment.not_running", f"Nobody has logged in to server #{number} yet: wait."
            )
        jump = work.spec.server.jump
        through = None
        if jump is not None:
            login = tunnel.login(work.store, jump, work.deployment.project_id, work.secrets(work.release))
            through = self._closing.enter_context(contextlib.closing(ssh.connect(login, work.conf)))
        access = work.access(number)
        login = ssh.Login(target.address, access.user, access.private_key, (target.host_key,))
        return self._closing.enter_context(contextlib.closing(ssh.connect(login, work.conf, through)))


class _Over(Exception):
    pass


class Follower:
    """A journal that a thread of its own reads, for another one that takes what there is. ``on_end`` is
    called once, when all of it is over."""

    def __init__(self, journal: Journal, lines: int, after: int, seconds: float, on_end: Callable[[], None]):
        self._journal = journal
        self._asked = lines, after, seconds
        self._on_end = on_end
        self._entries: collections.deque[Entry] = collections.deque()
        self._stop, self._ended = threading.Event(), threading.Event()
        threading.Thread(target=self._read, name="journal", daemon=True).start()

    def stop(self) -> None:
        """Soon."""
        self._stop.set()

    @property
    def has_news(self) -> bool:
        return bool(self._entries) or self._ended.is_set()

    def taken(self) -> list[Entry] | None:
        """What came since the last call; None: nothing will come any more."""
        if not self._entries and self._ended.is_set():
            return None
        return [self._entries.popleft() for _ in range(len(self._entries))]

    def _read(self) -> None:
        try:
            self._journal.follow(*self._asked, self._add, self._proceed)
        except _Over:
            pass
        except errors.GatewayError as error:
            LOG.info("A journal is not followed any longer: %s", error)
        except Exception:
            LOG.exception("A journal is not followed any longer")
        finally:
            self._ended.set()
            self._journal.close()
            self._on_end()

    def _add(self, entry: Entry) -> None:
        while len(self._entries) >= _AHEAD and not self._stop.wait(_PAUSE):
            pass
        self._entries.append(entry)

    def _proceed(self) -> None:
        if self._stop.is_set():
            raise _Over


def opened(work: Work, deployment: Deployment, number: int | None) -> Journal:
    """Of a target, by its number, or the first. Raises NotFound, and what ``Journal`` raises."""
    numbers = [target.number for target in deployment.targets]
    wanted = numbers[0] if number is None and numbers else number
    if wanted not in numbers:
        there = f"there are {', '.join(map(str, numbers))}" if numbers else "there are none"
        raise errors.NotFound("gateway.deployment.instance_not_found", f"instance: no #{wanted}; {there}.")
    return Journal(work, wanted)
