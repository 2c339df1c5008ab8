"""Keystone tokens outside of the HTTP pipeline: validated as there, and remembered."""

import hashlib
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import webob
from oslo_config import cfg
from oslo_context import context as oslo_context
from oslo_policy import policy as oslo_policy

from gateway import errors
from gateway.api import auth, middleware, policies
from gateway.cloud.sessions import Sessions

_MOST = 10_000  # tokens remembered


class _Known(NamedTuple):
    project_id: str
    until: float  # time.monotonic


class Tokens:
    """Threads may share it; make one per process. A token is believed again without asking Keystone for
    ``[keystone_authtoken] token_cache_time`` seconds, never beyond its own end; only digests are kept."""

    def __init__(self, conf: cfg.ConfigOpts, sessions: Sessions):
        self._sessions = sessions
        self._validator = middleware.token(_nothing, conf)
        self._enforcer = policies.enforcer(conf)
        self._lifetime = conf.keystone_authtoken.token_cache_time
        self._known: dict[tuple[bytes, str], _Known] = {}
        self._lock = threading.Lock()

    def project(self, token: str, rule: str) -> str:
        """The project of a token that satisfies the policy's ``rule``. Raises Unauthorized, Forbidden and,
        while Keystone does not answer, Unavailable."""
        key = hashlib.sha256(token.encode()).digest(), rule
        known = self._known.get(key)
        if known is not None and time.monotonic() < known.until:
            return known.project_id
        context = self._validated(token, rule)
        left = min(context.expires_at - time.time(), self._lifetime)
        self._remember(key, _Known(context.project_id, time.monotonic() + left))
        return context.project_id

    def owner(self, token: str) -> Callable[[str], str | None]:
        """Tells which server of the token's project an address is of, by asking OpenStack with the token."""

        def owner(address: str) -> str | None:
            context = self._validated(token, "gateway:registry:register")
            return self._sessions.user(context.auth).server_at(address)

        return owner

    def _validated(self, token: str, rule: str) -> auth.Context:
        request_id = oslo_context.generate_request_id()
        request = webob.Request.blank("/")
        request.environ |= {auth.ENFORCER: self._enforcer, "openstack.request_id": request_id}
        try:
            request.headers["X-Auth-Token"] = token
            request.get_response(self._validator)
            return auth.authorize(request, rule)
        except oslo_policy.PolicyNotAuthorized as error:
            raise errors.Forbidden("gateway.policy.forbidden", "Your roles do not allow this.") from error

    def _remember(self, key: tuple[bytes, str], known: _Known) -> None:
        with self._lock:
            self._known.pop(key, None)
            self._known[key] = known
            while len(self._known) > _MOST:
                self._known.pop(next(iter(self._known)))


def _nothing(environ, start_response):
    start_response("204 No Content", [])
    return []
