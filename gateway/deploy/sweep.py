"""What of a gateway's is in the cloud and belongs to no deployment that it knows. Pure.

One look proves nothing: it may fall between two of a deployment's own steps. What was seen leaked at the look
before, too, may be deleted.
"""

import dataclasses
import enum
from collections.abc import Collection, Iterable, Mapping

from gateway.cloud.model import FloatingIP, SecurityGroup, Server
from gateway.deploy import marks


class Kind(enum.StrEnum):
    """In the order in which they can be deleted: a group only once no server has it."""

    FLOATING_IP = "floating_ip"
    SERVER = "server"
    SECURITY_GROUP = "security_group"


_ORDER = list(Kind)


@dataclasses.dataclass(frozen=True)
class Thing:
    """Something that carries the marks of a gateway (``owner``) and one of its deployments."""

    kind: Kind
    id: str
    name: str  # a floating IP's is its address
    project_id: str
    owner: str
    deployment_id: str


def marked(
    servers: Iterable[Server], floating_ips: Iterable[FloatingIP], groups: Iterable[SecurityGroup]
) -> list[Thing]:
    """What of it is some gateway's; the users' own things are not among it."""
    found = [(Kind.SERVER, each, each.name, marks.marked(each.metadata)) for each in servers]
    found += [
        (Kind.FLOATING_IP, each, each.address, marks.described(each.description)) for each in floating_ips
    ]
    found += [(Kind.SECURITY_GROUP, each, each.name, marks.described(each.description)) for each in groups]
    return [Thing(kind, each.id, name, each.project_id, *mark) for kind, each, name, mark in found if mark]


def leaked(things: Iterable[Thing], owner: str, known: Collection[str]) -> list[Thing]:
    """Those of ``owner`` whose deployment is not ``known``, in the order to delete them."""
    lost = [thing for thing in things if thing.owner == owner and thing.deployment_id not in known]
    return sorted(lost, key=lambda thing: (_ORDER.index(thing.kind), thing.project_id, thing.name))


def sighted(before: Mapping[Thing, float], leaks: Iterable[Thing], now: float) -> dict[Thing, float]:
    """Since when each leak is seen. What was not seen at one look starts anew."""
    return {thing: before.get(thing, now) for thing in leaks}


def due(before: Collection[Thing], leaks: Iterable[Thing]) -> list[Thing]:
    """What may be deleted: seen at the look ``before``, and still."""
    return [thing for thing in leaks if thing in before]
