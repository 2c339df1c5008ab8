"""Which provider, and what is said where there is none."""

import dataclasses

import pytest

from gateway import errors
from gateway.broker.choice import chosen
from gateway.broker.model import Plan, Status
from gateway.registry.model import Health
from gateway.registry.model import Status as HealthStatus
from gateway.tests.brokered import PROVIDER

OTHER = dataclasses.replace(
    PROVIDER,
    name="another",
    offers={
        "redis": {"free": Plan(), "huge": Plan(), "old": Plan(is_offered=False)},
        "cache": {"one": Plan()},
    },
)
SQL = dataclasses.replace(PROVIDER, name="sql", type="mysql", offers={"mysql": {"big": Plan()}})
GOING = dataclasses.replace(PROVIDER, name="going", status=Status.DELETING)
ALL = (PROVIDER, OTHER, SQL, GOING)


@pytest.mark.parametrize(
    ("type", "plan", "name", "counts", "wanted"),
    [
        ("redis", "free", None, {}, "another"),
        ("redis", "free", None, {"another": 2, "cache": 1}, "cache"),
        ("redis", "free", "another", {"another": 2, "cache": 1}, "another"),
        ("redis", "huge", None, {"another": 2}, "another"),
        ("mysql", "big", None, {}, "sql"),
        ("cache", "one", None, {}, "another"),
    ],
)
def test_the_one_with_the_fewest_services(type, plan, name, counts, wanted):
    assert chosen(ALL, counts, {}, type, plan, name).name == wanted


@pytest.mark.parametrize(
    ("type", "plan", "name", "field", "told"),
    [
        ("oracle", "free", None, "service.type", "cache, mysql, redis"),
        ("redis", "free", "sql", "service.provider", "another, cache"),
        ("redis", "free", "going", "service.provider", "another, cache"),
        ("redis", "tiny", None, "service.plan", "big, free, huge"),
        ("redis", "old", None, "service.plan", "big, free, huge"),
        ("redis", "huge", "cache", "service.plan", "of cache; there is big, free"),
    ],
)
def test_what_is_not_there(type, plan, name, field, told):
    with pytest.raises(errors.Invalid) as refused:
        chosen(ALL, {}, {}, type, plan, name)
    assert refused.value.field == field
    assert told in refused.value.message


def test_no_provider_at_all():
    with pytest.raises(errors.Invalid, match="there is none"):
        chosen((), {}, {}, "redis", "free")


@pytest.mark.parametrize(
    ("statuses", "wanted"),
    [
        ({"another": "passing", "cache": "passing"}, "cache"),
        ({"another": "passing", "cache": "warning"}, "another"),
        ({"another": "warning", "cache": "warning"}, "cache"),
        ({"another": "warning", "cache": "critical"}, "another"),
        ({"cache": "maintenance"}, "another"),
        ({"another": "critical"}, "cache"),
    ],
)
def test_those_that_pass_first(statuses, wanted):
    health = {name: Health(HealthStatus(status)) for name, status in statuses.items()}
    assert chosen(ALL, {"another": 2}, health, "redis", "free").name == wanted


def test_none_that_works():
    health = {name: Health(HealthStatus.CRITICAL, output="refused") for name in ("another", "cache")}
    with pytest.raises(errors.Unavailable, match="cache fails: refused") as failing:
        chosen(ALL, {}, health, "redis", "free", "cache")
    assert (failing.value.code, failing.value.retry_after) == ("gateway.provider.failing", 30)
