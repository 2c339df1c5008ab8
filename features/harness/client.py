"""HTTP in the users' names. Every call is noted: at the end of a whole run the URL table must be covered."""

import dataclasses
import urllib.parse

import requests

from harness import clouds

_TIMEOUT = 180  # an answer may wait for an emulated OpenStack


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
            return session.request(method, self.url + path, headers=headers, timeout=_TIMEOUT, **kwargs)
