import collections
import dataclasses

import pytest

from gateway import errors
from gateway.registry.choice import ANY, Asked, Chooser, none_passing
from gateway.registry.model import Check, Health, Instance, Status
from gateway.registry.snapshot import whole

PLACE = ("p", "web")


def instance(ordinal: int, status: str = "passing", weight: int = 1, **fields) -> Instance:
    address = {"proto": "http", "host": "10.0.0.1", "port": 80 + ordinal, "http_port": 0, "https_port": 0}
    rest = {"routes": (), "check": Check(), "signature": "", "health": Health(Status(status), 1, "seen")}
    return Instance("p", "web", ordinal, weight=weight, **{**address, **rest, **fields})


def of(*instances: Instance):
    return whole(1, instances).types("p")["web"]


THREE = of(
    instance(0, version="1.2.3", tags=("eu",)),
    instance(1, version="1.3.0"),
    instance(2, tags=("eu",), weight=2),
)


def chooser(balancer: str = "WRR", latencies=None) -> Chooser:
    return Chooser(balancer, lambda *place: latencies or {})


@pytest.mark.parametrize(
    ("asked", "those"),
    [
        (ANY, {0, 1, 2}),
        (Asked(version="~1.2"), {0}),
        (Asked(version="~1"), {0, 1}),
        (Asked(tag="eu"), {0, 2}),
        (Asked(tag="eu", version=""), {2}),
        (Asked(balancer="RND"), {0, 1, 2}),
        (Asked(balancer="LL"), {1}),
    ],
)
def test_only_what_matches_is_chosen(asked, those):
    made = chooser(latencies={0: 0.3, 1: 0.1, 2: 0.2})
    assert {made.choose(PLACE, THREE, asked).ordinal for _ in range(100)} == those


def failing(ordinal: int, streak: int = -1, **fields) -> Instance:
    return instance(ordinal, health=Health(Status.WARNING, streak, "500"), **fields)


@pytest.mark.parametrize(
    ("there", "asked", "those"),
    [
        ((failing(0), failing(1)), ANY, {0, 1}),
        ((failing(0), instance(1)), ANY, {1}),
        ((failing(0, version="1"), instance(1, version="2")), Asked(version="1"), {0}),
        ((failing(0), failing(1, weight=0), instance(2, weight=0), instance(3, "critical")), ANY, {0}),
        ((failing(0, streak=0),), ANY, {None}),  # out of maintenance, and not checked since
    ],
)
def test_where_none_passes_one_that_is_not_critical_yet_is_better_than_none(there, asked, those):
    made, service_type = chooser(), of(*there)
    chosen = [made.choose(PLACE, service_type, asked) for _ in range(20)]
    assert {each and each.ordinal for each in chosen} == those
    verdicts = made.explain(PLACE, service_type, asked, chosen[0])
    assert [verdict.instance for verdict in verdicts if verdict.won] == [each for each in chosen[:1] if each]
    fit = {each.instance.ordinal for each in verdicts if each.why.startswith("turn")}
    assert fit == those - {None}


def test_each_search_has_turns_of_its_own():
    made = chooser()
    counted = collections.Counter()
    for _ in range(200):
        made.choose(PLACE, THREE, Asked(tag="eu"))
        counted[made.choose(PLACE, THREE, ANY).ordinal] += 1
    assert all(abs(counted[ordinal] - share) <= 2 for ordinal, share in {0: 50, 1: 50, 2: 100}.items())


def test_a_call_may_ask_for_another_balancer():
    made = chooser("RR")
    counted = collections.Counter(made.choose(PLACE, THREE, Asked(balancer="WRR")).ordinal for _ in range(40))
    assert abs(counted[2] - 20) <= 1
    counted = collections.Counter(made.choose(PLACE, THREE, ANY).ordinal for _ in range(30))
    assert all(abs(counted[ordinal] - 10) <= 1 for ordinal in range(3))


def test_a_key_asks_for_the_hash():
    one, other = chooser(), chooser("RND")
    keys = [str(number) for number in range(50)]
    by_key = {key: one.choose(PLACE, THREE, Asked(key=key)).ordinal for key in keys}
    assert set(by_key.values()) == {0, 1, 2}
    assert by_key == {
        key: other.choose(PLACE, THREE, Asked(key=key, balancer="HASH")).ordinal for key in keys
    }


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"balancer": "HASH"}, "key"),
        ({"balancer": "WRR", "key": "x"}, "key"),
        ({"version": "~nonsense"}, "version"),
    ],
)
def test_what_does_not_go_together(asked, field):
    with pytest.raises(errors.Invalid) as caught:
        Asked(**asked)
    assert caught.value.field == field


def why(instances, asked=ANY, best: int | None = 0, **made) -> list[str]:
    service_type = of(*instances)
    chosen = service_type.instances.get(best)
    return [verdict.why for verdict in chooser(**made).explain(PLACE, service_type, asked, chosen)]


@pytest.mark.parametrize(
    ("second", "asked", "reason"),
    [
        (instance(1, "critical"), ANY, "status: critical (seen)"),
        (instance(1, "warning"), ANY, "status: warning (seen)"),
        (instance(1, "maintenance", reason="new disk"), ANY, "status: in maintenance (new disk)"),
        (instance(1, "maintenance"), ANY, "status: in maintenance"),
        (instance(1, weight=0), ANY, "weight: 0, it is being drained"),
        (instance(1, version="2"), Asked(version=""), "filter: its version is 2, not "),
        (instance(1), Asked(tag="eu"), "filter: it has no tag eu"),
        (instance(1, weight=3), ANY, "turn: it was the turn of another; its weight is 3 of 4"),
        (instance(1), Asked(balancer="RND"), "draw: another was drawn; its weight is 1 of 2"),
        (instance(1), Asked(key="x"), "hash: another is first for this key; its weight is 1 of 2"),
        (instance(1), Asked(balancer="LL"), "latency: 12.5 ms; its weight is 1 of 2"),
    ],
)
def test_why_one_loses(second, asked, reason):
    first = instance(0, tags=("eu",))
    assert why([first, second], asked, latencies={1: 0.0125})[1] == reason


def test_why_one_wins():
    assert why([instance(0)]) == ["turn: it was its turn; its weight is 1 of 1"]
    assert why([instance(0)], Asked(balancer="LL")) == ["latency: not known yet; its weight is 1 of 1"]


def test_one_that_fails_with_too_many_others():
    held = instance(0, health=Health(Status.CRITICAL, -3, "connection refused", held=True))
    assert why([held]) == [
        "turn: it was its turn; its weight is 1 of 1; "
        "held: it is critical (connection refused), as too many are at once for it to be believed"
    ]


def test_when_nobody_wins():
    service_type = of(instance(0, "critical", check=Check(interval=3)), instance(1, weight=0, tags=("eu",)))
    made = chooser()
    assert made.choose(PLACE, service_type, ANY) is None
    verdicts = made.explain(PLACE, service_type, ANY, None)
    assert [verdict.won for verdict in verdicts] == [False, False]
    error = none_passing("web", ANY, verdicts)
    assert (error.code, error.retry_after) == ("gateway.registry.none_passing", 3)
    assert "web-0 critical, web-1 passing" in error.message
    assert none_passing("web", Asked(tag="eu"), verdicts).retry_after == 10
    assert none_passing("web", Asked(tag="us"), verdicts).code == "gateway.registry.none_matching"


def test_turns_are_remembered_for_a_bounded_number_of_searches(monkeypatch):
    monkeypatch.setattr("gateway.registry.choice._MOST_POOLS", 3)
    made = chooser()
    for number in range(10):
        assert made.choose(PLACE, THREE, Asked(tag="eu", version="" if number % 2 else "1.2.3"))
        assert made.choose(("p", str(number)), THREE, ANY)
    assert len(made._pools) == 3


def test_those_that_change_are_followed():
    made = chooser()
    before = of(instance(0), instance(1))
    assert {made.choose(PLACE, before, ANY).ordinal for _ in range(4)} == {0, 1}
    gone = dataclasses.replace(instance(1), health=Health(Status.CRITICAL))
    after = of(instance(0, version="2"), gone)
    assert [made.choose(PLACE, after, ANY).version for _ in range(3)] == ["2"] * 3
