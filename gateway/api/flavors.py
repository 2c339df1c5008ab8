"""/v1/flavors"""

import dataclasses

from gateway.api.collection import CLOUD, PAGE, Collection, page
from gateway.api.expose import expose
from gateway.api.shapes import listed, shape
from gateway.cloud.model import Flavor


class Flavors(Collection):
    on_collection = {"GET": "get_all"}
    on_member = {"GET": "get_one"}

    def __init__(self, parts):
        self._parts = parts

    @expose(policy="gateway:flavors:get", query=PAGE, answer=listed("flavors", Flavor), raises=CLOUD)
    def get_all(self, context, limit=None, marker=None):
        cloud = self._parts.sessions.user(context.auth)
        return page("flavors", self._parts.conf, cloud.flavors, flavor_view, limit, marker)

    @expose(policy="gateway:flavors:get", answer=shape(flavor=Flavor), raises=CLOUD)
    def get_one(self, flavor, context):
        return {"flavor": flavor_view(self._parts.sessions.user(context.auth).flavor(flavor))}


def flavor_view(flavor: Flavor) -> dict:
    """ram and swap in MiB, disk and ephemeral in GiB."""
    return dataclasses.asdict(flavor)
