"""What POST /v1/deployments asks for: its schema, and how names become ids."""

import dataclasses
import functools

from gateway import errors
from gateway.api import bind, check
from gateway.api.auth import Context
from gateway.api.choice import choose
from gateway.api.collection import referred
from gateway.api.jump import check_keys, wanted_jump
from gateway.cloud.model import Image
from gateway.cloud.openstack import Cloud
from gateway.deploy import recipe
from gateway.deploy.model import ExistingServers, Heal, Jump, NewServers, Spec, Update
from gateway.deploy.store import DeploymentStore
from gateway.registry.model import Kind

_NAME = {"type": "string", "minLength": 1, "maxLength": 255}
_USER = {"type": "string", "pattern": recipe.USER}
_TEXT = {"type": "string", "maxLength": 256 * 1024, "pattern": r"^[^\x00]*$"}
#: Not ending in "-": apt-get would remove the package.
_PACKAGE = r"^[A-Za-z0-9][A-Za-z0-9.+:~_-]*(?<!-)(?!\n)$"
ENVIRONMENT = {
    "type": "object",
    "maxProperties": 500,
    "propertyNames": {
        "pattern": recipe.ENV_NAME,
        "error": "names are letters, digits and _, not first a digit",
    },
    "additionalProperties": _TEXT,
}

_JUMP = {
    "type": "object",
    "properties": {"server": _NAME, "user": _USER, "private_key": _TEXT, "host_key": _TEXT},
    "required": ["server"],
    "additionalProperties": False,
    "dependentRequired": {"private_key": ["user"]},
}

NEW_SERVERS = {
    "properties": {
        "flavor": _NAME,
        "image": _NAME,
        "network": _NAME,
        "floating_network": _NAME,
        "user": _USER,
        "jump": _JUMP,
        "key_name": _NAME,
    },
    "required": ["flavor", "image", "network"],
    "additionalProperties": False,
}

_EXISTING_SERVERS = {
    "properties": {
        "ids": {"type": "array", "items": _NAME, "minItems": 1, "uniqueItems": True},
        "user": _USER,
        "private_key": _TEXT,
        "host_key": _TEXT,
        "trust_on_first_use": {"type": "boolean"},
        "jump": _JUMP,
    },
    "additionalProperties": False,
    "dependentRequired": {"private_key": ["user"]},
}

_SERVER = {
    "type": "object",
    "if": {"required": ["ids"]},
    "then": _EXISTING_SERVERS,
    "else": NEW_SERVERS,
}

_SECONDS_OR_NONE = {"type": "number", "minimum": 0, "maximum": 3600}

_UPDATE = {
    "type": "object",
    "properties": {
        "batch": {
            "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": recipe.PERCENTAGE}],
            "error": "a number of instances from 1, or a share of them from 1% to 100%",
        },
        "pause": _SECONDS_OR_NONE,
        "drain": _SECONDS_OR_NONE,
        "ramp": _SECONDS_OR_NONE,
    },
    "additionalProperties": False,
}

_HEAL = {
    "type": "object",
    "properties": {
        "after": {"type": "number", "minimum": 1, "maximum": 86400},
        "max_unhealthy": {"type": "integer", "minimum": 1},
    },
    "additionalProperties": False,
}

BODY = {
    "type": "object",
    "properties": {
        "deployment": {
            "type": "object",
            "properties": {
                "service": {
                    "type": "string",
                    "pattern": recipe.SERVICE,
                    "error": "a service is named with a-z, 0-9 and -, at most 48 of them",
                },
                "version": {"type": "string", "pattern": recipe.VERSION},
                "replicas": {"type": "integer", "minimum": 1},
                "server": _SERVER,
                "artifact": {"type": "string", "format": "uuid"},
                "files": {
                    "type": "object",
                    "maxProperties": 1000,
                    "propertyNames": {
                        "pattern": recipe.FILE_PATH,
                        "error": "paths are relative to the release, without . and ..",
                    },
                    "additionalProperties": {"type": "string"},
                },
                "packages": {
                    "type": "array",
                    "items": {"type": "string", "pattern": _PACKAGE},
                    "maxItems": 200,
                },
                "setup": _TEXT,
                "command": {**_TEXT, "minLength": 1},
                "env": ENVIRONMENT,
                "secrets": ENVIRONMENT,
                "port": {"type": "integer", "minimum": 1, "maximum": 65535},
                "proto": {"enum": ["http", "https"]},
                "routes": {"type": "array", "items": {"type": "string", "pattern": "^/"}, "maxItems": 1000},
                "health": check.of(Kind.HTTP, Kind.HTTPS, Kind.TCP, Kind.GRPC, Kind.SSH),
                "weight": {"type": "integer", "minimum": 0, "maximum": 65535},
                "update": _UPDATE,
                "heal": _HEAL,
                "bind": bind.SCHEMA,
            },
            "required": ["service", "version", "server", "command", "port"],
            "additionalProperties": False,
        }
    },
    "required": ["deployment"],
    "additionalProperties": False,
}


@dataclasses.dataclass(frozen=True)
class Running:
    """The release that the wish is to follow, with what is secret in it."""

    spec: Spec
    secrets: dict = dataclasses.field(repr=False)


def resolve(
    wish: dict, context: Context, cloud: Cloud, store: DeploymentStore, running: Running | None
) -> tuple[Spec, dict]:
    """The wish with ids for names, and what is secret in it, as ``DeploymentStore.add`` takes them. Raises
    Invalid for what does not exist or does not go together, QuotaExceeded; changes nothing."""
    if "artifact" in wish:
        find = functools.partial(store.artifact, project_id=context.project_id)
        referred("deployment.artifact", find, wish["artifact"])
    secrets = {"env": wish.get("secrets", {})}
    before = (running.spec.server.jump, running.secrets.get("jump_private_key")) if running else (None, None)
    jump, jump_key = wanted_jump(wish, context, cloud, store, *before)
    if jump_key:
        secrets["jump_private_key"] = jump_key
    if "ids" not in wish["server"]:
        return _spec(wish, _new_servers(wish, context, cloud, running), jump), secrets
    wish = {**wish, "server": _with_known_key(wish["server"], running)}
    if "private_key" in wish["server"]:
        secrets["private_key"] = wish["server"]["private_key"]
    return _spec(wish, _existing_servers(wish, context, cloud, store), jump), secrets


def at_the_servers_of(running: dict, old: dict) -> dict:
    """What is secret in ``old`` when that is gone back to: the servers' keys are those of today. So are to be
    the credentials of what it binds, which the caller adds."""
    return {name: value for name, value in running.items() if name != "bound"} | {"env": old["env"]}


def _with_known_key(server: dict, running: Running | None) -> dict:
    """A release of a service that runs need not bring again the key that came with the one before."""
    if running is None or "private_key" in server or "private_key" not in running.secrets:
        return server
    before = running.spec.server
    known = {"user": before.user, "host_key": before.host_key, "private_key": running.secrets["private_key"]}
    return {**{name: value for name, value in known.items() if value}, **server}


def _new_servers(wish: dict, context: Context, cloud: Cloud, running: Running | None) -> NewServers:
    server = wish["server"]
    choice = choose(server, "deployment.server", context, cloud)
    floating = choice.floating_network
    more = wish.get("replicas", 1) - (running.spec.replicas if running else 0)
    if more > 0:
        cloud.check_quota(choice.flavor, more, more if floating else 0, 0 if running else 1)
    return NewServers(
        flavor=choice.flavor.id,
        image=choice.image.id,
        network=choice.network.id,
        floating_network=floating.id if floating else None,
        user=_login_user(server, choice.image),
        key_name=server.get("key_name"),
    )


def _login_user(server: dict, image: Image) -> str:
    user = server.get("user") or image.login_user
    if user is None:
        raise errors.Invalid(
            "gateway.deployment.user",
            f"server.user: image {image.name} does not tell its login user (os_admin_user); give it.",
            field="deployment.server.user",
        )
    return user


def _existing_servers(wish: dict, context: Context, cloud: Cloud, store: DeploymentStore) -> ExistingServers:
    server = wish["server"]
    if "heal" in wish:
        raise errors.Invalid(
            "gateway.deployment.heal",
            "heal: the gateway replaces only servers that it boots for the deployment.",
            field="deployment.heal",
        )
    if wish.get("replicas", len(server["ids"])) != len(server["ids"]):
        raise errors.Invalid(
            "gateway.deployment.replicas",
            f"replicas: there is one for each of the {len(server['ids'])} server.ids; leave it out.",
            field="deployment.replicas",
        )
    check_keys(server, "deployment.server")
    ids = tuple(referred("deployment.server.ids", cloud.server, each).id for each in server["ids"])
    if len(set(ids)) < len(ids):
        raise errors.Invalid(
            "gateway.deployment.server",
            "server.ids: one server is named twice.",
            field="deployment.server.ids",
        )
    if "private_key" not in server:
        _check_known(ids, context, store)
    return ExistingServers(
        ids, server.get("user"), server.get("host_key"), server.get("trust_on_first_use", False)
    )


def _check_known(ids: tuple[str, ...], context: Context, store: DeploymentStore) -> None:
    for id in ids:
        if store.access(context.project_id, id) is None:
            raise errors.Invalid(
                "gateway.deployment.private_key",
                f"server.private_key: the gateway did not boot server {id}; give a key and user.",
                field="deployment.server.private_key",
            )


def _spec(wish: dict, server: NewServers | ExistingServers, jump: Jump | None) -> Spec:
    health = check.wanted("deployment.health", wish.get("health", {}), wish.get("proto", "http"))
    return Spec(
        service=wish["service"],
        version=wish["version"],
        replicas=len(server.ids) if isinstance(server, ExistingServers) else wish.get("replicas", 1),
        server=dataclasses.replace(server, jump=jump),
        command=wish["command"],
        port=wish["port"],
        proto=wish.get("proto", "http"),
        health=dataclasses.replace(health, tunnel=jump is not None),
        routes=tuple(wish.get("routes", ())),
        weight=wish.get("weight", 1),
        artifact=wish.get("artifact"),
        files=wish.get("files", {}),
        packages=tuple(wish.get("packages", ())),
        setup=wish.get("setup"),
        env=wish.get("env", {}),
        secrets=tuple(sorted(wish.get("secrets", {}))),
        update=Update(**wish.get("update", {})),
        heal=Heal(**wish["heal"]) if "heal" in wish else None,
    )
