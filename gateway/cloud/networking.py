"""Ports, security groups and floating IPs, by openstacksdk: found again by name or description."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

from gateway import errors
from gateway.cloud.faults import found_or_made, translated
from gateway.cloud.model import FloatingIP, SecurityGroup

ANYWHERE = ("0.0.0.0/0", "::/0")

_IN_USE_SECONDS = 15
_IN_USE_PAUSE = 0.5


class Networking:
    """The part of ``Cloud`` that speaks to Neutron about what servers need. Every call is safe to repeat."""

    @translated("port")
    def find_port(self, server_id: str) -> str:
        """The id of the server's first port; raises NotFound while it has none."""
        for port in self._sdk.network.ports(device_id=server_id):
            return port.id
        raise errors.NotFound("gateway.port.not_found", f"Server {server_id} has no port.")

    @translated("port")
    def server_at(self, address: str) -> str | None:
        """The id of the project's server that has this address, fixed or floating; None for any other."""
        own = {"project_id": self.project_id}
        ports = list(self._sdk.network.ports(fixed_ips=f"ip_address={address}", **own))
        if not ports:
            ips = list(self._sdk.network.ips(floating_ip_address=address, **own))
            ports = [self._sdk.network.get_port(ip.port_id) for ip in ips if ip.port_id]
        servers = (port.device_id for port in ports if (port.device_owner or "").startswith("compute:"))
        return next(servers, None)

    def ensure_security_group(
        self, name: str, description: str, tcp_ports: Iterable[int], sources: Iterable[str] = ANYWHERE
    ) -> str:
        """The id of the project's group of that name and description, made if it is not there, with a rule
        for each port from each of ``sources`` (CIDRs, IPv4 or IPv6). Raises QuotaExceeded."""
        group = found_or_made(
            lambda: self._find_group(name, description), lambda: self._make_group(name, description)
        )
        present = {_rule_key(rule) for rule in group.security_group_rules}
        for port in tcp_ports:
            for source in sources:
                if (port, source) not in present:
                    self._ensure_rule(group.id, port, source)
        return group.id

    @translated("security_group")
    def _find_group(self, name: str, description: str) -> Any | None:
        return next(self._groups(name=name, description=description), None)

    @translated("security_group")
    def _make_group(self, name: str, description: str) -> Any:
        return self._sdk.network.create_security_group(name=name, description=description)

    @translated("security_group")
    def close_port(self, name: str, port: int, sources: Iterable[str] = ANYWHERE) -> None:
        """Deletes the rules that ``ensure_security_group`` has made for that port; fine when none is there,
        and others stay."""
        made = {(port, source) for source in sources}
        for group in list(self._groups(name=name)):
            for rule in group.security_group_rules:
                if _rule_key(rule) in made:
                    self._sdk.network.delete_security_group_rule(rule["id"], ignore_missing=True)

    def _ensure_rule(self, group_id: str, port: int, source: str) -> None:
        try:
            with translated("security_group"):
                self._sdk.network.create_security_group_rule(
                    security_group_id=group_id,
                    direction="ingress",
                    ether_type="IPv6" if ":" in source else "IPv4",
                    protocol="tcp",
                    port_range_min=port,
                    port_range_max=port,
                    remote_ip_prefix=source,
                )
        except errors.Conflict:
            pass  # the same rule, written another way

    @translated("security_group")
    def delete_security_groups(self, name: str) -> None:
        """All of the project's with exactly that name. A server that has just gone may hold its group for a
        moment; raises Conflict when it is still in use after that."""
        for group in list(self._groups(name=name)):
            self._delete_group(group.id)

    @translated("security_group")
    def security_groups(self) -> list[SecurityGroup]:
        """All that the session may see: of every project for an admin."""
        found = self._sdk.network.security_groups()
        return [SecurityGroup(g.id, g.name, g.project_id, g.description or "") for g in found]

    @translated("security_group")
    def add_security_group(self, server_id: str, name: str) -> None:
        """The project's group of that name, to all ports of a server; fine when they have it."""
        ids = {group.id for group in self._groups(name=name)}
        for port in list(self._sdk.network.ports(device_id=server_id)):
            self._regroup(port, ids, set())

    @translated("security_group")
    def remove_security_group(self, server_id: str, name: str) -> None:
        """Fine when the server has not got it, or is gone."""
        ids = {group.id for group in self._groups(name=name)}
        for port in list(self._sdk.network.ports(device_id=server_id)):
            self._regroup(port, set(), ids)

    def _regroup(self, port: Any, more: set[str], less: set[str]) -> None:
        """Nova and Neutron know only the whole list of a port's groups: of two that change it at once the
        first would be lost. So Neutron changes it only as it was seen, and is asked again if it was not."""
        deadline = time.monotonic() + _IN_USE_SECONDS
        while (wanted := (set(port.security_group_ids) | more) - less) != set(port.security_group_ids):
            try:
                with translated("security_group"):
                    self._sdk.network.update_port(
                        port.id, if_revision=port.revision_number, security_groups=sorted(wanted)
                    )
                return
            except errors.Conflict:
                if time.monotonic() > deadline:
                    raise
            port = self._sdk.network.get_port(port.id)

    def delete_security_group(self, id: str) -> None:
        """Off every port that has it, then itself; missing is fine. Raises Conflict while it is in use."""
        with translated("security_group"):
            for port in list(self._sdk.network.ports()):
                self._regroup(port, set(), {id})
        self._delete_group(id)

    def _delete_group(self, id: str) -> None:
        deadline = time.monotonic() + min(_IN_USE_SECONDS, self._conf.delete_timeout)
        while True:
            try:
                with translated("security_group"):
                    return self._sdk.network.delete_security_group(id, ignore_missing=True)
            except errors.Conflict:
                if time.monotonic() > deadline:
                    raise
            time.sleep(_IN_USE_PAUSE)

    def _groups(self, **query: str) -> Iterator[Any]:
        # Neutron may take an empty filter for none at all, and an admin sees every project's
        if not query["name"]:
            raise ValueError("a name is what tells the gateway's groups from others")
        return self._sdk.network.security_groups(project_id=self.project_id, **query)

    def ensure_floating_ip(self, server_id: str, network_id: str, description: str) -> str:
        """The floating IP address with that description, made if it is not there, on the server's first port.

        The description is set in the call that makes it, so a crash leaves none that cannot be found.
        Raises Invalid when the server's network has no way to ``network_id``, QuotaExceeded."""
        port_id = self.find_port(server_id)
        return found_or_made(
            lambda: self._attached_floating_ip(port_id, description),
            lambda: self._make_floating_ip(port_id, network_id, description),
        )

    @translated("floating_ip")
    def _attached_floating_ip(self, port_id: str, description: str) -> str | None:
        for ip in self._floating_ips(description):
            if ip.port_id != port_id:
                self._sdk.network.update_ip(ip.id, port_id=port_id)
            return ip.floating_ip_address
        return None

    def _make_floating_ip(self, port_id: str, network_id: str, description: str) -> str:
        try:
            with translated("floating_ip"):
                made = self._sdk.network.create_ip(
                    floating_network_id=network_id, port_id=port_id, description=description
                )
        except errors.NotFound as error:  # "External network … is not reachable from subnet …"
            raise errors.Invalid(
                "gateway.floating_ip.unreachable", error.message, field="floating_network"
            ) from error
        return made.floating_ip_address

    @translated("floating_ip")
    def delete_floating_ips(self, description: str) -> None:
        """All of the project's with exactly that description; none is fine."""
        for ip in list(self._floating_ips(description)):
            self._sdk.network.delete_ip(ip.id, ignore_missing=True)

    @translated("floating_ip")
    def floating_ips(self) -> list[FloatingIP]:
        """All that the session may see: of every project for an admin."""
        found = self._sdk.network.ips()
        return [
            FloatingIP(ip.id, ip.floating_ip_address, ip.project_id, ip.description or "") for ip in found
        ]

    @translated("floating_ip")
    def delete_floating_ip(self, id: str) -> None:
        """Missing is fine."""
        self._sdk.network.delete_ip(id, ignore_missing=True)

    def _floating_ips(self, description: str) -> Iterator[Any]:
        if not description:
            raise ValueError("a description is what tells the gateway's floating IPs from others")
        return self._sdk.network.ips(project_id=self.project_id, description=description)


def _rule_key(rule: dict[str, Any]) -> tuple[int | None, str | None]:
    """(port, source) of an ingress rule for one TCP port; (None, None) for any other."""
    one_port = rule["port_range_min"] == rule["port_range_max"]
    if rule["direction"] != "ingress" or rule["protocol"] != "tcp" or not one_port:
        return None, None
    anywhere = "::/0" if rule["ethertype"] == "IPv6" else "0.0.0.0/0"
    return rule["port_range_min"], rule["remote_ip_prefix"] or anywhere
