"""Does it fit: an image into a flavor, a server on a network, servers into a project's quota. Pure."""

from collections.abc import Iterable, Mapping

from gateway import errors
from gateway.cloud.model import Allowance, Flavor, Image, Network

_GIB = 1024**3


def check_image(flavor: Flavor, image: Image) -> None:
    """Raises Invalid when Nova would refuse to boot ``image`` with ``flavor``."""
    if image.status != "active":
        raise errors.Invalid(
            "gateway.image.not_active",
            f"Image {image.name} is {image.status}; only an active image can be booted.",
            field="image",
        )
    if flavor.ram < image.min_ram:
        raise _too_small(flavor, image, f"{flavor.ram} MiB of memory", f"{image.min_ram} MiB")
    if flavor.disk == 0:  # Nova then makes the disk as large as the image
        return
    needed = max(image.min_disk, -(-(image.size or 0) // _GIB))
    if flavor.disk < needed:
        raise _too_small(flavor, image, f"{flavor.disk} GiB of disk", f"{needed} GiB")


def check_network(network: Network) -> None:
    """Raises Invalid for one that Nova lets only admins attach servers to, and finds out after its 202."""
    if network.external and not network.shared:
        raise errors.Invalid(
            "gateway.network.external",
            f"Network {network.name} is external: it gives floating IPs, and servers cannot be on it.",
            field="network",
        )


def _too_small(flavor: Flavor, image: Image, has: str, needs: str) -> errors.Invalid:
    return errors.Invalid(
        "gateway.flavor.too_small",
        f"Flavor {flavor.name} has {has}; image {image.name} needs at least {needs}.",
        field="flavor",
    )


def needed(flavor: Flavor, count: int, floating_ips: int = 0, security_groups: int = 0) -> dict[str, int]:
    """What ``count`` servers on one network take of the resources that a quota counts; ram in MiB."""
    return {
        "instances": count,
        "cores": count * flavor.vcpus,
        "ram": count * flavor.ram,
        "ports": count,
        "floating_ips": floating_ips,
        "security_groups": security_groups,
    }


def shortfalls(allowances: Mapping[str, Allowance], wanted: Mapping[str, int]) -> list[str]:
    """A sentence part for each resource that does not suffice; what no service counts is not short."""
    return list(_shortfalls(allowances, wanted))


def _shortfalls(allowances: Mapping[str, Allowance], wanted: Mapping[str, int]) -> Iterable[str]:
    for resource, amount in wanted.items():
        allowance = allowances.get(resource)
        if amount and allowance and amount > allowance.left():
            left = max(0, int(allowance.left()))
            yield f"{resource}: {amount} needed, {left} left of {allowance.limit}"


def check_quota(allowances: Mapping[str, Allowance], wanted: Mapping[str, int]) -> None:
    """Raises QuotaExceeded that names every resource that is short."""
    short = shortfalls(allowances, wanted)
    if short:
        raise errors.QuotaExceeded(
            "gateway.quota.exceeded", f"The project's quota does not suffice: {'; '.join(short)}."
        )
