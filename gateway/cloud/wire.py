"""What OpenStack sends, as the values of ``model``. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from gateway.cloud.model import Address, Flavor, Image, Network, Reference, Server, Subnet

#: A flavor as a server carries it (microversion 2.47 on: name and sizes, no id) → the flavor's id.
FlavorIds = Mapping[tuple[str, int, int, int], str]

# The users of the distributions' own cloud images, by Glance's os_distro (without the version).
_LOGIN_USERS = {
    "almalinux": "almalinux",
    "alpine": "alpine",
    "amazon": "ec2-user",
    "arch": "arch",
    "centos": "centos",
    "cirros": "cirros",
    "debian": "debian",
    "fedora": "fedora",
    "freebsd": "freebsd",
    "gentoo": "gentoo",
    "opensuse": "opensuse",
    "rhel": "cloud-user",
    "rocky": "rocky",
    "sles": "sles",
    "ubuntu": "ubuntu",
}


def login_user(admin_user: str | None, distro: str | None, version: str | None = None) -> str | None:
    """Whom to log in as: the image's os_admin_user, else the user that the distribution's images have.

    CentOS Stream 9 and later renamed theirs to cloud-user."""
    if admin_user:
        return admin_user
    name = re.match(r"[a-z]*", (distro or "").lower()).group()
    newest = re.search(r"(\d+)", f"{distro} {version or ''}")
    if name == "centos" and newest and int(newest.group()) >= 9:
        return "cloud-user"
    return _LOGIN_USERS.get(name)


def flavor(found: Any) -> Flavor:
    return Flavor(
        id=found.id,
        name=found.name,
        vcpus=found.vcpus,
        ram=found.ram,
        disk=found.disk,
        ephemeral=found.ephemeral or 0,
        swap=found.swap or 0,
        is_public=found.is_public,
    )


def image(found: Any) -> Image:
    return Image(
        id=found.id,
        name=found.name or "",
        status=found.status,
        size=found.size,
        min_disk=found.min_disk or 0,
        min_ram=found.min_ram or 0,
        visibility=found.visibility,
        os_distro=found.os_distro,
        login_user=login_user(found.os_admin_user, found.os_distro, found.os_version),
        created_at=found.created_at,
        updated_at=found.updated_at,
    )


def network(found: Any, subnets: list[Any]) -> Network:
    """``subnets``: any network's; a network shows those that the caller may see."""
    return Network(
        id=found.id,
        name=found.name,
        status=found.status,
        external=bool(found.is_router_external),
        shared=bool(found.is_shared),
        subnets=tuple(Subnet(s.id, s.cidr, s.ip_version) for s in subnets if s.network_id == found.id),
    )


def server(raw: dict[str, Any], flavor_ids: FlavorIds, image_names: Mapping[str, str]) -> Server:
    """From the JSON of GET /servers/{id} at microversion 2.47 or later."""
    return Server(
        id=raw["id"],
        name=raw["name"],
        status=raw["status"],
        project_id=raw["tenant_id"],
        flavor=_flavor_reference(raw["flavor"], flavor_ids),
        image=_image_reference(raw.get("image"), image_names),
        addresses=tuple(_addresses(raw.get("addresses", {}))),
        key_name=raw.get("key_name"),
        security_groups=tuple(dict.fromkeys(group["name"] for group in raw.get("security_groups", ()))),
        metadata=raw.get("metadata", {}),
        fault=raw.get("fault", {}).get("message"),
        created_at=raw.get("created"),
        updated_at=raw.get("updated"),
    )


def flavor_key(name: str, vcpus: int, ram: int, disk: int) -> tuple[str, int, int, int]:
    """A name may have been given to another flavor since: only one with the same sizes is the same."""
    return name, vcpus, ram, disk


def _flavor_reference(raw: dict[str, Any], ids: FlavorIds) -> Reference:
    key = flavor_key(raw["original_name"], raw["vcpus"], raw["ram"], raw["disk"])
    return Reference(ids.get(key), raw["original_name"])


def _image_reference(raw: dict[str, Any] | str | None, names: Mapping[str, str]) -> Reference | None:
    return Reference(raw["id"], names.get(raw["id"])) if isinstance(raw, dict) else None


def _addresses(raw: dict[str, list[dict[str, Any]]]):
    for name, entries in raw.items():
        for entry in entries:
            kind = entry.get("OS-EXT-IPS:type", "fixed")
            yield Address(entry["addr"], entry["version"], kind, name)
