"""flavor, image and network: what a server can be made of."""

from typing import Any

from gateway.cli.command import Column, Lines, List, Show, fields, rows


def _get(name: str):
    return lambda item: item.get(name)


def _subnets(value: Any) -> Lines:
    return Lines(value, lambda subnet: subnet["cidr"])


_FLAVOR: tuple[Column, ...] = (
    ("ID", _get("id")),
    ("Name", _get("name")),
    ("RAM", _get("ram")),
    ("Disk", _get("disk")),
    ("VCPUs", _get("vcpus")),
)
_IMAGE: tuple[Column, ...] = (
    ("ID", _get("id")),
    ("Name", _get("name")),
    ("Status", _get("status")),
    ("Size", _get("size")),
    ("Min Disk", _get("min_disk")),
    ("Min RAM", _get("min_ram")),
)
_NETWORK: tuple[Column, ...] = (
    ("ID", _get("id")),
    ("Name", _get("name")),
    ("Status", _get("status")),
    ("Subnets", lambda network: _subnets(network.get("subnets"))),
    ("External", _get("external")),
    ("Shared", _get("shared")),
)


class ListFlavors(List):
    """List flavors: RAM in MiB, disk in GiB"""

    def take_action(self, parsed_args):
        return rows(self.gateway.flavors(), _FLAVOR)


class ListImages(List):
    """List images: size in bytes, min disk in GiB, min RAM in MiB"""

    def take_action(self, parsed_args):
        return rows(self.gateway.images(), _IMAGE)


class ListNetworks(List):
    """List networks"""

    def take_action(self, parsed_args):
        return rows(self.gateway.networks(), _NETWORK)


def _flavor_text(flavor: dict) -> str:
    return f"{flavor['vcpus']} VCPUs, {flavor['ram']} MiB, {flavor['disk']} GiB"


def _image_text(image: dict) -> str:
    return f"{image['status']}, log in as {image.get('login_user') or 'unknown'}"


def _network_text(network: dict) -> str:
    cidrs = ", ".join(subnet["cidr"] for subnet in network["subnets"]) or "no subnets"
    return f"{'external, ' if network['external'] else ''}{cidrs}"


#: Each kind of what a server is made of: its name, where an answer has it, and what matters of it in words.
KINDS = (
    ("flavor", "flavors", _flavor_text),
    ("image", "images", _image_text),
    ("network", "networks", _network_text),
)


class ListLaunchOptions(List):
    """List flavors, images and networks at once"""

    def take_action(self, parsed_args):
        options = self.gateway.launch_options()
        found = [
            [kind, each["id"], each["name"], text(each)]
            for kind, many, text in KINDS
            for each in options[many]
        ]
        return ["Kind", "ID", "Name", "Details"], found


class _ShowNamed(Show):
    noun = ""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar=self.noun, help="name or id")
        return parser


class ShowFlavor(_ShowNamed):
    """Show a flavor"""

    noun = "FLAVOR"

    def take_action(self, parsed_args):
        return fields(self.gateway.flavor(parsed_args.name))


class ShowImage(_ShowNamed):
    """Show an image"""

    noun = "IMAGE"

    def take_action(self, parsed_args):
        return fields(self.gateway.image(parsed_args.name))


class ShowNetwork(_ShowNamed):
    """Show a network"""

    noun = "NETWORK"

    def take_action(self, parsed_args):
        return fields(self.gateway.network(parsed_args.name), {"subnets": _subnets})
