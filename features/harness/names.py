"""Names that the features write in braces, such as {flavor}: the cloud's, and what a scenario remembers."""

import re
import socket

_DEFAULTS = {
    "flavor": "m1.nano",
    "small_flavor": "m1.micro",  # its disk is smaller than the image
    "image": "debian-12",
    "user": "debian",
    "network": "shared",
    "private_network": "private",
    "floating_network": "public",
}


def of_the_cloud(userdata: dict) -> dict[str, str]:
    """devstack/aio's, unless ``behave -D image=…`` says otherwise."""
    names = {name: userdata.get(name, default) for name, default in _DEFAULTS.items()}
    return names | {"here": address_here()}


def filled(text: str, names: dict[str, str]) -> str:
    """``text`` with every {name} that is known replaced; other braces stay as they are: JSON has many."""
    return re.sub(r"\{(\w+)\}", lambda found: str(names.get(found[1], found[0])), text)


def address_here() -> str:
    """This machine's address on the network that servers share with it: 198.51.100.1 in devstack/aio."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("198.51.100.100", 9))  # sends nothing: it only chooses the route
        return probe.getsockname()[0]
