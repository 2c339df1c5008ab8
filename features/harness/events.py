"""Server-sent events, read by a thread while the scenario goes on."""

import dataclasses
import json
import threading

import requests
import sseclient

from harness import clouds
from harness.client import Client

_WITHIN = 180  # seconds for what is waited for; guests are emulated


@dataclasses.dataclass(frozen=True)
class Event:
    id: str
    name: str
    data: dict


class Listener:
    """GET ``path`` in the name of ``who``. ``heard``: every event so far; ``ended``: no more will come."""

    def __init__(self, client: Client, who: str, path: str, after: str | None = None):
        client.called.add(("GET", path.partition("?")[0]))
        headers = {"X-Auth-Token": clouds.as_user(who).auth_token, "Accept": "text/event-stream"}
        if after is not None:
            headers["Last-Event-ID"] = after
        self.answer = requests.get(client.url + path, headers=headers, stream=True, timeout=_WITHIN)
        self.heard: list[Event] = []
        self.ended = False
        self._news = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        try:
            for event in sseclient.SSEClient(self.answer).events():
                with self._news:
                    self.heard.append(Event(event.id, event.event, json.loads(event.data)))
                    self._news.notify_all()
        except (requests.RequestException, AttributeError):  # closed, by one side or the other
            pass
        with self._news:
            self.ended = True
            self._news.notify_all()

    def wait(self, so) -> None:
        """Until ``so(self)``; raises AssertionError with what was heard."""
        with self._news:
            assert self._news.wait_for(lambda: so(self), _WITHIN), f"only {self.heard}"

    def close(self) -> None:
        self.answer.close()
