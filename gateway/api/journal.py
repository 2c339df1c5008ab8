"""GET /v1/deployments/{deployment}/journal: what a service prints, read on one of its servers.

    {"journal": [{"at", "text", "id"}, …]}    the last ``lines`` (100), oldest first

``instance``: the number of one of its instances, else the first. With ``follow`` or Accept: text/event-stream
each line is an event "line" with {"at", "text"}, until the client or its token goes; ``Last-Event-ID`` goes
on behind that one. The values of the deployment's secrets are masked.

Each reader has an SSH connection of its own, of which there are at most [api] max_journals in a process.
"""

import functools
import json
import threading
import time
from collections.abc import Collection

import webob

from gateway import errors
from gateway.api import waiting
from gateway.api.auth import Context
from gateway.api.expose import isoformat
from gateway.api.shapes import Time, many, shape
from gateway.deploy import journal
from gateway.deploy.model import Deployment
from gateway.deploy.work import Work

_LOOK_EVERY = 0.1  # seconds
_MOST_LINES = 1000

QUERY = {
    "instance": {"type": "integer", "minimum": 0, "error": "must be the number of an instance: 0, 1 …"},
    "lines": {
        "type": "integer",
        "minimum": 1,
        "maximum": _MOST_LINES,
        "error": f"must be a whole number from 1 to {_MOST_LINES}.",
    },
    "follow": {"type": "boolean"},
}

JOURNAL = shape(journal=many(shape(at=Time, text=str, id=int)))


class Journals:
    """Threads may share it; make one per process."""

    def __init__(self, parts):
        self._parts = parts
        self._places = threading.BoundedSemaphore(parts.conf.api.max_journals)
        self._topic = parts.waiting.topic("journal", self._look, _LOOK_EVERY)

    def last(self, deployment: Deployment, number: int | None, lines: int) -> dict:
        read = self._opened(deployment, number)
        try:
            return {"journal": [{**_line(entry), "id": entry.at} for entry in read.last(lines)]}
        finally:
            read.close()
            self._places.release()

    def follow(
        self, deployment: Deployment, number: int | None, lines: int, after: int, context: Context
    ) -> webob.Response:
        seconds = max(context.expires_at - time.time(), 1)
        read = self._opened(deployment, number)
        follower = journal.Follower(read, lines, after, seconds, self._places.release)
        events = functools.partial(_events, follower)
        try:
            stream = waiting.Stream(self._topic, follower, events, time.monotonic() + seconds, follower.stop)
        except BaseException:
            follower.stop()
            raise
        return waiting.streamed(stream, "text/event-stream")

    def _opened(self, deployment: Deployment, number: int | None) -> journal.Journal:
        """It has one of the places. Raises Unavailable without one, and what ``journal.opened`` raises."""
        if not self._places.acquire(blocking=False):
            raise errors.Unavailable(
                "gateway.api.journals", "Too many journals are being read here already.", retry_after=5
            )
        parts = self._parts
        try:
            work = Work(parts.conf, parts.deployments, parts.sessions, parts.registry, deployment)
            return journal.opened(work, deployment, number)
        except BaseException:
            self._places.release()
            raise

    def _look(self, followers: Collection[journal.Follower]) -> list[journal.Follower]:
        return [each for each in followers if each.has_news]


def _events(follower: journal.Follower, place: waiting.Place) -> waiting.Chunks:
    yield waiting.RETRY
    while not place.over and (entries := follower.taken()) is not None:
        for entry in entries:
            yield waiting.event(entry.at, "line", json.dumps(_line(entry)))
        if not entries and not (yield None):
            yield waiting.HEARTBEAT


def _line(entry: journal.Entry) -> dict:
    return {"at": isoformat(entry.at / 1_000_000), "text": entry.text}
