"""What an Open Service Broker's catalogue means, and what of an earlier one stays."""

import dataclasses

import pytest

from gateway.broker.model import Plan, with_catalogue
from gateway.broker.providers.catalogue import offers

PLAN = {"id": "p1", "name": "small", "description": "Small ones."}
OFFERING = {"id": "s1", "name": "queues", "description": "Queues.", "bindable": True, "plans": [PLAN]}
SMALL = Plan("Small ones.", settings={"service_id": "s1", "plan_id": "p1"}, is_updateable=False)


def told(plan=None, **offering):
    return {"services": [OFFERING | {"plans": [PLAN | (plan or {})]} | offering]}


@pytest.mark.parametrize(
    ("catalogue", "wanted"),
    [
        (told(), SMALL),
        (told(unknown={"x": 1}), SMALL),
        (told(plan_updateable=True), dataclasses.replace(SMALL, is_updateable=True)),
        (told({"plan_updateable": True}), dataclasses.replace(SMALL, is_updateable=True)),
        (told({"plan_updateable": False}, plan_updateable=True), SMALL),
        (told(bindable=False), dataclasses.replace(SMALL, is_bindable=False)),
        (told({"bindable": False}), dataclasses.replace(SMALL, is_bindable=False)),
        (told({"maximum_polling_duration": 60}), dataclasses.replace(SMALL, patience=60)),
    ],
)
def test_what_a_plan_is(catalogue, wanted):
    assert offers(catalogue) == {"queues": {"small": wanted}}


@pytest.mark.parametrize(
    ("catalogue", "why"),
    [
        (None, "not of type 'object'"),
        ({}, "'services' is a required property"),
        ({"services": []}, "services"),
        (told(plans=[]), r"\$\.services\[0\]\.plans"),
        (told(name="two words"), "two words"),
        (told(name="x" * 55), r"services\[0\]\.name"),
        (told({"id": ""}), r"plans\[0\]\.id"),
        (told({"name": 5}), r"plans\[0\]\.name"),
        (told(bindable="yes"), "boolean"),
        (told(plans=[PLAN, PLAN | {"id": "p2"}]), "two plans of queues are called small"),
        ({"services": [OFFERING, OFFERING | {"id": "s2"}]}, "two services are called queues"),
    ],
)
def test_what_is_none(catalogue, why):
    with pytest.raises(ValueError, match=why):
        offers(catalogue)


def test_plans_with_services_stay_for_them():
    before = {"queues": {"small": SMALL, "large": SMALL}, "topics": {"small": SMALL}}
    now = {"queues": {"new": SMALL}}
    kept = dataclasses.replace(SMALL, is_offered=False)
    used = [("queues", "small"), ("topics", "small")]
    assert with_catalogue(before, now, used) == {
        "queues": {"new": SMALL, "small": kept},
        "topics": {"small": kept},
    }
    assert with_catalogue(before, now, []) == now


def test_another_plan_of_the_same_name_is_not_offered_while_the_first_has_services():
    another = dataclasses.replace(SMALL, settings={"service_id": "s1", "plan_id": "p2"})
    before, now = {"queues": {"small": SMALL}}, {"queues": {"small": another}}
    kept = dataclasses.replace(SMALL, is_offered=False)
    assert with_catalogue(before, now, [("queues", "small")]) == {"queues": {"small": kept}}
    assert with_catalogue(before, now, []) == now


def test_what_is_described_otherwise_is_taken_over():
    described = dataclasses.replace(SMALL, description="Tiny ones.")
    before, now = {"queues": {"small": SMALL}}, {"queues": {"small": described}}
    assert with_catalogue(before, now, [("queues", "small")]) == now
