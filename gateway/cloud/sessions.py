"""Whose rights a call to OpenStack has: the caller's token, a trust or what stands for one, or the gateway's
own user."""

import collections
import http.cookiejar
import logging
import threading
import uuid
from collections.abc import Iterable

import requests
from keystoneauth1 import exceptions, loading, plugin
from keystoneauth1 import session as keystoneauth
from keystoneauth1.identity import v3 as identity
from oslo_config import cfg

from gateway import errors
from gateway.cloud.credentials import Credentials
from gateway.cloud.faults import translated
from gateway.cloud.model import Grant
from gateway.cloud.names import Names
from gateway.cloud.openstack import Cloud

LOG = logging.getLogger(__name__)

_AUTH = "keystone_authtoken"
_TRUSTS_KEPT = 256
_TRUSTS = "/OS-TRUST/trusts"

# A trust decides the scope: the options that scope the service user are left out.
_SCOPES = ("project_id", "project_name", "project_domain_id", "project_domain_name")
_NO_SCOPE = dict.fromkeys((*_SCOPES, "domain_id", "domain_name", "system_scope"))

_NO_TRUST = (
    "Keystone refuses a trust from this token, and the gateway needs one to go on in your name after the "
    "request. Log in with a password or single sign-on: tokens that come from a trust cannot give one."
)
_NO_CREDENTIAL = (
    "This token is a restricted application credential's, which cannot let the gateway go on in your name "
    "after the request. Log in with a password or single sign-on, or with an application credential made "
    "with --unrestricted and without access rules."
)


class Sessions:
    """Make one per process, after any fork. Threads may share it; all sessions share one connection pool."""

    def __init__(self, conf: cfg.ConfigOpts, credentials: Credentials):
        self._conf = conf
        self._credentials = credentials
        self._http = _http(conf)
        self._discovery: dict = {}
        self._names = Names()
        self._lock = threading.RLock()
        self._service: keystoneauth.Session | None = None
        self._trusts: collections.OrderedDict[str, Cloud] = collections.OrderedDict()

    def user(self, auth: plugin.BaseAuthPlugin) -> Cloud:
        """In the name of a request: ``auth`` is its token (gateway.api.auth.Context.auth)."""
        return self._cloud(self.session(auth))

    def trust(self, trust_id: str) -> Cloud:
        """In the name of the user who gave it (``create_trust``). Kept for the next call, with its token."""
        with self._lock:
            cloud = self._trusts.pop(trust_id, None) or self._cloud(self._granted_session(trust_id))
            self._trusts[trust_id] = cloud
            if len(self._trusts) > _TRUSTS_KEPT:
                self._trusts.popitem(last=False)
            return cloud

    def credential_token(self, id: str, secret: str) -> str:
        """A token that Keystone gives for an application credential. Raises Unauthorized."""
        auth = identity.ApplicationCredential(
            self.auth_url,
            application_credential_id=id,
            application_credential_secret=secret,
        )
        try:
            with translated("credential"):
                return auth.get_access(self.session(auth)).auth_token
        except (errors.NotFound, errors.Invalid) as error:  # of Keystone's there is neither
            raise errors.Unauthorized("gateway.auth.basic", "Keystone knows no such credential.") from error

    def service(self) -> Cloud:
        """In the name of the gateway's own user, who sees other projects where it has the admin role."""
        return Cloud(self._service_session(), self._conf, self._names, every_project=True)

    def create_trust(
        self,
        auth: plugin.BaseAuthPlugin,
        user_id: str,
        project_id: str,
        roles: Iterable[str],
        description: str,
    ) -> str:
        """The id of a trust from the token's user to the gateway's in ``project_id`` with ``roles`` (names).
        ``description`` says for what; ``trusts`` tells it.

        To a token of an application credential Keystone gives none: there it is the id of another application
        credential, with these roles and restricted, which is kept sealed and goes where the trust would.
        Raises Forbidden ``gateway.trust.refused`` where Keystone does not let this token make either."""
        session = self.session(auth)
        with translated("trust"):
            access = auth.get_access(session)
            if not access.application_credential_id:
                return self._create_trust(session, user_id, project_id, roles, description)
            used = access.application_credential
            # the other one would have no rules; and Keystone under load has been seen to forget a restriction
            if used.get("access_rules") or used.get("restricted"):
                raise errors.Forbidden("gateway.trust.refused", _NO_CREDENTIAL)
            return self._create_credential(session, user_id, roles, description)

    def _create_trust(
        self,
        session: keystoneauth.Session,
        user_id: str,
        project_id: str,
        roles: Iterable[str],
        description: str,
    ) -> str:
        trust = {
            "trustor_user_id": user_id,
            "trustee_user_id": self._service_user_id(),
            "project_id": project_id,
            "impersonation": True,
            "roles": [{"name": role} for role in roles],
        }
        try:
            return self._post_trust(session, trust | {"description": description})
        except exceptions.BadRequest:  # Keystone keeps and shows what it does not know; this one refuses it
            return self._post_trust(session, trust)

    def _post_trust(self, session: keystoneauth.Session, trust: dict) -> str:
        try:
            made = self._keystone(session, "POST", _TRUSTS, json={"trust": trust})
        except (exceptions.Forbidden, exceptions.NotFound) as error:
            # 404: a role that the token has and the user has not, as with some federated logins
            raise errors.Forbidden("gateway.trust.refused", _NO_TRUST) from error
        return made.json()["trust"]["id"]

    def _create_credential(
        self, session: keystoneauth.Session, user_id: str, roles: Iterable[str], description: str
    ) -> str:
        wanted = {
            "name": f"gateway-{uuid.uuid4()}",
            "description": description,
            "roles": [{"name": role} for role in roles],
        }
        url = f"/users/{user_id}/application_credentials"
        try:
            answer = self._keystone(session, "POST", url, json={"application_credential": wanted})
        except exceptions.Forbidden as error:
            raise errors.Forbidden("gateway.trust.refused", _NO_CREDENTIAL) from error
        made = answer.json()["application_credential"]
        try:
            self._credentials.add(made["id"], user_id, made["secret"])
        except BaseException:
            self._keystone(session, "DELETE", f"{url}/{made['id']}")
            raise
        return made["id"]

    def trusts(self) -> list[Grant]:
        """All that were given to the gateway's user, whatever gateway they are for."""
        url = f"{_TRUSTS}?trustee_user_id={self._service_user_id()}"
        with translated("trust"):
            found = self._keystone(self._service_session(), "GET", url).json()["trusts"]
        names = ("id", "trustor_user_id", "project_id", "description")
        return [Grant(*(each.get(name) or "" for name in names)) for each in found]

    def credentials(self) -> list[Grant]:
        """All that this gateway keeps in place of trusts."""
        return self._credentials.every()

    def delete_trust(self, trust_id: str) -> None:
        """Missing is fine. The trust's own token may delete it; where that no longer works (its user is
        disabled, say), and an application credential always, the gateway's user does: unless it is the
        owner himself, that takes the admin role."""
        with self._lock:
            self._trusts.pop(trust_id, None)
        owner = self._credentials.user_id(trust_id)
        with translated("trust"):
            if owner:
                self._delete_as_service(f"/users/{owner}/application_credentials/{trust_id}")
                return self._credentials.remove(trust_id)
            try:
                self._keystone(self._granted_session(trust_id), "DELETE", f"{_TRUSTS}/{trust_id}")
            except (exceptions.Unauthorized, exceptions.Forbidden, exceptions.NotFound):
                self._delete_as_service(f"{_TRUSTS}/{trust_id}")

    def _delete_as_service(self, url: str) -> None:
        try:
            self._keystone(self._service_session(), "DELETE", url)
        except exceptions.NotFound:
            LOG.debug("%s is gone already", url)

    def _keystone(self, session: keystoneauth.Session, method: str, url: str, **kwargs) -> requests.Response:
        endpoint = {
            "service_type": "identity",
            "interface": self._conf.cloud.interface,
            "region_name": self._conf.cloud.region_name,
            "version": (3, 0),
        }
        return session.request(url, method, endpoint_filter=endpoint, **kwargs)

    def _cloud(self, session: keystoneauth.Session) -> Cloud:
        return Cloud(session, self._conf, self._names)

    def _service_session(self) -> keystoneauth.Session:
        with self._lock:
            if self._service is None:
                self._service = self.session(self._service_auth())
            return self._service

    def _service_user_id(self) -> str:
        try:
            return self._service_session().get_user_id()
        except exceptions.Unauthorized as error:  # ours, not the caller's
            raise errors.CloudError("gateway.cloud.credentials", f"Keystone refuses [{_AUTH}].") from error

    def _granted_session(self, trust_id: str) -> keystoneauth.Session:
        secret = self._credentials.secret(trust_id)
        if secret is None:
            return self.session(self._service_auth(trust_id=trust_id, **_NO_SCOPE))
        return self.session(
            identity.ApplicationCredential(
                self.auth_url,
                application_credential_id=trust_id,
                application_credential_secret=secret,
            )
        )

    def _service_auth(self, **changed) -> plugin.BaseAuthPlugin:
        with self._lock:  # loading registers the plugin's options
            auth = loading.load_auth_from_conf_options(self._conf, _AUTH, **changed)
        if auth is None:
            raise errors.CloudError("gateway.cloud.credentials", f"[{_AUTH}] auth_type is not set.")
        return auth

    @property
    def auth_url(self) -> str:
        """Keystone's."""
        return self._service_auth().auth_url

    def session(self, auth: plugin.BaseAuthPlugin) -> keystoneauth.Session:
        """In whose name ``auth`` is, over the connections that all share, with the timeouts of [cloud]."""
        return keystoneauth.Session(
            auth=auth,
            session=self._http,
            verify=self._conf.cloud.cafile or True,
            timeout=self._conf.cloud.timeout,
            discovery_cache=self._discovery,
            app_name="gateway",
        )


class _Adapter(keystoneauth.TCPKeepAliveAdapter):
    """keystoneauth knows one timeout; requests takes one to connect and one to read."""

    def __init__(self, connect_timeout: float):
        self._connect_timeout = connect_timeout
        super().__init__(pool_maxsize=32)

    def send(self, request, *args, timeout=None, **kwargs):
        return super().send(request, *args, timeout=(self._connect_timeout, timeout), **kwargs)


def _http(conf: cfg.ConfigOpts) -> requests.Session:
    http_session = requests.Session()
    # Many users share it: a cookie of one, such as a load balancer's, must not go with the next one's call.
    http_session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("http://", "https://"):
        http_session.mount(scheme, _Adapter(conf.cloud.connect_timeout))
    return http_session
