"""OpenStack in somebody's name: flavors, images, networks and quotas by openstacksdk; the rest in ``Servers``
(python-novaclient) and ``Networking`` (openstacksdk)."""

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import openstack.connection
from keystoneauth1 import session as keystoneauth
from novaclient import client as novaclient
from oslo_config import cfg
from oslo_utils import uuidutils

from gateway import errors
from gateway.cloud import fit, wire
from gateway.cloud.faults import translated
from gateway.cloud.model import Allowance, Flavor, Image, Network
from gateway.cloud.names import Names
from gateway.cloud.networking import Networking
from gateway.cloud.servers import MICROVERSION, Servers

_PAGE = 1000  # what Nova, Glance and Neutron give at most in one answer, unless configured otherwise

# Kernels and ramdisks are images to Glance, and cannot be booted.
_PARTS_OF_IMAGES = ("aki", "ari")


class Cloud(Servers, Networking):
    """All calls to OpenStack with the rights of one session. Made by ``Sessions``; threads may share it.

    Raises the kinds that ``faults.translated`` lists. Lists are in OpenStack's order; ``marker`` is the id
    that the page before ended with (Invalid ``gateway.request.marker`` if there is no such thing)."""

    def __init__(
        self,
        session: keystoneauth.Session,
        conf: cfg.ConfigOpts,
        names: Names | None = None,
        every_project: bool = False,
    ):
        """``every_project``: what an admin may see of other projects counts as there."""
        self._session = session
        self._conf = conf.cloud
        self._names = names or Names()
        self._every_project = every_project
        region, interface = conf.cloud.region_name, conf.cloud.interface
        self._sdk = openstack.connection.Connection(session=session, region_name=region, interface=interface)
        self._nova = novaclient.Client(
            MICROVERSION, session=session, region_name=region, endpoint_type=interface
        )

    @functools.cached_property
    def project_id(self) -> str:
        """The project that the calls are made in."""
        with translated("token"):
            return self._session.get_project_id()

    @translated("flavor")
    def flavors(self, limit: int | None = None, marker: str | None = None) -> list[Flavor]:
        return self._listed("flavor", self._sdk.compute.flavors, wire.flavor, limit, marker)

    def flavor(self, name_or_id: str) -> Flavor:
        """Raises NotFound. A flavor's id may be any text, and names are unique, so the listing tells."""
        every = self.flavors()
        named = [f for f in every if f.id == name_or_id] or [f for f in every if f.name == name_or_id]
        return self._only("flavor", name_or_id, named)

    @translated("image")
    def images(self, limit: int | None = None, marker: str | None = None) -> list[Image]:
        """Those that can be booted: kernels and ramdisks are left out."""

        def bootable(**query: Any) -> Iterator[Any]:
            found = self._sdk.image.images(**{"limit": _PAGE, **query})  # Glance's own page is 25
            return (image for image in found if image.container_format not in _PARTS_OF_IMAGES)

        return self._listed("image", bootable, wire.image, limit, marker)

    @translated("image")
    def image(self, name_or_id: str) -> Image:
        """Raises NotFound, and Conflict ``gateway.image.ambiguous`` when several have that name."""
        found = self._one("image", name_or_id, self._sdk.image.get_image, self._sdk.image.images)
        return wire.image(found)

    @translated("network")
    def networks(self, limit: int | None = None, marker: str | None = None) -> list[Network]:
        found = self._listed("network", self._sdk.network.networks, lambda n: n, limit, marker)
        subnets = list(self._sdk.network.subnets()) if found else []
        return [wire.network(each, subnets) for each in found]

    @translated("network")
    def network(self, name_or_id: str) -> Network:
        """Raises NotFound, and Conflict ``gateway.network.ambiguous`` when several have that name."""
        found = self._one("network", name_or_id, self._sdk.network.get_network, self._sdk.network.networks)
        return wire.network(found, list(self._sdk.network.subnets(network_id=found.id)))

    def allowances(self) -> dict[str, Allowance]:
        """The project's quota by resource: instances, cores, ram (MiB) of Nova; ports, floating_ips and
        security_groups of Neutron, where Neutron lets the token see them."""
        found = self._nova_allowances()
        with contextlib.suppress(errors.Forbidden, errors.NotFound):
            found += self._neutron_allowances()
        return {allowance.resource: allowance for allowance in found}

    def check_quota(
        self, flavor: Flavor, count: int, floating_ips: int = 0, security_groups: int = 0
    ) -> None:
        """Raises QuotaExceeded ``gateway.quota.exceeded`` that names every resource of which ``count``
        servers of that flavor, each with one port, would need more than is left."""
        wanted = fit.needed(flavor, count, floating_ips, security_groups)
        fit.check_quota(self.allowances(), wanted)

    @translated("quota")
    def _nova_allowances(self) -> list[Allowance]:
        absolute = self._nova.limits.get().to_dict()["absolute"]
        names = (("instances", "Instances"), ("cores", "Cores"), ("ram", "RAM"))
        used = {"Instances": "totalInstancesUsed", "Cores": "totalCoresUsed", "RAM": "totalRAMUsed"}
        limit = {"Instances": "maxTotalInstances", "Cores": "maxTotalCores", "RAM": "maxTotalRAMSize"}
        return [Allowance(ours, absolute[limit[nova]], absolute[used[nova]]) for ours, nova in names]

    @translated("quota")
    def _neutron_allowances(self) -> list[Allowance]:
        quota = self._sdk.network.get_quota(self.project_id, details=True)
        details = {name: getattr(quota, name) for name in ("ports", "floating_ips", "security_groups")}
        return [
            Allowance(name, found["limit"], found["used"] + found["reserved"])
            for name, found in details.items()
            if found
        ]

    def _listed(
        self,
        thing: str,
        list_: Callable[..., Iterable[Any]],
        read: Callable[[Any], Any],
        limit: int | None,
        marker: str | None,
    ) -> list[Any]:
        # Given a limit that the answer does not fill, openstacksdk asks for one more page, in vain.
        query = {"limit": limit if limit and limit <= _PAGE else None, "marker": marker}
        query = {name: value for name, value in query.items() if value is not None}
        with self._page_of(thing, marker):
            return [read(found) for found in itertools.islice(list_(**query), limit)]

    @contextlib.contextmanager
    def _page_of(self, thing: str, marker: str | None) -> Iterator[None]:
        """Nova and Glance answer 400 to a marker that is not there, Neutron 404."""
        try:
            with translated(thing):
                yield
        except (errors.Invalid, errors.NotFound) as error:
            if marker is None:
                raise
            message = f"marker: there is no {thing} {marker!r} to go on from."
            raise errors.Invalid("gateway.request.marker", message, field="marker") from error

    def _one(
        self, thing: str, name_or_id: str, get: Callable[[str], Any], list_: Callable[..., Iterable[Any]]
    ) -> Any:
        """Only what looks like an id goes into a URL's path."""
        if uuidutils.is_uuid_like(name_or_id):
            try:
                with translated(thing):
                    return get(name_or_id)
            except errors.NotFound:
                pass
        return self._only(thing, name_or_id, list(list_(name=name_or_id)))

    def _only(self, thing: str, name_or_id: str, candidates: list[Any]) -> Any:
        if len(candidates) > 1:
            raise errors.Conflict(
                f"gateway.{thing}.ambiguous",
                f"{len(candidates)} {thing}s are named {name_or_id}; use the id of one.",
            )
        if not candidates:
            raise errors.NotFound(f"gateway.{thing}.not_found", f"There is no {thing} {name_or_id}.")
        return candidates[0]
