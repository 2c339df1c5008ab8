"""/v1/launch-options: what a server is made of, in one answer."""

from gateway.api.collection import CLOUD, Collection, side_by_side
from gateway.api.expose import expose
from gateway.api.flavors import flavor_view
from gateway.api.images import image_view
from gateway.api.networks import network_view
from gateway.api.shapes import shape
from gateway.cloud.model import Flavor, Image, Network

_OPTIONS = shape(flavors=list[Flavor], images=list[Image], networks=list[Network])


class LaunchOptions(Collection):
    on_collection = {"GET": "get_all"}

    def __init__(self, parts):
        self._parts = parts

    @expose(policy="gateway:flavors:get", answer=_OPTIONS, raises=CLOUD)
    def get_all(self, context):
        cloud = self._parts.sessions.user(context.auth)
        most = self._parts.conf.api.max_limit
        lists = (cloud.flavors, cloud.images, cloud.networks)
        flavors, images, networks = side_by_side(*(lambda list_=list_: list_(limit=most) for list_ in lists))
        return {
            "flavors": [flavor_view(flavor) for flavor in flavors],
            "images": [image_view(image) for image in images],
            "networks": [network_view(network) for network in networks],
        }
