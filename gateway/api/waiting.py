"""Requests that wait for something to happen, and are told as it does.

Such a request holds a thread while it waits, which costs it a stack and no time: what can change is looked at
by one thread of the process for all of them. A few are woken at a time, and each then wakes the next: all at
once they would fight for the interpreter, take twice as long, and hold up everybody else.

Bodies are made by generators, which yield bytes, or None when there is nothing to tell yet: the yield then
gives them back whether something may have happened meanwhile; else a heartbeat is due.
"""

import collections
import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Generator, Hashable, Iterable

import webob
from oslo_config import cfg

from gateway import errors

LOG = logging.getLogger(__name__)

_AT_ONCE = 8  # woken at the same time
_RETRY_AFTER = 1.0  # seconds, when the database cannot be asked

#: Which of the awaited keys may have changed since the last call; too many cost time, too few are an error.
Look = Callable[[Collection[Hashable]], Iterable[Hashable]]
Chunks = Generator[bytes | None, bool, None]


class Waiting:
    """The places of one process, ``[api] max_waiters`` of them. Make it after any fork."""

    def __init__(self, conf: cfg.ConfigOpts):
        self.heartbeat = conf.api.heartbeat
        self.closed = False
        self._most = conf.api.max_waiters
        self._taken = 0
        self._lock = threading.Lock()
        self._topics: list[Topic] = []

    def topic(self, name: str, look: Look, interval: float) -> "Topic":
        """``look`` is called each ``interval`` seconds while somebody waits."""
        topic = Topic(self, name, look, interval)
        self._topics.append(topic)
        return topic

    def close(self) -> None:
        """Every place is given up soon, and none is had any more: the process ends."""
        self.closed = True
        for topic in self._topics:
            topic.wake_all()

    def take(self) -> None:
        """Raises Unavailable when there is no place."""
        with self._lock:
            if self.closed or self._taken >= self._most:
                raise errors.Unavailable(
                    "gateway.api.waiters", "Too many requests wait here already.", retry_after=2
                )
            self._taken += 1

    def give_back(self) -> None:
        with self._lock:
            self._taken -= 1


class Topic:
    """What is waited for, by key. Its thread lives while somebody waits."""

    def __init__(self, waiting: Waiting, name: str, look: Look, interval: float):
        self.waiting = waiting
        self._name = name
        self._look = look
        self._interval = interval
        self._lock = threading.Lock()
        self._places: dict[Hashable, set[Place]] = {}
        self._due: collections.deque[Place] = collections.deque()
        self._watched = False

    def add(self, place: "Place") -> None:
        with self._lock:
            self._places.setdefault(place.key, set()).add(place)
            if not self._watched:
                self._watched = True
                threading.Thread(target=self._watch, name=f"waiting-{self._name}", daemon=True).start()

    def remove(self, place: "Place") -> None:
        with self._lock:
            places = self._places[place.key]
            places.discard(place)
            if not places:
                del self._places[place.key]

    def wake_all(self) -> None:
        self._wake(self._keys())

    def pass_on(self) -> None:
        """Wakes the next that is due."""
        while self._due:
            try:
                place = self._due.popleft()
            except IndexError:  # another thread was faster
                return
            if place.wake():
                return

    def _keys(self) -> list[Hashable]:
        with self._lock:
            return list(self._places)

    def _watch(self) -> None:
        while self._goes_on():
            try:
                self._wake(self._look(self._keys()))
                pause = self._interval
            except Exception:
                LOG.exception("What is waited for (%s) cannot be looked at", self._name)
                pause = _RETRY_AFTER
            time.sleep(pause)

    def _goes_on(self) -> bool:
        with self._lock:
            self._watched = bool(self._places)
            return self._watched

    def _wake(self, keys: Iterable[Hashable]) -> None:
        with self._lock:
            self._due.extend(place for key in keys for place in self._places.get(key, ()))
        for _ in range(min(_AT_ONCE, len(self._due))):
            self.pass_on()


class Place:
    """One request that waits for ``key``, until ``deadline`` (time.monotonic) or for as long as it likes."""

    def __init__(self, topic: Topic, key: Hashable, deadline: float | None):
        self.key = key
        self._topic = topic
        self._deadline = float("inf") if deadline is None else deadline
        self._asleep = threading.Lock()
        self._asleep.acquire()
        self._waits = False
        topic.waiting.take()
        topic.add(self)

    @property
    def over(self) -> bool:
        """Time is up, or the process ends: what there is to say must be said now."""
        return self._topic.waiting.closed or time.monotonic() >= self._deadline

    def wait(self) -> bool:
        """True: something may have happened. False: a heartbeat is due."""
        heartbeat = self._topic.waiting.heartbeat
        left = min(self._deadline - time.monotonic(), heartbeat)
        self._waits = True
        woken = self._asleep.acquire(timeout=max(left, 0))
        self._waits = False
        self._topic.pass_on()
        return woken or left < heartbeat

    def wake(self) -> bool:
        """Tells whether it waited: else it looks by itself before it waits again."""
        waited = self._waits
        try:
            self._asleep.release()
        except RuntimeError:  # is awake already
            return False
        return waited

    def leave(self) -> None:
        self._topic.remove(self)
        self._topic.waiting.give_back()
        self._topic.pass_on()


class Stream:
    """A WSGI body that is made while it is sent. It has its place from the beginning, before the first byte,
    until the server closes it, which it does when a client has gone, as the next heartbeat finds out."""

    def __init__(
        self,
        topic: Topic,
        key: Hashable,
        chunks: Callable[[Place], Chunks],
        deadline: float | None = None,
        on_close: Callable[[], None] = lambda: None,
    ):
        self._on_close = on_close
        self._place: Place | None = Place(topic, key, deadline)
        self._chunks = chunks(self._place)

    def __iter__(self):
        return self

    def __next__(self) -> bytes:
        chunk = next(self._chunks)
        while chunk is None:
            chunk = self._chunks.send(self._place.wait())
        return chunk

    def close(self) -> None:
        place, self._place = self._place, None
        if place is not None:
            place.leave()
            self._on_close()


# Server-sent events, as the WHATWG's HTML standard has them

RETRY = b"retry: 1000\n\n"  # milliseconds until a client that was cut off comes back
HEARTBEAT = b":\n\n"


def event(id: int, name: str, data: str) -> bytes:
    """``data``: JSON, which has no line ends."""
    return f"id: {id}\nevent: {name}\ndata: {data}\n\n".encode()


class StreamResponse(webob.Response):
    """Pecan reads each body to know whether it is empty. This one is not, and is not there yet."""

    body = b"..."


def streamed(body: Stream, content_type: str) -> webob.Response:
    response = StreamResponse(app_iter=body, content_type=content_type, charset=None)
    response.cache_control = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # nginx would collect what is sent
    return response


LAST_EVENT_ID = {
    "type": "string",
    "pattern": "^[0-9]{0,18}$",
    "error": "must be the id of an event, a whole number.",
}


def last_event_id(request: webob.Request) -> int | None:
    """Where a client that comes back was. Raises Invalid for what no event of ours has."""
    text = request.headers.get("Last-Event-ID")
    if text is None or text == "":
        return None
    if not re.fullmatch(LAST_EVENT_ID["pattern"], text):
        raise errors.Invalid(
            "gateway.request.last_event_id",
            f"Last-Event-ID: {text[:80]!r} is the id of no event: they are whole numbers.",
            field="Last-Event-ID",
        )
    return int(text)
