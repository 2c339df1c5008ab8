"""What follows a release: which targets come, stay and go."""

import dataclasses

import pytest

from gateway import errors
from gateway.deploy import plan
from gateway.deploy.model import Aim, ExistingServers, Heal, Target, Update
from gateway.tests import deployed

EXISTING = ExistingServers(("s-0", "s-1"), "debian")


def running(spec):
    return tuple(
        dataclasses.replace(t, server_id=t.server_id or f"s-{t.number}", aim=Aim.KEEP)
        for t in plan.first(spec)
    )


def aims(targets):
    return {t.number: str(t.aim) for t in targets}


@pytest.mark.parametrize(
    ("before", "after", "same", "expected"),
    [
        (2, 2, False, {0: "update", 1: "update"}),
        (2, 2, True, {0: "keep", 1: "keep"}),
        (2, 3, False, {0: "update", 1: "update", 2: "add"}),
        (1, 3, True, {0: "keep", 1: "add", 2: "add"}),
        (3, 1, True, {0: "keep", 1: "remove", 2: "remove"}),
        (3, 2, False, {0: "update", 1: "update", 2: "remove"}),
    ],
)
def test_new_servers(before, after, same, expected):
    old, new = deployed.spec(replicas=before), deployed.spec(replicas=after)
    assert aims(plan.following(old, running(old), new, same)) == expected


def test_numbers_that_are_free_in_between_are_not_given_again():
    old = deployed.spec(replicas=2)
    targets = (Target(0, "s-0", aim=Aim.KEEP), Target(4, "s-4", aim=Aim.KEEP))
    found = plan.following(old, targets, deployed.spec(replicas=3), True)
    assert aims(found) == {0: "keep", 4: "keep", 5: "add"}


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (("s-0", "s-1"), {0: "update", 1: "update"}),
        (("s-1",), {0: "remove", 1: "update"}),
        (("s-2", "s-1"), {0: "remove", 1: "update", 2: "add"}),
    ],
)
def test_existing_servers_are_told_apart_by_their_ids(ids, expected):
    old, new = deployed.spec(EXISTING), deployed.spec(dataclasses.replace(EXISTING, ids=ids))
    found = plan.following(old, running(old), new, False)
    assert aims(found) == expected
    assert {t.server_id for t in found if t.aim is Aim.ADD} == set(ids) - set(EXISTING.ids)


@pytest.mark.parametrize(
    ("after", "field"),
    [
        (EXISTING, "server"),
        *(
            (dataclasses.replace(deployed.NEW, **{name: "x"}), f"server.{name}")
            for name in ("flavor", "image", "network", "floating_network", "user")
        ),
    ],
)
def test_what_a_release_cannot_change(after, field):
    old = deployed.spec()
    with pytest.raises(errors.Conflict) as raised:
        plan.following(old, running(old), deployed.spec(after), False)
    assert raised.value.field == f"deployment.{field}"
    assert raised.value.code == "gateway.deployment.server_changed"


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({}, True),
        ({"replicas": 5}, True),
        ({"update": Update(batch=3), "heal": Heal()}, True),
        ({"version": "2"}, False),
        ({"env": {"MODE": "y"}}, False),
        ({"weight": 2}, False),
    ],
)
def test_what_runs_the_same(changed, same):
    old = deployed.spec()
    assert plan.runs_the_same(old, dataclasses.replace(old, **changed)) is same


def test_other_servers_run_the_same():
    old = deployed.spec(EXISTING)
    assert plan.runs_the_same(old, deployed.spec(dataclasses.replace(EXISTING, ids=("s-9",))))


def test_going_back_changes_no_scale():
    old, now = deployed.spec(version="1", replicas=1), deployed.spec(version="2", replicas=4, heal=Heal())
    back = plan.at_the_scale_of(old, now)
    assert (back.version, back.replicas, back.heal) == ("1", 4, Heal())


@pytest.mark.parametrize(
    ("batch", "count", "sizes"),
    [
        (1, 3, [1, 1, 1]),
        (2, 5, [2, 2, 1]),
        (9, 2, [2]),
        ("50%", 5, [2, 2, 1]),
        ("1%", 2, [1, 1]),
        ("100%", 3, [3]),
        (1, 0, []),
    ],
)
def test_batches(batch, count, sizes):
    spec = deployed.spec(replicas=count, update=Update(batch=batch))
    targets = [Target(number, aim=Aim.UPDATE) for number in range(count)]
    shape = plan.shape(spec, targets)
    assert [len(each) for each in shape["batches"]] == sizes
    assert [number for each in shape["batches"] for number in each] == list(range(count))
