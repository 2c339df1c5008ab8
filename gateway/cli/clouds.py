"""Who the user is: --os-… options, OS_… variables and clouds.yaml, as in every OpenStack client.

openstacksdk knows all of it, but costs 160 ms more to import than keystoneauth (``openstack.config`` brings
the whole SDK). So the plain cases are read here, and it is imported for the rest: secure.yaml, vendor
profiles, several regions, other auth types.
"""

import argparse
import contextlib
import dataclasses
import functools
import getpass
import os
import pathlib
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keystoneauth1 import session


class ConfigError(Exception):
    """No cloud, or not enough to log in to it; says what to do."""


@dataclasses.dataclass(frozen=True)
class Cloud:
    """``login`` imports what it takes to log in. ``who``: all that makes a login another one, without what is
    secret; None where that says not whose it is. ``verify``, ``cert``: as requests has them."""

    login: Callable[[], "session.Session"]
    who: dict[str, Any] | None
    region_name: str | None
    interface: str
    gateway_url: str | None  # gateway_endpoint_override of clouds.yaml
    service_type: str | None  # gateway_service_type of clouds.yaml
    verify: bool | str = True
    cert: Any = None

    @functools.cached_property
    def session(self) -> "session.Session":
        """Logs in when it is first used; asks for a password that is missing."""
        return self.login()


#: Option → what its help says. ``--os-NAME`` and OS_NAME; the dest is os_NAME.
AUTH_OPTIONS = {
    "auth-type": "how to log in: password, token, v3applicationcredential …",
    "auth-url": "Keystone's URL",
    "username": "user name",
    "user-id": "user id, in place of the name",
    "user-domain-name": "domain of the user",
    "user-domain-id": "domain of the user, by id",
    "password": "password; asked for on a terminal",
    "token": "a token, in place of user and password",
    "project-name": "project to work in",
    "project-id": "project to work in, by id",
    "project-domain-name": "domain of the project",
    "project-domain-id": "domain of the project, by id",
    "application-credential-id": "application credential",
    "application-credential-name": "application credential, by name (with the user)",
    "application-credential-secret": "its secret",
    "region-name": "region of the catalogue",
    "interface": "endpoints to use: public, internal or admin",
    "cacert": "file of CA certificates to trust",
}
_OLD_NAMES = {
    "OS_PROJECT_NAME": "OS_TENANT_NAME",
    "OS_PROJECT_ID": "OS_TENANT_ID",
    "OS_INTERFACE": "OS_ENDPOINT_TYPE",
}
_SECRET = {"password", "token", "application-credential-secret"}


def add_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("cloud", "each also as a variable: --os-cloud is OS_CLOUD, and so on")
    group.add_argument(
        "--os-cloud", metavar="NAME", default=os.environ.get("OS_CLOUD"), help="a cloud of clouds.yaml"
    )
    for name, text in AUTH_OPTIONS.items():
        variable = "OS_" + name.upper().replace("-", "_")
        default = os.environ.get(variable) or os.environ.get(_OLD_NAMES.get(variable, ""))
        metavar = "SECRET" if name in _SECRET else name.rpartition("-")[2].upper()
        group.add_argument(f"--os-{name}", metavar=metavar, default=default, help=text)
    group.add_argument("--insecure", action="store_true", help="do not verify TLS certificates")


def connect(options: argparse.Namespace) -> Cloud:
    """Logs nobody in yet: the session does when it is first used. Raises ConfigError."""
    given = {name.replace("-", "_"): value for name in AUTH_OPTIONS if (value := _value(options, name))}
    if options.insecure:
        given["insecure"] = True
    named = {} if _needs_no_file(options, given) else _from_file(options.os_cloud)
    if named is not None and (plain := _plain(named, given)) is not None:
        return _built(plain, options.request_timeout)
    return _from_sdk(options.os_cloud, given, options.request_timeout)


def _value(options: argparse.Namespace, name: str) -> str | None:
    return getattr(options, "os_" + name.replace("-", "_"))


def _needs_no_file(options: argparse.Namespace, given: dict) -> bool:
    return not options.os_cloud and "auth_url" in given


# Reading clouds.yaml

_SUFFIXES = (".yaml", ".yml", ".json")


def _from_file(name: str | None) -> dict | None:
    """The cloud as clouds.yaml has it; None where only openstacksdk knows how it is found."""
    folders = _folders()
    if folders is None or _first(folders, "secure", "OS_CLIENT_SECURE_FILE"):
        return None
    path = _first(folders, "clouds", "OS_CLIENT_CONFIG_FILE")
    import yaml

    try:
        content = yaml.safe_load(path.read_text()) if path else {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"Cannot read {path}: {error}") from error
    return _chosen((content or {}).get("clouds") or {}, name, path)


def _folders() -> list[pathlib.Path] | None:
    """Where openstack.config looks, in its order. None: it looks elsewhere here (macOS, snaps, XDG lists)."""
    if sys.platform != "linux" or "XDG_CONFIG_DIRS" in os.environ or "SNAP_REAL_HOME" in os.environ:
        return None
    home = pathlib.Path.home() / ".config"
    user = os.environ.get("XDG_CONFIG_HOME") or home
    return [pathlib.Path(), *(pathlib.Path(p, "openstack") for p in (user, home, "/etc/xdg", "/etc"))]


def _first(folders: list[pathlib.Path], stem: str, variable: str) -> pathlib.Path | None:
    paths = [pathlib.Path(os.environ[variable])] if os.environ.get(variable) else []
    paths += [folder / (stem + suffix) for folder in folders for suffix in _SUFFIXES]
    return next((path for path in paths if path.exists()), None)


def _chosen(clouds: dict, name: str | None, path: pathlib.Path | None) -> dict:
    if name is None and len(clouds) == 1:
        name = next(iter(clouds))
    if name in clouds:
        return clouds[name] or {}
    known = f" {path} has: {', '.join(sorted(clouds))}." if clouds else " No clouds.yaml was found."
    if name is None:
        raise ConfigError(f"Which cloud? Give --os-cloud or OS_CLOUD, or OS_AUTH_URL and the rest.{known}")
    raise ConfigError(f"There is no cloud {name!r}.{known}")


# From there to a session

_KEYS = {"auth", "auth_type", "region_name", "interface", "verify", "insecure", "cacert", "cert", "key"}
_KEYS |= {"gateway_endpoint_override", "gateway_service_type"}
_SCOPE = ("project_id", "project_name", "project_domain_id", "project_domain_name")
_USER = ("user_id", "username", "user_domain_id", "user_domain_name")
_PASSWORD = ("auth_url", *_USER, "password", *_SCOPE)
_CREDENTIAL = tuple(f"application_credential_{part}" for part in ("id", "name", "secret"))
#: auth_type → keystoneauth's class where the URL names version 3, where it does not, and what it takes.
_PLUGINS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "password": ("V3Password", "Password", _PASSWORD),
    "v3password": ("V3Password", "V3Password", _PASSWORD),
    "token": ("V3Token", "Token", ("auth_url", "token", *_SCOPE)),
    "v3token": ("V3Token", "V3Token", ("auth_url", "token", *_SCOPE)),
    "v3applicationcredential": (
        "V3ApplicationCredential",
        "V3ApplicationCredential",
        ("auth_url", *_CREDENTIAL, *_USER),
    ),
}


def _plain(cloud: dict, given: dict) -> dict | None:
    """``cloud`` with the options and variables over it, what logs in under "auth"; None if not plain."""
    merged = {**cloud, "auth": dict(cloud.get("auth") or {})}
    for name, value in given.items():
        (merged if name in _KEYS else merged["auth"])[name] = value
    merged.setdefault("auth_type", "token" if "token" in merged["auth"] else "password")
    known = {"token", *_PASSWORD, *_CREDENTIAL}
    is_plain = (
        all(key in _KEYS or key.endswith("_api_version") for key in merged)
        and known.issuperset(merged["auth"])
        and merged["auth_type"] in _PLUGINS
        and "{" not in merged["auth"].get("auth_url", "")
        and "," not in (merged.get("region_name") or "")
    )
    return merged if is_plain else None


def _built(cloud: dict, timeout: float) -> Cloud:
    auth_type, auth = cloud["auth_type"], _with_domains(cloud["auth"])
    verify = not cloud.get("insecure") and cloud.get("verify", True)
    if verify and cloud.get("cacert"):
        verify = os.path.expanduser(cloud["cacert"])
    taken = {name: auth[name] for name in _PLUGINS[auth_type][2] if auth.get(name)}
    cert = _certificate(cloud)
    return Cloud(
        lambda: _logged_in(auth_type, taken, verify=verify, cert=cert, timeout=timeout),
        _public({"auth_type": auth_type, **taken}),
        cloud.get("region_name"),
        cloud.get("interface") or "public",
        cloud.get("gateway_endpoint_override"),
        cloud.get("gateway_service_type"),
        verify,
        cert,
    )


def _logged_in(auth_type: str, auth: dict, **options: Any) -> "session.Session":
    with _without_netaddr():
        from keystoneauth1 import identity, session

    if not options["verify"]:
        warnings.filterwarnings("ignore", message="Unverified HTTPS request")
    versioned, discovering, _ = _PLUGINS[auth_type]
    # A URL that ends in /v3 saves the request that asks Keystone for its versions.
    name = versioned if auth["auth_url"].rstrip("/").endswith("/v3") else discovering
    plugin = getattr(identity, name)(**_with_password(auth, auth_type))
    return session.Session(auth=plugin, app_name="gateway-cli", **options)


@contextlib.contextmanager
def _without_netaddr() -> Iterator[None]:
    """keystoneauth does without it where it is missing: it would only write addresses into bodies, of which
    there are none, and takes a tenth of a command's time to import."""
    if "netaddr" in sys.modules:
        yield
        return
    sys.modules["netaddr"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["netaddr"]


#: The last words of names of what must stay secret.
_SECRETS = ("password", "secret", "token", "passcode")


def _public(login: dict) -> dict | None:
    """What a login is known by; None where no user is named."""
    known = {name: value for name, value in login.items() if not name.endswith(_SECRETS)}
    is_named = any("user" in name or "credential_id" in name for name, value in known.items() if value)
    return known if is_named else None


def _certificate(cloud: dict) -> Any:
    parts = [os.path.expanduser(cloud[name]) for name in ("cert", "key") if cloud.get(name)]
    return tuple(parts) if len(parts) == 2 else next(iter(parts), None)


def _with_domains(auth: dict) -> dict:
    """Those left out are Keystone's own first one."""
    if not auth.get("auth_url"):
        raise ConfigError("Keystone's URL is missing: give --os-cloud, or --os-auth-url (OS_AUTH_URL).")
    auth = dict(auth)
    for owner, name in (("user", "username"), ("project", "project_name")):
        if auth.get(name) and not (auth.get(f"{owner}_domain_id") or auth.get(f"{owner}_domain_name")):
            auth[f"{owner}_domain_id"] = "default"
    return auth


def _with_password(auth: dict, auth_type: str) -> dict:
    """Asked for on a terminal where it is left out."""
    if not auth_type.endswith("password") or auth.get("password"):
        return auth
    if not sys.stdin.isatty():
        raise ConfigError("The password is missing: set OS_PASSWORD.")
    return {**auth, "password": getpass.getpass("Password: ")}


def _from_sdk(name: str | None, given: dict, timeout: float) -> Cloud:
    import openstack.config
    import openstack.exceptions
    from keystoneauth1 import exceptions

    try:
        region = openstack.config.OpenStackConfig().get_one(cloud=name, api_timeout=timeout, **given)
        made = region.get_session()
    except (openstack.exceptions.SDKException, exceptions.ClientException) as error:
        raise ConfigError(f"clouds.yaml and OS_…: {error}") from error
    return Cloud(
        lambda: made,
        _known_by(made.auth),
        region.get_region_name() or None,
        region.get_interface() or "public",
        region.config.get("gateway_endpoint_override"),
        region.config.get("gateway_service_type"),
        made.verify,
        made.cert,
    )


def _known_by(plugin: Any) -> dict | None:
    try:
        return _public(plugin.get_cache_id_elements())
    except NotImplementedError:
        return None
