"""Who calls, and what they may do: keystonemiddleware's findings, judged by oslo.policy."""

import dataclasses

import webob
from keystoneauth1 import access, plugin
from keystoneauth1.identity import access as access_plugin
from oslo_context import context as oslo_context
from oslo_policy import policy as oslo_policy

from gateway import errors

#: Where the composition root puts the enforcer, for ``authorize``.
ENFORCER = "gateway.enforcer"
#: Where a pipeline without Keystone puts who decides in its place: a function as ``authorize``.
AUTHORITY = "gateway.authority"
#: Where ``authorize`` leaves the rule that the caller has satisfied, and in which project.
ALLOWED = "gateway.allowed"


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


def authorize(request: webob.Request, rule: str) -> Context:
    """Raises Unauthorized without a valid token, Forbidden for one of no project, PolicyNotAuthorized."""
    environ = request.environ
    if AUTHORITY in environ:
        return environ[AUTHORITY](request, rule)
    if environ.get("HTTP_X_IDENTITY_STATUS") != "Confirmed":
        raise errors.Unauthorized(
            "gateway.auth.token",
            "A valid Keystone token is needed: send it as X-Auth-Token.",
        )
    seen = oslo_context.RequestContext.from_environ(environ)
    if not seen.project_id:
        raise errors.Forbidden(
            "gateway.auth.scope", "The token has no project; ask Keystone for a project-scoped one."
        )
    enforcer: oslo_policy.Enforcer = environ[ENFORCER]
    enforcer.authorize(rule, {"project_id": seen.project_id}, seen, do_raise=True)
    environ[ALLOWED] = rule, seen.project_id
    token = _as_plugin(environ)
    return Context(
        project_id=seen.project_id,
        user_id=seen.user_id,
        roles=tuple(seen.roles),
        request_id=environ["openstack.request_id"],
        expires_at=token.auth_ref.expires.timestamp(),
        auth=token,
    )


def may(request: webob.Request, rule: str) -> bool:
    """Whether who was let in may do that, too."""
    seen = oslo_context.RequestContext.from_environ(request.environ)
    enforcer: oslo_policy.Enforcer = request.environ[ENFORCER]
    return enforcer.authorize(rule, {"project_id": seen.project_id}, seen, do_raise=False)


def _as_plugin(environ: dict) -> access_plugin.AccessInfoPlugin:
    """The caller's token and nothing else: keystonemiddleware's own plugin would send a service token along,
    which OpenStack refuses where the gateway's user has no role ``service`` (a gateway of one's own)."""
    token = access.create(body=environ["keystone.token_info"], auth_token=environ["HTTP_X_AUTH_TOKEN"])
    return access_plugin.AccessInfoPlugin(token)
