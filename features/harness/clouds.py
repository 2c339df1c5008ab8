"""OpenStack asked directly, by openstacksdk: who the users are, and what their projects hold."""

import functools
import os
import time
from collections.abc import Iterator

import openstack

#: With OS_CLOUD the features run on a cloud of one's own, with that one user; else on devstack/aio, which has
#: its users and projects twice ("demo", "demo-2"), so that of two runs at once none is in the other's way.
OWN_CLOUD = os.environ.get("OS_CLOUD")
_SECOND = os.environ.get("FEATURES_SECOND", "")  # "-2" for the second of them
USERS = {
    "a member": OWN_CLOUD or "demo" + _SECOND,
    "a reader": "reader" + _SECOND,
    "a stranger": "alt" + _SECOND,
    "an admin": "admin",
}
MEMBERS = (USERS["a member"],) if OWN_CLOUD else (USERS["a member"], USERS["a stranger"])


@functools.cache
def cloud(name: str) -> openstack.connection.Connection:
    return openstack.connect(cloud=name)


def as_user(who: str) -> openstack.connection.Connection:
    """``who`` as the features say it: "a member", "a reader", "a stranger" (a member of another project)."""
    return cloud(USERS[who])


def quota(project_id: str, resource: str) -> int:
    """Of Nova's."""
    return getattr(as_user("an admin").compute.get_quota_set(project_id), resource)


def set_quota(project_id: str, resource: str, limit: int) -> None:
    as_user("an admin").compute.update_quota_set(project_id, **{resource: limit})


def holdings(name: str) -> dict[str, str]:
    """What the user's project has in Nova and Neutron, and the trusts the user gave: a line of text by id."""
    return {key: text for key, text, _ in _held(cloud(name))}


def left_since(before: dict[str, dict[str, str]], spared: set[str], deadline: float) -> list[str]:
    """What the projects hold that they did not hold before. ``spared`` are servers that may stay, with their
    ports. OpenStack deletes in its own time: it is asked until ``deadline``."""
    while True:
        left = [
            f"{name}: {text}"
            for name in before
            for key, text, server in _held(cloud(name))
            if key not in before[name] and server not in spared
        ]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(1)


def _held(conn: openstack.connection.Connection) -> Iterator[tuple[str, str, str | None]]:
    """(id, what it is, the server it belongs to)"""
    for server in conn.compute.servers():
        yield server.id, f"server {server.name} ({server.status})", server.id
    for port in conn.network.ports(project_id=conn.current_project_id):
        if not (port.device_owner or "").startswith("network:"):
            yield port.id, f"port {port.name or port.id} of {port.device_id or 'nothing'}", port.device_id
    for ip in conn.network.ips(project_id=conn.current_project_id):
        yield ip.id, f"floating IP {ip.floating_ip_address}", None
    for pair in conn.compute.keypairs():
        yield f"key {pair.name}", f"key pair {pair.name}", None
    for group in conn.network.security_groups(project_id=conn.current_project_id):
        yield group.id, f"security group {group.name}", None
    for credential in conn.identity.application_credentials(conn.current_user_id):
        yield credential.id, f"application credential {credential.name}", None
    trusts = conn.identity.get("/OS-TRUST/trusts", params={"trustor_user_id": conn.current_user_id}).json()
    for trust in trusts.get("trusts", ()):
        yield trust["id"], f"trust {trust['id']}", None
