"""What of a gateway's is in the cloud and belongs to no deployment that it knows. Pure.

One look proves nothing: it may fall between two of a deployment's own steps. What was seen leaked at the look
before, too, may be deleted.
"""

import dataclasses
import enum
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from gateway.cloud.model import FloatingIP, Grant, SecurityGroup, Server
from gateway.deploy import marks


class Kind(enum.StrEnum):
    """In the order in which they can be deleted: a group only once no server has it."""

    FLOATING_IP = "floating_ip"
    SERVER = "server"
    SECURITY_GROUP = "security_group"
    TRUST = "trust"
    APPLICATION_CREDENTIAL = "application_credential"  # that stands for a trust


GRANTS = (Kind.TRUST, Kind.APPLICATION_CREDENTIAL)


_ORDER = list(Kind)


@dataclasses.dataclass(frozen=True)
class Thing:
    """Something that carries the marks of a gateway (``owner``) and one of its deployments. Of an application
    credential, which the gateway knows by itself, neither the project nor the deployment is known: empty."""

    kind: Kind
    id: str
    name: str  # a floating IP's is its address, a trust's the id of who gave it
    project_id: str
    owner: str
    deployment_id: str


class Known(NamedTuple):
    """To the gateway: ids. A trust may be an application credential that stands for one. ``used``: of the
    deployments that run and with which nothing is under way, the ids of their servers and the addresses."""

    deployments: Collection[str]
    trusts: Collection[str]
    used: Mapping[str, Collection[str]] = {}


def marked(
    servers: Iterable[Server],
    floating_ips: Iterable[FloatingIP],
    groups: Iterable[SecurityGroup],
    trusts: Iterable[Grant],
) -> list[Thing]:
    """What of it is some gateway's; the users' own things are not among it."""
    found = [(Kind.SERVER, each, each.name, marks.marked(each.metadata)) for each in servers]
    found += [
        (Kind.FLOATING_IP, each, each.address, marks.described(each.description)) for each in floating_ips
    ]
    found += [(Kind.SECURITY_GROUP, each, each.name, marks.described(each.description)) for each in groups]
    found += [(Kind.TRUST, each, each.user_id, marks.described(each.description)) for each in trusts]
    return [Thing(kind, each.id, name, each.project_id, *mark) for kind, each, name, mark in found if mark]


def kept(credentials: Iterable[Grant], owner: str) -> list[Thing]:
    """The application credentials that are in the database of gateway ``owner``."""
    kind = Kind.APPLICATION_CREDENTIAL
    return [Thing(kind, each.id, each.user_id, each.project_id, owner, "") for each in credentials]


def leaked(things: Iterable[Thing], owner: str, known: Known) -> list[Thing]:
    """Those of ``owner`` whose deployment is not known, or has another one in its place, or which are no
    trust of any deployment, in the order to delete them."""
    lost = [thing for thing in things if thing.owner == owner and not _belongs(thing, known)]
    return sorted(lost, key=lambda thing: (_ORDER.index(thing.kind), thing.project_id, thing.name))


def _belongs(thing: Thing, known: Known) -> bool:
    if thing.kind in GRANTS:  # of a deployment that is known, too, one may have come in vain
        return thing.id in known.trusts
    used = known.used.get(thing.deployment_id)
    if used is not None and thing.kind in (Kind.SERVER, Kind.FLOATING_IP):
        # an engine that was frozen may have made it when another had taken over
        return (thing.name if thing.kind is Kind.FLOATING_IP else thing.id) in used
    return thing.deployment_id in known.deployments


def sighted(before: Mapping[Thing, float], leaks: Iterable[Thing], now: float) -> dict[Thing, float]:
    """Since when each leak is seen. What was not seen at one look starts anew."""
    return {thing: before.get(thing, now) for thing in leaks}


def due(before: Collection[Thing], leaks: Iterable[Thing]) -> list[Thing]:
    """What may be deleted: seen at the look ``before``, and still."""
    return [thing for thing in leaks if thing in before]
