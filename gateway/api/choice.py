"""What a body's flavor, image and network stand for, and whether they go together."""

import dataclasses
import functools

from gateway import errors
from gateway.api.auth import Context
from gateway.api.collection import referred, side_by_side
from gateway.cloud import fit
from gateway.cloud.model import Flavor, Image, Network
from gateway.cloud.openstack import Cloud


@dataclasses.dataclass(frozen=True)
class Choice:
    flavor: Flavor
    image: Image
    network: Network
    floating_network: Network | None


def choose(wanted: dict, place: str, context: Context, cloud: Cloud) -> Choice:
    """Of names or ids in ``wanted``, found side by side; ``place`` is where that stands in the body. Raises
    Invalid, with the field's whole place, for what is not there or does not fit."""
    finds = {
        "flavor": cloud.flavor,
        "image": cloud.image,
        "network": cloud.network,
        "floating_network": cloud.network,
    }
    given = {name: find for name, find in finds.items() if name in wanted}
    found = side_by_side(
        *(functools.partial(referred, f"{place}.{name}", find, wanted[name]) for name, find in given.items())
    )
    choice = Choice(**{"floating_network": None, **dict(zip(given, found, strict=True))})
    try:
        fit.check_image(choice.flavor, choice.image)
        if "admin" not in context.roles:  # Nova lets them
            fit.check_network(choice.network)
    except errors.Invalid as error:
        raise errors.Invalid(error.code, error.message, field=f"{place}.{error.field}") from error
    return choice
