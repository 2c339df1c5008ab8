"""Providers, services and bindings on a real database: what is stored, and what two may not do at once."""

import dataclasses

import pytest
import sqlalchemy as sa
from oslo_db import exception as db_exception

from gateway import errors
from gateway.broker.model import Fault, Limits, Status
from gateway.db import Database, Sealed, metadata
from gateway.tests import brokered

FAULT = Fault("gateway.provider.refused", "It refused.")


@pytest.fixture
def conf(tmp_path):
    return brokered.configuration(tmp_path)


@pytest.fixture
def store(conf):
    made = brokered.store(conf)
    made.add_provider(brokered.PROVIDER)
    return made


@pytest.fixture
def kept(store):
    made = brokered.service()
    store.add(made, 100)
    return made


def ready(store, kept):
    store.move_binding(kept.bindings[0], Status.READY)
    store.move(kept, Status.READY)
    return store.by_id(kept.id)


def test_what_is_stored_comes_back_equal(store, kept):
    assert store.provider("cache") == brokered.PROVIDER
    assert store.by_id(kept.id) == kept == store.service("project", kept.name)
    assert store.by_id("0" * 16) is None


def test_passwords_are_sealed(conf, store, kept):
    tables = [metadata.tables[name] for name in ("providers", "bindings")]
    columns = [column for table in tables for column in table.columns]
    with Database(conf).read() as connection:
        stored = [str(value) for each in columns for value in connection.execute(sa.select(each)).scalars()]
        sealed = [each.name for each in columns if isinstance(each.type, Sealed)]
    assert sealed == ["password", "password", "credentials"]
    assert not [value for value in stored if "planted" in value]
    assert "planted" not in repr(store.provider("cache")) + repr(store.by_id(kept.id))


def test_another_projects_is_not_there(store, kept):
    with pytest.raises(errors.NotFound):
        store.service("another", kept.name)
    assert store.services("another") == []
    store.add(brokered.service(2, project_id="another", name=kept.name), 100)


def test_a_name_is_taken_once(store, kept):
    with pytest.raises(db_exception.DBDuplicateEntry):
        store.add(brokered.service(2, name=kept.name), 100)
    with pytest.raises(db_exception.DBDuplicateEntry):
        store.add_provider(brokered.PROVIDER)


def test_one_that_failed_gives_its_name_up(store, kept):
    assert store.move(kept, Status.REVERTING, FAULT)
    with pytest.raises(db_exception.DBDuplicateEntry):
        store.add(brokered.service(2, name=kept.name), 100)
    assert store.move(store.by_id(kept.id), Status.FAILED, FAULT)
    assert store.by_id(kept.id).fault == FAULT
    store.add(brokered.service(2, name=kept.name), 100)
    assert store.service("project", kept.name).id == brokered.service(2).id


def test_what_a_platform_asked_with_comes_back(store):
    asked = {"instance_id": "i-\u00fc", "identity": {"platform": "cf", "user": {"id": "u"}}}
    bound = {"binding_id": "b", "bind_resource": {"app_guid": "a"}}
    store.add(brokered.service(2, platform=asked, bindings=(brokered.binding(2, 2, platform=bound),)), 100)
    found = store.by_id(brokered.service(2).id)
    assert (found.platform, found.bindings[0].platform) == (asked, bound)


def test_one_that_failed_gives_its_id_up(store, kept):
    again = dataclasses.replace(kept, name="otherwise", bindings=())
    with pytest.raises(db_exception.DBDuplicateEntry):
        store.add(again, 100)
    store.move(kept, Status.FAILED, FAULT)
    store.add(again, 100)
    assert store.by_id(kept.id) == again
    binding = brokered.binding(2)
    assert store.add_binding(binding, 9)
    with pytest.raises(db_exception.DBDuplicateEntry):
        store.add_binding(binding, 9)
    store.move_binding(binding, Status.FAILED, FAULT)
    assert store.add_binding(binding, 1)
    assert store.by_id(kept.id).binding(binding.id).status is Status.CREATING


def test_as_many_as_are_allowed(store, kept):
    with pytest.raises(errors.QuotaExceeded):
        store.add(brokered.service(2), 1)
    assert store.add_binding(brokered.binding(2), 2)
    with pytest.raises(errors.QuotaExceeded):
        store.add_binding(brokered.binding(3), 2)


def test_lists_by_name_in_pages_and_by_what_is_asked(store, kept):
    store.add(brokered.service(2, user_id="other"), 100)
    names = [each.name for each in store.services("project")]
    assert names == ["redis-1", "redis-2"]
    assert [each.name for each in store.services("project", limit=1, marker="redis-1")] == ["redis-2"]
    assert [each.name for each in store.services("project", user_id="other")] == ["redis-2"]
    assert store.services("project", provider="another") == []
    assert [each.name for each in store.providers(limit=1)] == ["cache"]
    assert store.providers(marker="cache") == []
    assert store.counts(["cache", "another"]) == {"cache": 2, "another": 0}


def test_what_is_to_be_done(store, kept):
    todo = [(kept.id, "cache")]
    assert store.unfinished() == todo
    known = ready(store, kept)
    assert store.unfinished() == []
    assert store.add_binding(brokered.binding(2), 9)
    assert store.unfinished() == todo
    store.move_binding(brokered.binding(2), Status.READY)
    assert store.unfinished() == []
    store.delete_binding(known.bindings[0])
    assert store.unfinished() == todo
    store.remove_binding(known.bindings[0])
    assert [each.id for each in store.by_id(kept.id).bindings] == [brokered.binding(2).id]
    store.delete(known)
    assert store.unfinished() == todo


def test_who_did_what_was_wanted_before_does_not_say_that_it_is_done(store, kept):
    store.delete(kept)
    assert not store.move(kept, Status.READY)
    assert store.by_id(kept.id).status is Status.DELETING
    assert not store.set_plan(kept, "big")
    assert not store.add_binding(brokered.binding(2), 9)


def test_limits_that_change_meanwhile_are_put_in_force_again(store, kept):
    changed = brokered.offering(free=Limits(connections=1), big=Limits())
    store.change_provider(dataclasses.replace(changed, updated_at=20.0))
    assert store.by_id(kept.id).status is Status.CREATING
    assert not store.move(kept, Status.READY)
    assert store.move(store.by_id(kept.id), Status.READY)
    store.change_provider(dataclasses.replace(brokered.PROVIDER, updated_at=21.0))
    assert store.by_id(kept.id).status is Status.UPDATING


def test_a_plan_that_has_services_stays(store, kept):
    with pytest.raises(errors.Conflict) as refused:
        store.change_provider(brokered.offering(big=Limits()))
    assert refused.value.field == "provider.plans"
    assert store.provider("cache") == brokered.PROVIDER
    assert not store.set_plan(kept, "big")  # it is being made
    assert store.set_plan(ready(store, kept), "big")
    store.change_provider(brokered.offering(big=Limits()))


def test_a_provider_goes_with_the_last_of_its_services(store, kept):
    store.add(brokered.service(2), 100)
    with pytest.raises(errors.Conflict):
        store.delete_provider("cache", force=False)
    assert not store.delete_provider("cache", force=True)
    with pytest.raises(errors.NotFound):
        store.add(brokered.service(3), 100)
    with pytest.raises(errors.NotFound):
        store.change_provider(brokered.PROVIDER)
    store.remove(brokered.service(2))
    assert store.provider("cache").status is Status.DELETING
    store.remove(kept)
    with pytest.raises(errors.NotFound):
        store.provider("cache")
    with pytest.raises(errors.NotFound):
        store.delete_provider("cache", force=True)


def test_those_that_failed_hold_no_provider_and_are_forgotten(store, kept):
    store.move(kept, Status.FAILED, FAULT)
    store.forget_failed(store.by_id(kept.id).updated_at)
    assert store.by_id(kept.id) is not None
    store.forget_failed(store.by_id(kept.id).updated_at + 1)
    assert store.by_id(kept.id) is None
    store.add(brokered.service(2), 100)
    store.move(brokered.service(2), Status.FAILED, FAULT)
    assert store.delete_provider("cache", force=False)


def test_deleting_one_that_failed_is_all(store, kept):
    store.move(kept, Status.FAILED, FAULT)
    store.delete(store.by_id(kept.id))
    assert store.by_id(kept.id) is None


def test_services_of_a_provider_that_moves_get_their_credentials_anew(store, kept):
    ready(store, kept)
    store.change_provider(dataclasses.replace(brokered.PROVIDER, url="redis://192.0.2.1:6379"))
    assert store.by_id(kept.id).status is Status.UPDATING


def test_what_a_provider_has_under_way_is_kept_until_something_else_is_wanted(store, kept):
    store.keep_operation(kept, "provisioning")
    store.keep_operation(kept.bindings[0], "binding")
    under_way = store.by_id(kept.id)
    assert (under_way.operation, under_way.bindings[0].operation) == ("provisioning", "binding")
    known = ready(store, under_way)
    assert (known.operation, known.bindings[0].operation) == (None, None)
    store.keep_operation(kept, "of what was wanted before")
    assert store.by_id(kept.id).operation is None


def test_the_plan_in_force_is_the_last_one_that_was_made(store, kept):
    assert kept.in_force is None
    assert store.set_plan(ready(store, kept), "big")
    changing = store.by_id(kept.id)
    assert (changing.plan, changing.in_force) == ("big", "free")
    store.move(changing, Status.READY)
    assert store.by_id(kept.id).in_force == "big"


def test_credentials_are_those_that_work(store, kept):
    assert kept.credentials() is None
    known = ready(store, kept)
    assert known.credentials() == known.credentials(known.bindings[0]) == kept.bindings[0].credentials
    store.delete(known)
    assert store.by_id(kept.id).credentials() is None


def test_a_provider_that_never_comes_back_is_forgotten_with_its_services(store, kept):
    store.add(brokered.service(2), 100)
    store.move(brokered.service(2), Status.FAILED, FAULT)
    assert store.forget_provider("cache") == ["gw" + kept.id]
    assert store.by_id(kept.id) is None
    assert not store.move(kept, Status.READY)
    with pytest.raises(errors.NotFound):
        store.forget_provider("cache")
