"""GET /registry/changes: what has changed in the project's part of the registry, as it does.

    {"index": 42, "changes": [{"index", "at", "type", "instance", "change", "service"}, …]}

``change`` is created, changed (its status too) or removed; ``service`` is the instance as it is by now, null
once it is gone. ``index`` is where to go on from. Who follows the feed from the index of its first answer and
has read the instances after that answer knows at every index what is registered.

``index``: changes after it; without it those that come from now on. ``wait``: seconds to wait for the first
of them; an answer without changes says that none came. ``type``, ``limit``: as they say. An index that is not
in the log, or no longer ([registry] changes_kept_for, max_changes), is answered 410 with ``oldest`` and
``index``, the last: read the instances anew and go on from there.

With Accept: text/event-stream each change is an event of its own, named for the change, with the index for
its id; Last-Event-ID stands for ``index``, and goes on rising while nothing happens.

Indexes count the changes of all projects, each of which sees its own alone: there are gaps between them.
"""

import functools
import json
import time

import pecan
import webob

from gateway import errors, metrics
from gateway.api import waiting
from gateway.api.expose import expose, isoformat, wants_events
from gateway.api.service import SERVICE, service
from gateway.api.shapes import Time, many, shape
from gateway.api.waiting import LAST_EVENT_ID, last_event_id
from gateway.registry.changes import Feed, Interest, Page
from gateway.registry.model import TYPE_PATTERN, Change, Entry, Instance

_MOST_WAIT = 600
_TEXTS_KEPT = 10_000
_NUMBER = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
_QUERY = {
    "index": {**_NUMBER, "error": "must be the index of an answer, a whole number."},
    "wait": {**_NUMBER, "maximum": _MOST_WAIT, "error": f"must be 0 to {_MOST_WAIT} whole seconds."},
    "type": {"type": "string", "pattern": TYPE_PATTERN, "error": "must be a service type."},
    "limit": {**_NUMBER, "minimum": 1, "error": "must be a whole number from 1."},
}
_CHANGE = shape(
    index=int,
    at=Time,
    type=str,
    instance=str,
    change=Change,
    service={"anyOf": [SERVICE, {"type": "null"}]},
)
_CHANGES = shape(index=int, changes=many(_CHANGE))


class Changes:
    def __init__(self, parts):
        self._conf = parts.conf
        self._feed: Feed = parts.registry.feed
        interval = parts.conf.registry.wake_interval
        self._topic = parts.waiting.topic("changes", self._feed.watch(), interval)
        self._texts: dict[tuple[int, int | None], str] = {}

    @expose(
        policy="gateway:registry:get",
        query=_QUERY,
        answer=_CHANGES,
        raises=[errors.Gone, errors.Unavailable],
        told={"Last-Event-ID": LAST_EVENT_ID},
        streams=True,
    )
    def get(self, context, index=None, wait=0, type=None, limit=None):
        last = self._feed.refresh()
        interest = (context.project_id, type)
        limit = min(limit or self._conf.api.max_limit, self._conf.api.max_limit)
        streams = wants_events(pecan.request)
        told = last_event_id(pecan.request)
        after = next((number for number in (told if streams else None, index) if number is not None), last)
        page = self._feed.after(interest, after, limit)
        if not streams and (page.changes or not wait):
            return webob.Response(self._body(page), content_type="application/json", charset="UTF-8")
        seconds = context.expires_at - time.time() if streams else wait
        chunks = functools.partial(self._events if streams else self._answer, interest, after, limit)
        stream = waiting.Stream(self._topic, interest, chunks, time.monotonic() + seconds)
        return waiting.streamed(stream, "text/event-stream" if streams else "application/json")

    def _answer(self, interest: Interest, after: int, limit: int, place: waiting.Place) -> waiting.Chunks:
        while not (page := self._feed.after(interest, after, limit)).changes and not place.over:
            if not (yield None):
                yield b" "  # white space before the JSON
        _count(page)
        yield self._body(page)

    def _events(self, interest: Interest, after: int, limit: int, place: waiting.Place) -> waiting.Chunks:
        yield waiting.RETRY
        waited = False  # what came before the request is nobody's lag
        while not place.over:
            page = self._feed.after(interest, after, limit)
            after = page.index
            if waited:
                _count(page)
            for entry, instance in page.changes:
                yield waiting.event(entry.index, entry.change, self._text(entry, instance))
            waited = not page.changes
            if waited and not (yield None):
                yield f"id: {after}\n\n".encode()  # of no event, but where to go on from

    def _body(self, page: Page) -> bytes:
        changes = ", ".join(self._text(entry, instance) for entry, instance in page.changes)
        return f'{{"index": {page.index}, "changes": [{changes}]}}\n'.encode()

    def _text(self, entry: Entry, instance: Instance | None) -> str:
        """Made once for all who are told."""
        key = entry.index, instance and instance.index
        text = self._texts.get(key)
        if text is None:
            if len(self._texts) >= _TEXTS_KEPT:
                self._texts.clear()
            text = self._texts[key] = json.dumps(view(entry, instance))
        return text


def _count(page: Page) -> None:
    """Of those that were waited for."""
    if page.changes:
        metrics.CHANGE_LAG.observe(max(0.0, time.time() - page.changes[0][0].at), "waiters")


def view(entry: Entry, instance: Instance | None) -> dict:
    """A change as users see it, wherever they do."""
    return {
        "index": entry.index,
        "at": isoformat(entry.at),
        "type": entry.key.type,
        "instance": f"{entry.key.type}-{entry.key.ordinal}",
        "change": entry.change,
        "service": instance and service(instance),
    }
