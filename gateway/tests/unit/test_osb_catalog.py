"""The catalogue that platforms read: whose ids must never change, whatever provider comes or goes."""

import dataclasses

import pytest

from gateway import errors
from gateway.api import osb_catalog
from gateway.broker.model import Limits, Plan, Status
from gateway.tests import brokered

FREE, FIXED = Plan(limits=Limits(connections=2)), Plan("Stays.", is_updateable=False, is_bindable=False)


def offering(name, **more):
    return dataclasses.replace(brokered.PROVIDER, name=name, offers={"mysql": more})


def test_ids_stay():
    assert osb_catalog.service_id("mysql") == "aa655e57-4a5e-5428-943b-80c50fc30679"
    assert osb_catalog.plan_id("mysql", "free") == "3d03d36d-c2dc-5dc2-a7ba-ac368ab056ba"
    assert osb_catalog.plan_id("redis", "free") != osb_catalog.plan_id("mysql", "free")


def test_an_offering_is_of_all_that_have_it():
    first, second = offering("a", free=FREE), offering("b", free=Plan("Another."), big=FIXED)
    assert osb_catalog.offered([second, first]) == {"mysql": {"free": FREE, "big": FIXED}}


def test_who_goes_and_what_is_withdrawn_is_not_offered():
    going = dataclasses.replace(offering("a", free=FREE), status=Status.DELETING)
    withdrawn = offering("b", big=dataclasses.replace(FREE, is_offered=False))
    assert osb_catalog.offered([going, withdrawn]) == {}


def test_ids_are_found_again():
    there = [offering("a", free=FREE)]
    service, plan = osb_catalog.service_id("mysql"), osb_catalog.plan_id("mysql", "free")
    assert osb_catalog.named(there, service, plan) == ("mysql", "free")
    with pytest.raises(errors.Invalid, match="service_id"):
        osb_catalog.named(there, "another", plan)
    with pytest.raises(errors.Invalid, match="plan_id"):
        osb_catalog.named(there, service, osb_catalog.plan_id("mysql", "big"))
