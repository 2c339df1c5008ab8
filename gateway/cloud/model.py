"""OpenStack as this project sees it: a few plain values.

Sizes are OpenStack's: ram in MiB, disk in GiB, an image's size in bytes.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Flavor:
    id: str
    name: str
    vcpus: int
    ram: int
    disk: int
    ephemeral: int = 0
    swap: int = 0
    is_public: bool = True


@dataclasses.dataclass(frozen=True)
class Image:
    id: str
    name: str
    status: str
    size: int | None
    min_disk: int
    min_ram: int
    visibility: str
    os_distro: str | None = None
    login_user: str | None = None  # Glance's os_admin_user
    created_at: str | None = None
    updated_at: str | None = None


@dataclasses.dataclass(frozen=True)
class Subnet:
    id: str
    cidr: str
    version: int


@dataclasses.dataclass(frozen=True)
class Network:
    id: str
    name: str
    status: str
    external: bool
    shared: bool
    subnets: tuple[Subnet, ...] = ()


@dataclasses.dataclass(frozen=True)
class Address:
    address: str
    version: int
    type: str  # fixed | floating
    network: str


@dataclasses.dataclass(frozen=True)
class FloatingIP:
    id: str
    address: str
    project_id: str
    description: str


@dataclasses.dataclass(frozen=True)
class SecurityGroup:
    id: str
    name: str
    project_id: str
    description: str


@dataclasses.dataclass(frozen=True)
class Reference:
    """What a server says of its flavor or image; the id is missing where Nova no longer tells it."""

    id: str | None
    name: str | None


@dataclasses.dataclass(frozen=True)
class Server:
    id: str
    name: str
    status: str  # Nova's: ACTIVE, BUILD, ERROR, SHUTOFF …
    project_id: str
    flavor: Reference
    image: Reference | None  # None: booted from a volume
    addresses: tuple[Address, ...] = ()
    key_name: str | None = None
    security_groups: tuple[str, ...] = ()
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    fault: str | None = None  # Nova's message when status is ERROR
    created_at: str | None = None
    updated_at: str | None = None

    def address(self, kind: str | None = None) -> str | None:
        """The address to reach it at: a floating one first, then IPv4 before IPv6; of one ``kind`` or any."""
        candidates = [a for a in self.addresses if kind in (None, a.type)]
        candidates.sort(key=lambda a: (a.type != "floating", a.version))
        return candidates[0].address if candidates else None


@dataclasses.dataclass(frozen=True)
class ServerSpec:
    """What to boot. Ids, not names. ``tags`` become server metadata and are how it is found again."""

    name: str
    flavor_id: str
    image_id: str
    network_id: str
    user_data: str | None = None
    key_name: str | None = None
    security_groups: tuple[str, ...] = ()
    tags: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Grant:
    """What lets the gateway act for a user: a Keystone trust, or the application credential that stands for
    one. That is known by the gateway's own database alone: ``project_id`` and ``description`` are empty."""

    id: str
    user_id: str  # who gave it
    project_id: str = ""
    description: str = ""


@dataclasses.dataclass(frozen=True)
class Allowance:
    """One resource of a project's quota. ``limit`` -1: unlimited."""

    resource: str  # instances | cores | ram | ports | floating_ips | security_groups
    limit: int
    used: int

    def left(self) -> float:
        return float("inf") if self.limit < 0 else self.limit - self.used
