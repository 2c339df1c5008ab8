"""Keystone tokens that this process has seen accepted; and those that come outside of the HTTP pipeline."""

import collections
import hashlib
import time
from collections.abc import Callable
from typing import NamedTuple

import webob
from oslo_config import cfg
from oslo_context import context as oslo_context

from gateway.api import auth, middleware
from gateway.cloud.sessions import Sessions

_MOST = 10_000  # tokens remembered


class _Entry(NamedTuple):
    caller: auth.Caller
    until: float  # by the clock


class Known:
    """Callers by the SHA-256 of their tokens: for ``life`` seconds ([keystone_authtoken] token_cache_time)
    from when this process first saw one, and not beyond the token's own end. Threads share it."""

    def __init__(self, life: float, clock: Callable[[], float] = time.monotonic):
        self._life = life
        self._clock = clock
        self._entries: collections.OrderedDict[bytes, _Entry] = collections.OrderedDict()

    def caller(self, token: str) -> auth.Caller | None:
        entry = self._entries.get(_digest(token))
        return entry.caller if entry and self._clock() < entry.until else None

    def remember(self, token: str, caller: auth.Caller) -> None:
        digest, now = _digest(token), self._clock()
        entry = self._entries.get(digest)
        if entry is None or now >= entry.until:
            left = min(self._life, caller.expires_at - time.time())
            self._entries[digest] = _Entry(caller, now + left)
        while len(self._entries) > _MOST:
            self._entries.popitem(last=False)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class Tokens:
    """Threads may share it; make one per process."""

    def __init__(self, conf: cfg.ConfigOpts, sessions: Sessions):
        self._sessions = sessions
        self._validator = middleware.token(_nothing, conf)
        self._known = Known(conf.keystone_authtoken.token_cache_time)

    def project(self, token: str, rule: str) -> str:
        """The project of a token that satisfies the policy's ``rule``. Raises Unauthorized, Forbidden and,
        while Keystone does not answer, Unavailable."""
        caller = self._known.caller(token)
        if caller is not None and caller.may(rule):
            return caller.project_id
        return self._validated(token, rule).project_id

    def caller(self, token: str) -> auth.Caller | None:
        """Whose it is, where it was accepted lately."""
        return self._known.caller(token)

    def owner(self, token: str) -> Callable[[str], str | None]:
        """Tells which server of the token's project an address is of, by asking OpenStack with the token."""

        def owner(address: str) -> str | None:
            context = self._validated(token, "gateway:registry:register")
            return self._sessions.user(context.auth).server_at(address)

        return owner

    def _validated(self, token: str, rule: str) -> auth.Context:
        request = webob.Request.blank("/", headers={"X-Auth-Token": token})
        request.environ["openstack.request_id"] = oslo_context.generate_request_id()
        request.get_response(self._validator)
        if (caller := request.environ.get(auth.CALLER)) is not None:
            self._known.remember(token, caller)
        return auth.authorize(request, rule)


def _nothing(environ, start_response):
    start_response("204 No Content", [])
    return []
