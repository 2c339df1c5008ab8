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
