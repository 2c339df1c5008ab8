"""/v1/deployments: a service onto servers, in one call."""

import dataclasses
import functools
import time
import uuid

import pecan

from gateway import errors
from gateway.api.collection import PAGE, Collection, page, referred
from gateway.api.expose import expose, isoformat
from gateway.cloud import fit
from gateway.cloud.openstack import Cloud
from gateway.deploy import flow, recipe, ssh
from gateway.deploy.model import (
    UNFINISHED,
    Deployment,
    ExistingServers,
    NewServers,
    Spec,
    Status,
    Target,
)
from gateway.registry.model import Check

_NAME = {"type": "string", "minLength": 1, "maxLength": 255}
_TEXT = {"type": "string", "maxLength": 256 * 1024, "pattern": r"^[^\x00]*$"}
_SECONDS = {"type": "number", "exclusiveMinimum": 0, "maximum": 3600}
_COUNT = {"type": "integer", "minimum": 1, "maximum": 100}
_ENVIRONMENT = {
    "type": "object",
    "maxProperties": 500,
    "propertyNames": {
        "pattern": recipe.ENV_NAME,
        "error": "names are letters, digits and _, not first a digit",
    },
    "additionalProperties": _TEXT,
}

_SERVER = {
    "type": "object",
    "properties": {
        "flavor": _NAME,
        "image": _NAME,
        "network": _NAME,
        "floating_network": _NAME,
        "ids": {"type": "array", "items": _NAME, "minItems": 1, "uniqueItems": True},
        "user": {"type": "string", "pattern": recipe.USER},
        "private_key": _TEXT,
        "host_key": _TEXT,
        "trust_on_first_use": {"type": "boolean"},
    },
    "additionalProperties": False,
}

_HEALTH = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "pattern": r"^/[!-~]*$", "maxLength": 1024},
        "interval": _SECONDS,
        "timeout": _SECONDS,
        "success_before_passing": _COUNT,
        "failures_before_critical": _COUNT,
    },
    "additionalProperties": False,
}

_BODY = {
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
                    "items": {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9.+:~_-]*$"},
                    "maxItems": 200,
                },
                "setup": _TEXT,
                "command": {**_TEXT, "minLength": 1},
                "env": _ENVIRONMENT,
                "secrets": _ENVIRONMENT,
                "port": {"type": "integer", "minimum": 1, "maximum": 65535},
                "proto": {"enum": ["http", "https"]},
                "routes": {"type": "array", "items": {"type": "string", "pattern": "^/"}, "maxItems": 1000},
                "health": _HEALTH,
                "weight": {"type": "integer", "minimum": 0, "maximum": 65535},
            },
            "required": ["service", "version", "server", "command", "port"],
            "additionalProperties": False,
        }
    },
    "required": ["deployment"],
    "additionalProperties": False,
}


class Deployments(Collection):
    on_collection = {"GET": "get_all", "POST": "post"}
    on_member = {"GET": "get_one", "DELETE": "delete"}
    on_part = {"log": {"GET": "get_log"}}

    def __init__(self, parts):
        self._conf = parts.conf
        self._sessions = parts.sessions
        self._store = parts.deployments

    @expose(policy="gateway:deployments:get", query=PAGE)
    def get_all(self, context, limit=None, marker=None):
        """Newest first."""
        fetch = functools.partial(self._store.deployments, context.project_id)
        return page("deployments", self._conf, fetch, _summary, limit, marker)

    @expose(policy="gateway:deployments:get")
    def get_one(self, id, context):
        return {"deployment": _view(self._store.deployment(id, context.project_id))}

    @expose(policy="gateway:deployments:create", body=_BODY, status=202)
    def post(self, context, body):
        wish = body["deployment"]
        cloud = self._sessions.user(context.auth)
        spec, secrets = self._resolved(context, cloud, wish)
        if isinstance(spec.servers, NewServers):
            flavor = cloud.flavor(spec.servers.flavor_id)
            cloud.check_quota(
                flavor, spec.replicas, spec.replicas if spec.servers.floating_network_id else 0, 1
            )
        trust_id = self._sessions.create_trust(
            context.auth, context.user_id, context.project_id, context.roles
        )
        deployment = self._stored(context, spec, secrets, trust_id)
        pecan.response.headers["Location"] = f"{pecan.request.path_url}/{deployment.id}"
        return {"deployment": _view(deployment)}

    @expose(policy="gateway:deployments:delete", status=202)
    def delete(self, id, context):
        """The engine takes everything back; GET answers 404 once that is done."""
        self._store.deployment(id, context.project_id)
        self._store.move(id, Status.DELETING, [*UNFINISHED, Status.SUCCEEDED, Status.FAILED])
        return {"deployment": _view(self._store.deployment(id, context.project_id))}

    @expose(policy="gateway:deployments:get")
    def get_log(self, id, context):
        """What the steps and the remote commands printed, oldest first."""
        self._store.deployment(id, context.project_id)
        lines = map(dataclasses.asdict, self._store.read_log(id))
        return {"log": [{**line, "at": isoformat(line["at"])} for line in lines]}

    def _stored(self, context, spec: Spec, secrets: dict, trust_id: str) -> Deployment:
        now = time.time()
        deployment = Deployment(
            id=str(uuid.uuid4()),
            project_id=context.project_id,
            user_id=context.user_id,
            request_id=context.request_id,
            trust_id=trust_id,
            spec=spec,
            status=Status.PENDING,
            fault=None,
            created_at=now,
            updated_at=now,
            steps=flow.planned_steps(**flow.shape(spec)),
            targets=tuple(Target(number) for number in range(spec.replicas)),
        )
        try:
            self._store.add(deployment, secrets)
        except BaseException:
            self._sessions.delete_trust(trust_id)
            raise
        return deployment

    def _resolved(self, context, cloud: Cloud, wish: dict) -> tuple[Spec, dict]:
        """The wish with ids for names, and what is secret in it. Raises Invalid for what does not exist."""
        if "artifact" in wish:
            find = functools.partial(self._store.artifact, project_id=context.project_id)
            referred("deployment.artifact", find, wish["artifact"])
        secrets = {"env": wish.get("secrets", {})}
        if "ids" in wish["server"]:
            servers = self._existing(context, cloud, wish)
            secrets |= {key: wish["server"][key] for key in ("private_key",) if key in wish["server"]}
        else:
            servers = self._new(cloud, wish)
        return _spec(wish, servers), secrets

    def _new(self, cloud: Cloud, wish: dict) -> NewServers:
        server = wish["server"]
        for name in ("flavor", "image", "network"):
            if name not in server:
                raise errors.Invalid(
                    "gateway.deployment.server",
                    "server: give flavor, image and network to boot servers, or ids of servers that are there.",
                    field=f"deployment.server.{name}",
                )
        self._refuse(
            server, ("private_key", "host_key", "trust_on_first_use"), "servers that are there (ids)"
        )
        flavor = referred("deployment.server.flavor", cloud.flavor, server["flavor"])
        image = referred("deployment.server.image", cloud.image, server["image"])
        network = referred("deployment.server.network", cloud.network, server["network"])
        floating = None
        if "floating_network" in server:
            floating = referred(
                "deployment.server.floating_network", cloud.network, server["floating_network"]
            ).id
        fit.check_image(flavor, image)
        user = server.get("user") or image.login_user
        if user is None:
            raise errors.Invalid(
                "gateway.deployment.user",
                f"server.user: image {image.name} does not tell its login user (os_admin_user); give it.",
                field="deployment.server.user",
            )
        return NewServers(flavor.id, image.id, network.id, floating, user)

    def _existing(self, context, cloud: Cloud, wish: dict) -> ExistingServers:
        server = wish["server"]
        self._refuse(
            server, ("flavor", "image", "network", "floating_network"), "servers to be booted, not for ids"
        )
        if wish.get("replicas", len(server["ids"])) != len(server["ids"]):
            raise errors.Invalid(
                "gateway.deployment.replicas",
                f"replicas: there is one for each of the {len(server['ids'])} server.ids; leave it out.",
                field="deployment.replicas",
            )
        if "host_key" in server:
            ssh.parse_host_key(server["host_key"])
        if "private_key" in server:
            ssh.parse_private_key(server["private_key"])
        ids = [referred("deployment.server.ids", cloud.server, each).id for each in server["ids"]]
        self._check_access(context, server, ids)
        return ExistingServers(
            tuple(ids), server.get("user"), server.get("host_key"), server.get("trust_on_first_use", False)
        )

    def _check_access(self, context, server: dict, ids: list[str]) -> None:
        if "private_key" in server:
            if "user" not in server:
                raise errors.Invalid(
                    "gateway.deployment.user",
                    "server.user: give it with private_key.",
                    field="deployment.server.user",
                )
            return
        for id in ids:
            if self._store.access(context.project_id, id) is None:
                raise errors.Invalid(
                    "gateway.deployment.private_key",
                    f"server.private_key: the gateway did not boot server {id}; give a key and user.",
                    field="deployment.server.private_key",
                )

    @staticmethod
    def _refuse(server: dict, names: tuple[str, ...], meant_for: str) -> None:
        for name in names:
            if name in server:
                raise errors.Invalid(
                    "gateway.deployment.server",
                    f"server.{name} is for {meant_for}.",
                    field=f"deployment.server.{name}",
                )


def _spec(wish: dict, servers: NewServers | ExistingServers) -> Spec:
    count = len(servers.ids) if isinstance(servers, ExistingServers) else wish.get("replicas", 1)
    return Spec(
        service=wish["service"],
        version=wish["version"],
        replicas=count,
        servers=servers,
        command=wish["command"],
        port=wish["port"],
        proto=wish.get("proto", "http"),
        check=Check(**wish.get("health", {})),
        routes=tuple(wish.get("routes", ())),
        weight=wish.get("weight", 1),
        artifact_id=wish.get("artifact"),
        files=wish.get("files", {}),
        packages=tuple(wish.get("packages", ())),
        setup=wish.get("setup"),
        env=wish.get("env", {}),
        secret_names=tuple(sorted(wish.get("secrets", {}))),
    )


def _summary(deployment: Deployment) -> dict:
    return {
        "id": deployment.id,
        "service": deployment.spec.service,
        "version": deployment.spec.version,
        "status": deployment.status,
        "replicas": deployment.spec.replicas,
        "fault": dataclasses.asdict(deployment.fault) if deployment.fault else None,
        "request_id": deployment.request_id,
        "created_at": isoformat(deployment.created_at),
        "updated_at": isoformat(deployment.updated_at),
    }


def _view(deployment: Deployment) -> dict:
    spec = deployment.spec
    return {
        **_summary(deployment),
        "steps": [
            {
                **dataclasses.asdict(step),
                "started_at": isoformat(step.started_at),
                "finished_at": isoformat(step.finished_at),
            }
            for step in deployment.steps
        ],
        "instances": [
            {**dataclasses.asdict(target), "url": _url(spec, target)} for target in deployment.targets
        ],
        "spec": dataclasses.asdict(spec),
    }


def _url(spec: Spec, target: Target) -> str | None:
    if target.address is None:
        return None
    host = f"[{target.address}]" if ":" in target.address else target.address
    return f"{spec.proto}://{host}:{spec.port}"
