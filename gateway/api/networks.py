"""/v1/networks"""

import dataclasses

from gateway.api.collection import CLOUD, NAMED, PAGE, Collection, page
from gateway.api.expose import expose
from gateway.api.shapes import listed, shape
from gateway.cloud.model import Network


class Networks(Collection):
    on_collection = {"GET": "get_all"}
    on_member = {"GET": "get_one"}

    def __init__(self, parts):
        self._parts = parts

    @expose(policy="gateway:networks:get", query=PAGE, answer=listed("networks", Network), raises=CLOUD)
    def get_all(self, context, limit=None, marker=None):
        cloud = self._parts.sessions.user(context.auth)
        return page("networks", self._parts.conf, cloud.networks, network_view, limit, marker)

    @expose(policy="gateway:networks:get", answer=shape(network=Network), raises=NAMED)
    def get_one(self, network, context):
        return {"network": network_view(self._parts.sessions.user(context.auth).network(network))}


def network_view(network: Network) -> dict:
    """``external``: floating IPs come from it. Subnets are those that the caller may see."""
    return dataclasses.asdict(network)
