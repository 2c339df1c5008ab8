"""The change feed as one process reads it: who is at an index is told what came after it, each change once,
in the order of the commits.

The log is in the database, written in the transactions of the changes themselves. Its newest part is here,
read once for all who wait; who is further behind is answered from the database, as far as it reaches back.
Indexes count the changes of all projects: who sees only his own finds gaps between them, and an index that
rises while he sees nothing.
"""

import dataclasses
import threading
from collections.abc import Callable, Collection, Sequence

from gateway import errors
from gateway.registry.model import Entry, Instance
from gateway.registry.snapshot import Snapshot, View
from gateway.registry.store import RegistryStore

_KEPT = 4096  # changes that are at hand

#: A project, and a type of service or None for all of them: what can be waited for.
Interest = tuple[str, str | None]


@dataclasses.dataclass(frozen=True)
class _Newest:
    """The changes after ``start``, up to the view's index."""

    start: int
    entries: Sequence[Entry]
    view: View

    def of(self, interest: Interest, after: int) -> list[Entry]:
        return [entry for entry in self.entries[after - self.start :] if _concerns(entry, interest)]


@dataclasses.dataclass(frozen=True)
class Page:
    """``index``: where to go on from. Each change comes with its instance as it is by now, None once that is
    gone."""

    index: int
    changes: Sequence[tuple[Entry, Instance | None]]


class Feed:
    """Threads may share it; make one per process."""

    def __init__(self, store: RegistryStore, snapshot: Snapshot):
        self._store = store
        self._snapshot = snapshot
        self._lock = threading.Lock()
        self._newest: _Newest | None = None

    def refresh(self) -> int:
        """Reads what is new; the index of the last change."""
        with self._lock:
            view = self._snapshot.refresh()  # first: no change is told before its instance is there
            newest = self._newest
            if newest is None or view.index - newest.view.index > _KEPT:
                self._newest = _Newest(view.index, (), view)
            elif view is not newest.view:
                new = self._store.changes(newest.view.index, view.index)
                entries = [*newest.entries, *new][-_KEPT:]
                self._newest = _Newest(view.index - len(entries), entries, view)
            return view.index

    def after(self, interest: Interest, index: int, limit: int) -> Page:
        """At most ``limit`` of the changes after ``index``, as of the last ``refresh``. Raises Gone for an
        index that is not, or no longer, in the log."""
        newest = self._newest
        if index > newest.view.index:
            raise self._gone(index, newest.view.index)
        if index >= newest.start:
            found = newest.of(interest, index)[:limit]
        else:
            found = self._store.changes(index, newest.view.index, limit, *interest)
            if index + 1 < self._store.first_change():  # last: they may be forgotten meanwhile
                raise self._gone(index, newest.view.index)
        last = found[-1].index if len(found) == limit else newest.view.index
        return Page(last, [(entry, newest.view.instance(entry.key)) for entry in found])

    def everybodys(self, index: int) -> list[tuple[Entry, Instance | None]]:
        """The changes of all projects after ``index`` that are kept, as of the last ``refresh``."""
        newest = self._newest
        if index >= newest.start:
            found = newest.entries[index - newest.start :]
        else:
            found = self._store.changes(index, newest.view.index)
        return [(entry, newest.view.instance(entry.key)) for entry in found]

    def watch(self) -> Callable[[Collection[Interest]], Collection[Interest]]:
        """Makes what refreshes, and tells of which of the interests something may have come since it was last
        called; for one caller."""
        looked = 0

        def touched(interests: Collection[Interest]) -> Collection[Interest]:
            nonlocal looked
            index = self.refresh()
            newest, since, looked = self._newest, looked, index
            if since < newest.start:
                return interests
            keys = {entry.key for entry in newest.entries[since - newest.start :]}
            return {(key.project_id, key.type) for key in keys} | {(key.project_id, None) for key in keys}

        return touched

    def oldest(self) -> int:
        """The index from which on the log is whole."""
        return self._store.first_change() - 1

    def _gone(self, index: int, last: int) -> errors.Gone:
        oldest = self.oldest()
        return errors.Gone(
            "gateway.registry.index_gone",
            f"index: {index} is not in the log, which has the changes {oldest + 1} to {last}. Read the "
            f"instances anew and go on from {last}.",
            field="index",
            extra={"oldest": oldest, "index": last},
        )


def _concerns(entry: Entry, interest: Interest) -> bool:
    project_id, type_ = interest
    return entry.key.project_id == project_id and type_ in (None, entry.key.type)
