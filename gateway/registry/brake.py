"""When too many instances of a project fail together, it is rather the network, or the gateway, that fails.
Then nothing is removed, and ``best`` goes on with those that were good before. Pure.

An instance that began to fail before the others is believed dead, and so is one of which Nova says itself
that its server does not run. The brake lets go when enough recover, when enough leave, and at the latest
after ``Rule.patience``: for what was taken away for good nobody waits for ever.
"""

import dataclasses
from collections.abc import Iterable

from gateway.registry.model import Health, Key, Status


@dataclasses.dataclass(frozen=True)
class Rule:
    share: float  # of a project's instances, above which so many do not fail by themselves
    minimum: int  # of instances, below which nothing can be said
    window: float  # seconds within which those begin to fail that fail together
    patience: float  # seconds that an instance may fail and still be thought good


@dataclasses.dataclass(frozen=True)
class Member:
    """An instance; ``certain``: Nova says that its server does not run."""

    key: Key
    health: Health
    certain: bool = False


@dataclasses.dataclass(frozen=True)
class Brake:
    """``held``: those that fail and are still taken for good."""

    engaged: bool
    held: frozenset[Key] = frozenset()


def judge(
    members: Iterable[Member], rule: Rule, now: float, lost_at: float | None = None, passing: int = 0
) -> Brake:
    """Of the members of one project, and so many more that are ``passing``. ``lost_at``: since when the
    gateway's own probes do not reach their reference; None: they do."""
    failing = set()
    asked_at = now if lost_at is None else min(now, lost_at)  # nobody fails for long while we cannot see
    for member in members:
        health = member.health
        if health.status is Status.PASSING:
            passing += 1
        elif health.status is Status.MAINTENANCE or member.certain:
            continue
        elif asked_at - health.since <= (rule.patience if health.held else rule.window):
            failing.add(member.key)
    together = len(failing) + passing >= rule.minimum and len(failing) > rule.share * (len(failing) + passing)
    engaged = lost_at is not None or together
    return Brake(engaged, frozenset(failing) if engaged else frozenset())
