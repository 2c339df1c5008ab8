"""What readings make of a registry, on a real database."""

import time

import pytest

from gateway.coordination import Share
from gateway.registry import brake
from gateway.registry.ledger import Circumstances, Ledger
from gateway.registry.model import Check, Kind, Reading, Registration, Status
from gateway.tests import registered

RULE = brake.Rule(share=0.5, minimum=5, window=60, patience=600)
ONCE = Check(failures_before_critical=1, deregister_after=60)


@pytest.fixture
def registry(tmp_path):
    return registered.registry(registered.configuration(tmp_path))


@pytest.fixture
def ledger(registry):
    return Ledger(registry, RULE)


def add(registry, count: int, check: Check = ONCE, type: str = "auth"):
    return [
        registry.register("p", Registration(type, "http", "127.0.0.1", port + 1, check=check), verify=False)
        for port in range(count)
    ]


def failed(instances, output: str = "refused", later: float = 1, **more):
    return [(i.key, Reading(False, output, i.created_at + later, **more)) for i in instances]


def passed(instances, later: float = 2):
    return [(i.key, Reading(True, "200 OK", i.created_at + later)) for i in instances]


def statuses(registry) -> list[str]:
    return [i.health.status + "*" * i.health.held for i in registry.instances("p", "auth")]


def best(registry) -> set[int]:
    return {registry.best("p", "auth").ordinal for _ in range(20)}


def test_what_fails_together_is_held_until_enough_recover(registry, ledger):
    instances = add(registry, 6)
    ledger.record(failed(instances[:3]))
    assert statuses(registry) == ["critical"] * 3 + ["passing"] * 3
    assert best(registry) == {3, 4, 5}
    ledger.record(failed(instances[3:4]))
    assert statuses(registry) == ["critical*"] * 4 + ["passing"] * 2
    assert best(registry) == set(range(6))
    ledger.record(passed(instances[:2]))
    assert statuses(registry) == ["passing"] * 2 + ["critical"] * 2 + ["passing"] * 2
    assert best(registry) == {0, 1, 4, 5}


def test_the_brake_lets_go_when_enough_leave(registry, ledger):
    instances = add(registry, 6)
    ledger.record(failed(instances[:4]))
    assert best(registry) == set(range(6))
    for instance in instances[:2]:
        registry.deregister(*instance.key)
    ledger.settle(Circumstances())
    assert statuses(registry) == ["critical"] * 2 + ["passing"] * 2


def test_what_nova_knows_is_believed_at_once(registry, ledger):
    instances = add(registry, 6, Check())
    around = Circumstances(certain=frozenset(i.key for i in instances[:5]))
    ledger.record(failed(instances[:5], "its server is SHUTOFF in Nova", certain=True), around)
    assert statuses(registry) == ["critical"] * 5 + ["passing"]
    assert best(registry) == {5}


def test_who_is_critical_for_too_long_is_removed(registry, ledger):
    doomed, kept = add(registry, 2)
    registry.amend(*kept.key, check=Check(failures_before_critical=1))
    ledger.record(failed([doomed, kept], later=0))
    assert ledger.settle(Circumstances()) == []
    aged(registry, ledger, [doomed, kept], 61)
    assert [i.key for i in ledger.settle(Circumstances())] == [doomed.key]
    assert [i.key for i in registry.instances("p", "auth")] == [kept.key]


def aged(registry, ledger, instances, seconds: float) -> None:
    """As if they had been critical for so long: they said it so long ago."""
    for instance in instances:
        before = registry.instance(*instance.key)
        since = before.health.since - seconds
        registry.amend(*instance.key, health=before.health.__class__(before.health.status, -1, "", since))


def test_nobody_is_removed_while_the_brake_holds(registry, ledger):
    instances = add(registry, 6)
    ledger.record(failed(instances, later=0))
    assert statuses(registry) == ["critical*"] * 6
    around = Circumstances(lost_at=time.time() - 100)
    aged(registry, ledger, instances, 90)
    assert ledger.settle(around) == []
    assert ledger.settle(Circumstances()) == []  # held still
    aged(registry, ledger, instances, 700)
    assert len(ledger.settle(Circumstances())) == 6


def test_after_an_outage_of_ours_one_interval_and_timeout_is_waited(registry, ledger):
    (instance,) = add(registry, 1, Check(interval=10, timeout=5, failures_before_critical=1))
    around = Circumstances(resumed_at=instance.created_at)
    ledger.record(failed([instance], later=14.9), around)
    assert statuses(registry) == ["passing"]
    ledger.record(failed([instance], later=15.1), around)
    assert statuses(registry) == ["critical"]
    ledger.record(passed([instance], later=15.2), Circumstances(resumed_at=instance.created_at + 15.15))
    assert statuses(registry) == ["passing"]


def test_a_heartbeat_has_one_interval_after_an_outage(registry, ledger):
    (instance,) = add(registry, 1, Check(kind=Kind.TTL, interval=10, failures_before_critical=1))
    around = Circumstances(resumed_at=instance.created_at)
    ledger.record(failed([instance], later=9.9), around)
    assert statuses(registry) == ["passing"]
    ledger.record(failed([instance], later=10.1), around)
    assert statuses(registry) == ["critical"]


def test_maintenance_ends_by_hand_alone(registry, ledger):
    (instance,) = add(registry, 1)
    registry.maintain(*instance.key, enabled=True)
    ledger.record(failed([registry.instance(*instance.key)], later=30))
    assert registry.instance(*instance.key).health.status is Status.MAINTENANCE


def shares(instances) -> tuple[Circumstances, Circumstances]:
    """Of two monitors, who have about half of the instances each."""
    members = frozenset([b"one", b"two"])
    one, two = (Circumstances(share=Share(members, own)) for own in sorted(members))
    assert all((i.key.text in one.share) is not (i.key.text in two.share) for i in instances)
    return one, two


def test_of_two_monitors_each_judges_its_own_and_the_brake_sees_all(registry):
    instances = add(registry, 12)
    one, two = shares(instances)
    own = [i for i in instances if i.key.text in one.share]
    assert 0 < len(own) < 12
    first, second = Ledger(registry, RULE), Ledger(registry, RULE)
    first.record(failed(instances), one)
    wanted = {True: "critical" + "*" * (len(own) > 6), False: "passing"}
    assert statuses(registry) == [wanted[i in own] for i in instances]
    second.record(failed(instances), two)
    first.settle(one)  # what it judged before it knew of the others is held, too
    assert statuses(registry) == ["critical*"] * 12
    first.record(passed(instances), one)
    second.record(passed(instances), two)
    assert statuses(registry) == ["passing"] * 12


def test_what_was_counted_before_another_monitor_had_it_is_forgotten(registry, ledger):
    instances = add(registry, 1, Check(failures_before_critical=3))
    mine, theirs = sorted(shares(instances), key=lambda each: instances[0].key.text not in each.share)
    ledger.record(failed(instances), mine)
    ledger.record(failed(instances, later=2), mine)
    ledger.settle(theirs)
    ledger.record(failed(instances, later=3), mine)  # the second since the first, which is written
    assert statuses(registry) == ["warning"]
    ledger.record(failed(instances, later=4), mine)
    assert statuses(registry) == ["critical"]


def test_who_is_no_longer_alive_writes_and_removes_nothing(registry, ledger):
    instances = add(registry, 1, Check(failures_before_critical=1, deregister_after=0.001))
    gone = Circumstances(alive=lambda: False)
    ledger.record(failed(instances), gone)
    assert statuses(registry) == ["passing"]
    ledger.record(failed(instances, later=-0.5))
    ledger.record(failed(instances))
    ledger.settle(gone)
    assert statuses(registry) == ["critical"]
