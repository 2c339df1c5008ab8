"""When it is rather us that fail: statuses, what Nova says and the time decide."""

import pytest

from gateway.registry import brake
from gateway.registry.model import Health, Key, Status

NOW = 10_000.0
RULE = brake.Rule(share=0.5, minimum=5, window=60, patience=600)


def members(text: str, age: float = 1, certain: str = ""):
    """p, w, c, m: a member by its status; C: critical long before the others; h: held for ``age``. Those at
    the places in ``certain`` are stopped, as Nova says."""
    kinds = {
        "p": Health(Status.PASSING, since=NOW - 9999),
        "w": Health(Status.WARNING, since=NOW - age),
        "c": Health(Status.CRITICAL, since=NOW - age),
        "m": Health(Status.MAINTENANCE, since=NOW - age),
        "C": Health(Status.CRITICAL, since=NOW - 5000),
        "h": Health(Status.CRITICAL, since=NOW - age, held=True),
    }
    return [
        brake.Member(Key("p", "t", n), kinds[kind], certain=str(n) in certain) for n, kind in enumerate(text)
    ]


def held(found: brake.Brake) -> list[int]:
    return sorted(key.ordinal for key in found.held)


@pytest.mark.parametrize(
    ("text", "more", "expected"),
    [
        ("", {}, []),
        ("ppppp", {}, []),
        ("ccppp", {}, []),  # two of five
        ("cccpp", {}, [0, 1, 2]),
        ("wwwpp", {}, [0, 1, 2]),  # at the first failure already
        ("cccppp", {}, []),  # not more than the share
        ("cccc", {}, []),  # too few to say
        ("ccccc", {}, [0, 1, 2, 3, 4]),
        ("cccccmmmmmmm", {}, [0, 1, 2, 3, 4]),  # maintenance is neither
        ("cccpp", {"age": 59}, [0, 1, 2]),
        ("cccpp", {"age": 61}, []),  # not together: nobody else has failed since
        ("CCCCCCCCpp", {}, []),  # long dead
        ("CCCCccccpp", {}, [4, 5, 6, 7]),  # who was dead before was not good before
        ("hhhpp", {"age": 599}, [0, 1, 2]),
        ("hhhpp", {"age": 601}, []),  # at the latest then they are believed
        ("hhppp", {}, []),  # enough recovered
        ("hhh", {}, []),  # enough left
        ("cccpp", {"certain": "012"}, []),  # Nova knows why
        ("ccccccpp", {"certain": "01"}, [2, 3, 4, 5]),
    ],
)
def test_who_is_held(text, more, expected):
    found = brake.judge(members(text, **more), RULE, NOW)
    assert held(found) == expected
    assert found.engaged == bool(expected)


@pytest.mark.parametrize(
    ("text", "more", "lost_for", "expected"),
    [
        ("c", {}, 1, [0]),  # however few, and however few of them
        ("cpppp", {}, 1, [0]),
        ("p", {}, 1, []),
        ("Cc", {"age": 3}, 5, [1]),
        ("cc", {"age": 3000}, 2990, [0, 1]),  # nobody dies of old age while we cannot see
        ("c", {"certain": "0"}, 1, []),
    ],
)
def test_without_the_reference_nobody_is_believed_dead(text, more, lost_for, expected):
    found = brake.judge(members(text, **more), RULE, NOW, lost_at=NOW - lost_for)
    assert (found.engaged, held(found)) == (True, expected)
