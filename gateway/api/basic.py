"""HTTP basic authentication by Keystone: user name and password are an application credential's id and
secret."""

import base64
import binascii
from collections.abc import Callable

from gateway import errors
from gateway.api import auth
from gateway.api.tokens import Known
from gateway.cloud.sessions import Sessions

_LIFE = 60.0  # seconds: as long a credential that was deleted is yet believed
_LONGEST = 1024  # characters of both, as they are sent


class Basic:
    """WSGI middleware before the one that validates tokens: it gets one for a credential. Whose that is is
    remembered in memory alone, under a digest. Raises Unauthorized, and Unavailable while Keystone does not
    answer."""

    def __init__(self, app: Callable, sessions: Sessions):
        self._app = app
        self._sessions = sessions
        self._known = Known(_LIFE)

    def __call__(self, environ, start_response):
        scheme, _, value = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "basic" or "HTTP_X_AUTH_TOKEN" in environ:
            return self._app(environ, start_response)
        credential = _parsed(value.strip())
        key = ":".join(credential)
        caller = self._known.caller(key)
        if caller is not None:
            environ[auth.CALLER] = caller
            return self._app(environ, start_response)
        environ["HTTP_X_AUTH_TOKEN"] = self._sessions.credential_token(*credential)
        answer = self._app(environ, start_response)
        if auth.CALLER in environ:
            self._known.remember(key, environ[auth.CALLER])
        return answer


def _parsed(value: str) -> tuple[str, str]:
    try:
        id, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise _refused() from error
    if not (id and secret) or len(value) > _LONGEST:
        raise _refused()
    return id, secret


def _refused() -> errors.Unauthorized:
    return errors.Unauthorized(
        "gateway.auth.basic", "User name and password are an application credential's id and secret."
    )
