"""/v1/images"""

import dataclasses

from gateway.api.collection import CLOUD, NAMED, PAGE, Collection, page
from gateway.api.expose import expose
from gateway.api.shapes import listed, shape
from gateway.cloud.model import Image


class Images(Collection):
    on_collection = {"GET": "get_all"}
    on_member = {"GET": "get_one"}

    def __init__(self, parts):
        self._parts = parts

    @expose(policy="gateway:images:get", query=PAGE, answer=listed("images", Image), raises=CLOUD)
    def get_all(self, context, limit=None, marker=None):
        cloud = self._parts.sessions.user(context.auth)
        return page("images", self._parts.conf, cloud.images, image_view, limit, marker)

    @expose(policy="gateway:images:get", answer=shape(image=Image), raises=NAMED)
    def get_one(self, image, context):
        return {"image": image_view(self._parts.sessions.user(context.auth).image(image))}


def image_view(image: Image) -> dict:
    """size in bytes, min_ram in MiB, min_disk in GiB; login_user is null where it is not known."""
    return dataclasses.asdict(image)
