"""Users who log in through the gateway: a browser cannot ask Keystone, which answers no other site's page."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

from keystoneauth1 import access, exceptions, plugin
from keystoneauth1.identity import access as access_plugin
from keystoneauth1.identity import v3 as identity

from gateway import errors
from gateway.cloud.faults import translated
from gateway.cloud.sessions import Sessions

_IDENTITY = {"interface": plugin.AUTH_INTERFACE, "version": (3, 0)}  # needs no catalogue


@dataclasses.dataclass(frozen=True)
class Project:
    id: str
    name: str


class Logins:
    """Threads may share them. All raise Unavailable while Keystone does not answer."""

    def __init__(self, sessions: Sessions):
        self._sessions = sessions

    def user(self, name: str, password: str, domain: str) -> plugin.BaseAuthPlugin:
        """A token of no project; ``domain``: the user's, its name. Raises Unauthorized."""
        auth = identity.Password(
            self._sessions.auth_url,
            username=name,
            password=password,
            user_domain_name=domain,
            unscoped=True,
        )
        with _answered():
            try:
                auth.get_access(self._sessions.session(auth))
            except (exceptions.Unauthorized, exceptions.BadRequest, exceptions.NotFound) as error:
                raise errors.Unauthorized(
                    "gateway.session.refused",
                    f"Keystone does not let {name} of the domain {domain} in with this password.",
                ) from error
            except exceptions.MissingAuthMethods as error:
                raise errors.Unauthorized(
                    "gateway.session.refused",
                    "Keystone asks for more than a password, which is not had here.",
                ) from error
        return auth

    def projects(self, auth: plugin.BaseAuthPlugin) -> Sequence[Project]:
        """Those that the user has a role in, by name."""
        with _answered():
            answer = self._sessions.session(auth).get("/auth/projects", endpoint_filter=_IDENTITY)
        found = [Project(each["id"], each["name"]) for each in answer.json()["projects"] if each["enabled"]]
        return sorted(found, key=lambda project: project.name)

    def token(self, auth: plugin.BaseAuthPlugin, project: Project) -> access.AccessInfo:
        """Of the project, to the user of ``auth``."""
        with _answered():
            token = self._sessions.session(auth).get_token()
            scoped = identity.Token(self._sessions.auth_url, token, project_id=project.id)
            return scoped.get_access(self._sessions.session(scoped))

    def revoke(self, token: access.AccessInfo) -> None:
        """One that has ended is fine."""
        session = self._sessions.session(access_plugin.AccessInfoPlugin(token, self._sessions.auth_url))
        with _answered():
            headers = {"X-Subject-Token": token.auth_token}
            try:
                session.delete("/auth/tokens", endpoint_filter=_IDENTITY, headers=headers)
            except (exceptions.NotFound, exceptions.Unauthorized):
                return


@contextlib.contextmanager
def _answered() -> Iterator[None]:
    try:
        with translated("session"):
            yield
    except (errors.Unavailable, errors.Timeout) as error:
        raise errors.Unavailable(
            "gateway.auth.keystone", "Keystone does not answer; try again.", retry_after=5
        ) from error
