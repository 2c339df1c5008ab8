"""Who calls, and what they may do: keystonemiddleware's findings, judged by oslo.policy."""

import copy
import dataclasses
import time
from collections.abc import Callable
from typing import Any

import webob
from keystoneauth1 import access, plugin
from keystoneauth1.identity import access as access_plugin
from oslo_context import context as oslo_context
from oslo_policy import policy as oslo_policy

from gateway import errors

#: Where the pipeline, or who has seen the token before, leaves the Caller.
CALLER = "gateway.caller"
#: Where a pipeline without Keystone puts who decides in its place: a function as ``authorize``.
AUTHORITY = "gateway.authority"

_JUDGED_FOR = 5.0  # seconds that a policy's word is remembered: so long a changed policy may go unseen


@dataclasses.dataclass(frozen=True)
class Context:
    """The caller. ``expires_at`` (seconds since the epoch) is the token's end; ``auth`` is the token as a
    keystoneauth plugin, good for calls in the caller's name."""

    project_id: str
    user_id: str
    roles: tuple[str, ...]
    request_id: str
    expires_at: float
    auth: plugin.BaseAuthPlugin | None = dataclasses.field(repr=False)  # None where there is no Keystone


class Caller:
    """Whom a valid token is of. Threads share it.

    To ask the policies costs as much as a plain answer, half of it looking for changed files."""

    def __init__(
        self,
        environ: dict[str, Any],
        enforcer: oslo_policy.Enforcer,
        clock: Callable[[], float] = time.monotonic,
    ):
        """``environ``: with keystonemiddleware's findings."""
        self._seen = oslo_context.RequestContext.from_environ(environ)
        self.token: access.AccessInfo = access.create(
            body=environ["keystone.token_info"], auth_token=environ["HTTP_X_AUTH_TOKEN"]
        )
        # the token and nothing else: keystonemiddleware's own plugin would send a service token along, which
        # OpenStack refuses where the gateway's user has no role ``service`` (a gateway of one's own)
        self._auth = access_plugin.AccessInfoPlugin(self.token)
        self._enforcer = enforcer
        self._clock = clock
        self._judged: dict[str, tuple[bool, float]] = {}  # by rule, and until when
        self.project_id: str | None = self._seen.project_id
        self.user_id: str | None = self._seen.user_id
        self.user_name: str | None = self._seen.user_name
        self.expires_at: float = self.token.expires.timestamp()

    def may(self, rule: str) -> bool:
        """In its own project; never without one."""
        known = self._judged.get(rule)
        if known is None or self._clock() >= known[1]:
            target = {"project_id": self.project_id}
            allowed = self.project_id is not None and self._enforcer.authorize(rule, target, self._seen)
            known = self._judged[rule] = allowed, self._clock() + _JUDGED_FOR
        return known[0]

    def context(self, request_id: str) -> Context:
        """Of one request; what its thread logs names the caller from now on."""
        named = copy.copy(self._seen)
        named.request_id = request_id
        named.update_store()
        return Context(
            project_id=named.project_id,
            user_id=named.user_id,
            roles=tuple(named.roles),
            request_id=request_id,
            expires_at=self.expires_at,
            auth=self._auth,
        )


def authorize(request: webob.Request, rule: str) -> Context:
    """Raises Unauthorized without a valid token, Forbidden for one of no project or without the right."""
    environ = request.environ
    if AUTHORITY in environ:
        return environ[AUTHORITY](request, rule)
    caller: Caller | None = environ.get(CALLER)
    if caller is None:
        raise errors.Unauthorized(
            "gateway.auth.token",
            "A valid Keystone token is needed: send it as X-Auth-Token.",
        )
    if not caller.project_id:
        raise errors.Forbidden(
            "gateway.auth.scope", "The token has no project; ask Keystone for a project-scoped one."
        )
    context = caller.context(environ["openstack.request_id"])
    if not caller.may(rule):
        raise errors.Forbidden("gateway.policy.forbidden", "Your roles do not allow this.")
    return context


def may(request: webob.Request, rule: str) -> bool:
    """Whether who was let in may do that, too."""
    return request.environ[CALLER].may(rule)
