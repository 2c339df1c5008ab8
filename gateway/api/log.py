"""The log of a deployment as server-sent events, while it is written.

    event  data
    log    {"at", "step", "target", "text"}             a line that a step printed
    step   {"at", "step", "target", "state", "detail"}  a step came to stand at a state
    status {"at", "status"}                             so did the deployment
    end    {"status", "fault"}                          the last one: it has ended, or is "deleted"

A client that was cut off says the id of the last event that it has in ``Last-Event-ID``, as browsers do, and
goes on behind it; one that has them all is told 204, upon which browsers stop asking.
"""

import dataclasses
import functools
import json
import time
from collections.abc import Collection

import webob

from gateway import errors
from gateway.api import waiting
from gateway.api.auth import Context
from gateway.api.expose import isoformat
from gateway.deploy.model import UNFINISHED, Deployment, LogLine
from gateway.deploy.store import DeploymentStore

_LOOK_EVERY = 0.1  # seconds
_AT_ONCE = 500  # lines read in one go


class Following:
    """Threads may share it; make one per process."""

    def __init__(self, store: DeploymentStore, places: waiting.Waiting):
        self._store = store
        self._topic = places.topic("log", self._look, _LOOK_EVERY)
        self._ends: dict[str, int] = {}

    def follow(self, id: str, after: int, context: Context) -> webob.Response:
        """Until the deployment or the caller's token ends. The caller may see the deployment."""
        deployment, entries = self._store.follow_log(id, after, limit=1)
        if after and not entries and _has_ended(deployment):
            return webob.Response(status=204)
        deadline = time.monotonic() + context.expires_at - time.time()
        events = functools.partial(self._events, id, after)
        stream = waiting.Stream(self._topic, id, events, deadline)
        return waiting.streamed(stream, "text/event-stream")

    def _look(self, ids: Collection[str]) -> list[str]:
        before, self._ends = self._ends, self._store.log_ends(ids)
        return [id for id in ids if id not in before or self._ends.get(id) != before[id]]

    def _events(self, id: str, after: int, place: waiting.Place) -> waiting.Chunks:
        yield waiting.RETRY
        while not place.over:
            try:
                deployment, entries = self._store.follow_log(id, after, _AT_ONCE)
            except errors.NotFound:
                yield _sent(after, "end", {"status": "deleted", "fault": None})
                return
            for entry in entries:
                after = entry.id
                yield _event(entry)
            if not entries and _has_ended(deployment):
                yield _end(after, deployment)
                return
            if not entries and not (yield None):
                yield waiting.HEARTBEAT


def _has_ended(deployment: Deployment) -> bool:
    return deployment.status not in UNFINISHED


def _event(entry: LogLine) -> bytes:
    at = isoformat(entry.at)
    if entry.step is None:
        return _sent(entry.id, "status", {"at": at, "status": entry.state})
    place = {"at": at, "step": entry.step, "target": entry.target}
    if entry.state is None:
        return _sent(entry.id, "log", {**place, "text": entry.text})
    return _sent(entry.id, "step", {**place, "state": entry.state, "detail": entry.text})


def _end(after: int, deployment: Deployment) -> bytes:
    fault = dataclasses.asdict(deployment.fault) if deployment.fault else None
    return _sent(after, "end", {"status": deployment.status, "fault": fault})


def _sent(id: int, name: str, data: dict) -> bytes:
    return waiting.event(id, name, json.dumps(data))
