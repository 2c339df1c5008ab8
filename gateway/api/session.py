"""/v1/session: logging in from a browser, for the page at /ui/.

Who logs in gets a Keystone token, sealed, as a cookie that no script can read (HttpOnly) and that no other
site's page can send (SameSite=Strict). It stands for ``X-Auth-Token`` together with the header
``X-Gateway-Page`` alone, which no other origin's page may send without being allowed to ([cors]): so a form
or a picture of theirs does nothing here. What the token may do is judged as anybody's.
"""

import json
import logging
from collections.abc import Callable
from typing import Any

import pecan
import webob
from cryptography import fernet
from keystoneauth1 import access

from gateway import errors
from gateway.api import auth
from gateway.api.collection import Collection
from gateway.api.expose import expose, isoformat
from gateway.api.providers import wrapped
from gateway.api.shapes import Time, many, of, shape
from gateway.cloud.login import Logins, Project
from gateway.vault import Vault

LOG = logging.getLogger(__name__)

COOKIE = "gateway-session"
HEADER = "X-Gateway-Page"
_TOKEN = "X-Auth-Token"  # noqa: S105 (its header)
_KIND = "session"  # what is sealed says what it is for
_ENVIRON = f"HTTP_{HEADER.upper().replace('-', '_')}"

_TEXT = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "error": "must be given, 255 characters at most.",
}
_PASSWORD = {"type": "string", "minLength": 1, "maxLength": 4096, "error": "must be given."}
_BODY = wrapped(
    "session",
    {"username": _TEXT, "password": _PASSWORD, "domain": _TEXT, "project": _TEXT},
    ["username", "password"],
)
_PROJECTS = shape(projects=many(Project))
_SESSION = shape(user=str, project=Project, roles=list[str], expires_at=Time)
_ONE = shape(session=_SESSION)
_NOW = shape(session={"anyOf": [_SESSION, of(None)]})
_REFUSED = [errors.Unauthorized, errors.Forbidden, errors.CloudError, errors.Unavailable]


class Session(Collection):
    on_collection = {"GET": "get", "POST": "post", "DELETE": "delete"}

    def __init__(self, parts):
        self._logins = Logins(parts.sessions)
        self._vault = parts.vault

    @expose(policy=None, answer=_NOW, raises=[errors.Unavailable], headers=["Cache-Control"])
    def get(self):
        """Who is logged in; null for nobody."""
        caller: auth.Caller | None = pecan.request.environ.get(auth.CALLER)
        pecan.response.headers["Cache-Control"] = "no-store"
        return {"session": _view(caller.token) if caller and caller.project_id else None}

    @expose(
        policy=None,
        body=_BODY,
        status=201,
        answer=_ONE,
        also={200: _PROJECTS},
        raises=_REFUSED,
        headers=["Cache-Control", "Set-Cookie"],
        told={HEADER: {"type": "string"}},
    )
    def post(self, body):
        """``domain``: the user's, else Default. ``project``: name or id; where none is named and the user has
        several, or several of the name, 200 tells which there are, and nobody is logged in."""
        if _ENVIRON not in pecan.request.environ:
            raise errors.Invalid(
                "gateway.session.header",
                f"Send {HEADER}, with any value: no other site's page can, and none is to log anybody in.",
                field=HEADER,
            )
        wanted = body["session"]
        user = self._logins.user(wanted["username"], wanted["password"], wanted.get("domain", "Default"))
        pecan.response.headers["Cache-Control"] = "no-store"
        found = _chosen(self._logins.projects(user), wanted.get("project"))
        if len(found) > 1:
            pecan.response.status_int = 200
            return {"projects": [vars(project) for project in found]}
        token = self._logins.token(user, found[0])
        _set_cookie(self._vault.seal(json.dumps({_KIND: token.auth_token})))
        return {"session": _view(token)}

    @expose(policy=None, status=204, raises=[errors.Unavailable], headers=["Set-Cookie"])
    def delete(self):
        """Logs out: the token is revoked, and the cookie forgotten in any case."""
        caller: auth.Caller | None = pecan.request.environ.get(auth.CALLER)
        if caller and is_believed(pecan.request.environ):
            try:
                self._logins.revoke(caller.token)
            except errors.GatewayError as error:
                LOG.warning("A token of user %s is not revoked at log-out: %s", caller.token.user_id, error)
        _set_cookie(None)


def _chosen(projects: list[Project], wanted: str | None) -> list[Project]:
    """One, or those that may be meant. Raises Invalid."""
    found = [each for each in projects if wanted in (None, each.name, each.id)]
    if not projects:
        raise errors.Forbidden("gateway.session.no_project", "You have no role in any project.")
    if not found:
        names = ", ".join(project.name for project in projects)
        raise errors.Invalid(
            "gateway.session.project",
            f"project: you have no role in {wanted}, but in {names}.",
            field="session.project",
        )
    return found


def _set_cookie(value: str | None) -> None:
    """As long as the browser runs: the token's end is Keystone's to say. None: away with it."""
    pecan.response.set_cookie(
        COOKIE,
        value,
        path="/",
        secure=pecan.request.scheme == "https",
        httponly=True,
        samesite="Strict",
    )


def _view(token: access.AccessInfo) -> dict[str, Any]:
    return {
        "user": token.username,
        "project": {"id": token.project_id, "name": token.project_name},
        "roles": sorted(token.role_names),
        "expires_at": isoformat(token.expires.timestamp()),
    }


def is_believed(environ: dict[str, Any]) -> bool:
    """Whether a cookie of this request counts."""
    return _ENVIRON in environ and COOKIE in environ.get("HTTP_COOKIE", "")


def by_cookie(app: Callable, vault: Vault) -> Callable:
    """WSGI middleware before the one that validates tokens: the cookie's becomes ``X-Auth-Token``."""

    def serve(environ, start_response):
        if "HTTP_X_AUTH_TOKEN" not in environ and is_believed(environ):
            token = _opened(webob.Request(environ).cookies.get(COOKIE, ""), vault)
            if token is not None:
                environ["HTTP_X_AUTH_TOKEN"] = token
        return app(environ, start_response)

    return serve


def _opened(sealed: str, vault: Vault) -> str | None:
    """None for what is not ours, or sealed for something else."""
    try:
        found = json.loads(vault.open(sealed))
    except (fernet.InvalidToken, ValueError):
        return None
    return found.get(_KIND) if isinstance(found, dict) else None
