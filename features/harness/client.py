"""HTTP in the users' names. Every call is noted: at the end of a whole run the URL table must be covered.
Every answer must be as the daemon's description of its API has it."""

import dataclasses
import urllib.parse

import requests

from gateway.tests.described import Description
from harness import clouds

_TIMEOUT = 180  # an answer may wait for an emulated OpenStack
_described: list[Description] = []


@dataclasses.dataclass
class Client:
    url: str
    called: set[tuple[str, str]]  # (method, path), shared by the clients of a run

    def call(self, who: str, method: str, path: str, **kwargs) -> requests.Response:
        """``who`` as in ``clouds.USERS``, or "nobody": without a token. ``kwargs`` are those of requests."""
        self.called.add((method, urllib.parse.urlsplit(path).path))
        headers = dict(kwargs.pop("headers", None) or {})
        if who != "nobody":
            headers.setdefault("X-Auth-Token", clouds.as_user(who).auth_token)
        with requests.Session() as session:
            session.trust_env = False  # no proxy between us and the daemon
            answer = session.request(method, self.url + path, headers=headers, timeout=_TIMEOUT, **kwargs)
            if not kwargs.get("stream"):
                self._check(session, answer, method, path)
            return answer

    def _check(self, session: requests.Session, answer: requests.Response, method: str, path: str) -> None:
        if not _described:  # all daemons of a run have the same
            document = session.get(self.url + "/v1/openapi.json", timeout=_TIMEOUT).json()
            _described.append(Description(document))
        path = urllib.parse.urlsplit(path).path
        _described[0].check(method, path, answer.status_code, answer.headers, answer.content)
