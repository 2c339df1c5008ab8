"""/v1/servers"""

import contextlib
import dataclasses
import logging

import pecan

from gateway import errors
from gateway.api.auth import Context
from gateway.api.choice import Choice, choose
from gateway.api.collection import CLOUD, NAMED, PAGE, Collection, page
from gateway.api.expose import expose
from gateway.api.shapes import Maybe, Time, listed, many, shape
from gateway.cloud.model import Address, Reference, Server, ServerSpec
from gateway.cloud.openstack import Cloud
from gateway.deploy import guest
from gateway.deploy.model import Access, Trust

LOG = logging.getLogger(__name__)

#: Metadata of the servers that one request booted, to find them should it fail half-way.
TAG = "gateway_request"

_NAME = {"type": "string", "minLength": 1, "maxLength": 255}

BODY = {
    "type": "object",
    "required": ["server"],
    "additionalProperties": False,
    "properties": {
        "server": {
            "type": "object",
            "required": ["name", "flavor", "image", "network"],
            "additionalProperties": False,
            "properties": {
                "name": {
                    **_NAME,
                    "pattern": r"^\S(.*\S)?$",
                    "error": "must be 1 to 255 characters, without space at either end.",
                },
                "flavor": {**_NAME, "error": "must be a flavor's name or id."},
                "image": {**_NAME, "error": "must be an image's name or id."},
                "network": {**_NAME, "error": "must be a network's name or id."},
                "key_name": {**_NAME, "error": "must be the name of a key pair in Nova."},
                "security_groups": {
                    "type": "array",
                    "items": {**_NAME, "error": "must be a security group's name or id."},
                    "uniqueItems": True,
                },
                "user_data": {
                    "type": "string",
                    "minLength": 1,
                    "error": "must be the text of cloud-init user data.",
                },
                "count": {"type": "integer", "minimum": 1, "error": "must be a whole number from 1."},
            },
        }
    },
}

SERVER = shape(
    id=str,
    name=str,
    status=str,
    addresses=list[Address],
    flavor=Reference,
    image=Reference | None,
    key_name=str | None,
    security_groups=list[str],
    created_at=Time | None,
    updated_at=Time | None,
    fault=Maybe(str),
)
#: Of one, or of ``count``.
_BOOTED = {"oneOf": [shape(server=SERVER), shape(servers=many(SERVER))]}


class Servers(Collection):
    on_collection = {"GET": "get_all", "POST": "post"}
    on_member = {"GET": "get_one", "DELETE": "delete"}

    def __init__(self, parts):
        self._parts = parts

    @expose(policy="gateway:servers:get", query=PAGE, answer=listed("servers", SERVER), raises=CLOUD)
    def get_all(self, context, limit=None, marker=None):
        cloud = self._parts.sessions.user(context.auth)
        return page("servers", self._parts.conf, cloud.servers, server_view, limit, marker)

    @expose(policy="gateway:servers:get", answer=shape(server=SERVER), raises=NAMED)
    def get_one(self, server, context):
        return {"server": server_view(self._parts.sessions.user(context.auth).server(server))}

    @expose(
        policy="gateway:servers:create",
        body=BODY,
        status=202,
        answer=_BOOTED,
        raises=NAMED,
        headers=["Location"],
    )
    def post(self, context, body):
        wanted = body["server"]
        count = self._count(wanted)
        cloud = self._parts.sessions.user(context.auth)
        choice = choose(wanted, "server", context, cloud)
        cloud.check_quota(choice.flavor, count)
        booted = self._boot(context, cloud, wanted, choice, count)
        if count > 1:
            pecan.response.headers["Location"] = "/v1/servers"
            return {"servers": [server_view(server) for server in booted]}
        pecan.response.headers["Location"] = f"/v1/servers/{booted[0].id}"
        return {"server": server_view(booted[0])}

    @expose(policy="gateway:servers:delete", status=204, raises=NAMED)
    def delete(self, server, context):
        cloud = self._parts.sessions.user(context.auth)
        found = cloud.server(server)
        cloud.delete_server(found.id)
        self._parts.deployments.delete_access(context.project_id, found.id)

    def _count(self, wanted: dict) -> int:
        count, most = wanted.get("count", 1), self._parts.conf.deploy.max_replicas
        if count > most:
            raise errors.Invalid(
                "gateway.request.invalid", f"server.count: must be at most {most}.", field="server.count"
            )
        return count

    def _boot(self, context: Context, cloud: Cloud, wanted: dict, choice: Choice, count: int) -> list[Server]:
        """All of them or none."""
        booted: list[Server] = []
        names = [wanted["name"]] if count == 1 else [f"{wanted['name']}-{n}" for n in range(count)]
        try:
            for name in names:
                booted.append(self._boot_one(context, cloud, {**wanted, "name": name}, choice))
        except BaseException:
            self._take_back(context, cloud, booted)
            raise
        return booted

    def _boot_one(self, context: Context, cloud: Cloud, wanted: dict, choice: Choice) -> Server:
        host_key, login_key = guest.key_pair(), guest.key_pair()
        spec = ServerSpec(
            name=wanted["name"],
            flavor_id=choice.flavor.id,
            image_id=choice.image.id,
            network_id=choice.network.id,
            user_data=guest.user_data(host_key, login_key.public, wanted.get("user_data")),
            key_name=wanted.get("key_name"),
            security_groups=tuple(wanted.get("security_groups", ())),
            tags={TAG: context.request_id},
        )
        server = cloud.boot(spec)
        access = Access(
            server_id=server.id,
            project_id=context.project_id,
            user=choice.image.login_user or "root",
            private_key=login_key.private,
            host_key=host_key.public,
            trust=Trust.INJECTED,
        )
        self._parts.deployments.save_access(access)
        return dataclasses.replace(
            server,
            flavor=Reference(choice.flavor.id, choice.flavor.name),
            image=Reference(choice.image.id, choice.image.name),
        )

    def _take_back(self, context: Context, cloud: Cloud, booted: list[Server]) -> None:
        """Also a server that Nova made though its answer never came: found by its tag."""
        ids = {server.id for server in booted}
        with _logged("listing what was booted"):
            ids |= {server.id for server in cloud.find_servers({TAG: context.request_id})}
        for id in ids:
            with _logged(f"deleting server {id}"):
                cloud.delete_server(id)
                self._parts.deployments.delete_access(context.project_id, id)


@contextlib.contextmanager
def _logged(what: str):
    """The caller is told why the boot failed, not why the cleaning up did."""
    try:
        yield
    except errors.GatewayError as error:
        LOG.warning("After a boot that failed, %s failed too: %s", what, error)


def server_view(server: Server) -> dict:
    view = {
        "id": server.id,
        "name": server.name,
        "status": server.status,
        "addresses": [dataclasses.asdict(address) for address in server.addresses],
        "flavor": dataclasses.asdict(server.flavor),
        "image": dataclasses.asdict(server.image) if server.image else None,
        "key_name": server.key_name,
        "security_groups": list(server.security_groups),
        "created_at": server.created_at,
        "updated_at": server.updated_at,
    }
    return {**view, "fault": server.fault} if server.fault else view
