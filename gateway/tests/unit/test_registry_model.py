import pytest

from gateway.registry.model import Check, Health, Reading, Status, judge, split_name

P, W, C, M = Status.PASSING, Status.WARNING, Status.CRITICAL, Status.MAINTENANCE


def statuses(readings: str, check: Check, start: Status = P) -> list[Status]:
    """``+`` is a good reading, ``-`` a failed one, a second apart."""
    health, seen = Health(start), []
    for at, reading in enumerate(readings, start=1):
        health = judge(health, check, Reading(reading == "+", reading, at))
        seen.append(health.status)
    return seen


@pytest.mark.parametrize(
    ("readings", "successes", "failures", "start", "expected"),
    [
        ("+++", 1, 3, P, [P, P, P]),
        ("---", 1, 3, P, [W, W, C]),
        ("----", 1, 3, P, [W, W, C, C]),
        ("-", 1, 1, P, [C]),
        ("--+--+", 1, 3, P, [W, W, P, W, W, P]),  # never three in a row
        ("---+", 1, 3, P, [W, W, C, P]),
        ("---++", 2, 3, P, [W, W, C, C, P]),
        ("-+-+", 2, 2, P, [W, W, W, W]),  # neither two good nor two bad in a row: it stays as it was
        ("+-+-", 3, 1, C, [C, C, C, C]),  # flapping does not bring it back
        ("+", 5, 3, P, [P]),  # one that passes need not earn it again
        ("-+-+---+", 1, 1, M, [M] * 8),
    ],
)
def test_readings_add_up_to_a_status(readings, successes, failures, start, expected):
    check = Check(success_before_passing=successes, failures_before_critical=failures)
    assert statuses(readings, check, start) == expected


def test_since_moves_with_the_status_alone():
    health = Health(P, since=1.0)
    moved = []
    for at, ok in [(2.0, True), (3.0, False), (4.0, False), (5.0, True)]:
        health = judge(health, Check(failures_before_critical=3), Reading(ok, "", at))
        moved.append(health.since)
    assert moved == [1.0, 3.0, 3.0, 5.0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("auth-2", ("auth", 2)),
        ("my-auth-0", ("my-auth", 0)),
        ("a-1-10", ("a-1", 10)),
        ("a--1", ("a-", 1)),
        ("v1.2-3", ("v1.2", 3)),
    ],
)
def test_a_name_is_split_at_its_last_dash(name, expected):
    assert split_name(name) == expected


@pytest.mark.parametrize(
    "name", ["", "auth", "-1", "auth-", "auth-x", "auth-1x", "auth-²", "auth-+1", "auth-01"]
)
def test_what_is_no_name(name):
    with pytest.raises(ValueError, match="TYPE-NUMBER"):
        split_name(name)
