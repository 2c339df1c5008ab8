"""Deployments, ways into servers and artifacts on a real SQLite file."""

import dataclasses
import threading

import pytest
from oslo_db import exception as db_exception

from gateway import errors
from gateway.deploy import guest
from gateway.deploy.model import (
    Access,
    Aim,
    Artifact,
    ExistingServers,
    Fault,
    IdempotencyKey,
    Status,
    Step,
    StepState,
    Target,
    Trust,
)
from gateway.tests import databases, deployed


@pytest.fixture
def store(tmp_path):
    return deployed.store(tmp_path)


@pytest.fixture
def kept(store):
    made = deployed.deployment()
    store.add(made, {"env": {"PASSWORD": "planted-secret"}})
    return made


@pytest.mark.parametrize(
    "servers",
    [
        deployed.NEW,
        dataclasses.replace(deployed.NEW, floating_network="public-1"),
        ExistingServers(("s-1", "s-2"), "debian", "ssh-ed25519 AAAA", True),
        ExistingServers(("s-1",), None),
    ],
)
def test_what_is_stored_comes_back_equal(store, servers):
    made = deployed.deployment(deployed.spec(servers))
    store.add(made, {"env": {}})
    assert store.deployment(made.id) == made
    assert store.deployment(made.id, deployed.PROJECT) == made


def test_another_projects_is_not_there(store, kept):
    with pytest.raises(errors.NotFound):
        store.deployment(kept.id, "another")
    assert store.deployments("another", 10) == []
    with pytest.raises(errors.Invalid):
        store.deployments("another", 10, kept.id)


@pytest.mark.parametrize("call", [("deployment",), ("status",), ("secrets", 1)])
def test_what_is_not_there(store, call):
    name, *more = call
    with pytest.raises(errors.NotFound) as raised:
        getattr(store, name)("no-such-id", *more)
    assert raised.value.code == "gateway.deployment.not_found"


def test_pages_are_whole_also_where_times_are_equal(store):
    made = [deployed.deployment(created_at=float(1000 + n // 3)) for n in range(8)]
    for each in made:
        store.add(each, {"env": {}})
    seen, marker = [], None
    while page := store.deployments(deployed.PROJECT, 3, marker):
        seen += [each.id for each in page]
        marker = seen[-1]
    assert seen == [d.id for d in sorted(made, key=lambda d: (d.created_at, d.id), reverse=True)]


def test_a_status_moves_only_from_where_it_is_thought_to_be(store, kept):
    assert not store.move(kept.id, Status.SUCCEEDED, [Status.RUNNING])
    assert store.move(kept.id, Status.RUNNING, [Status.PENDING])
    assert not store.move(kept.id, Status.RUNNING, [Status.PENDING])
    assert store.status(kept.id) is Status.RUNNING


def test_of_many_movers_one_moves(store, kept):
    moved = []
    threads = [
        threading.Thread(target=lambda: moved.append(store.move(kept.id, Status.RUNNING, [Status.PENDING])))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(moved) == [False] * 7 + [True]


def test_what_an_engine_has_to_do(store):
    made = [deployed.deployment(status=status, updated_at=-n) for n, status in enumerate(Status)]
    for each in made:
        store.add(each, {"env": {}})
    found = [store.status(id) for id in store.unfinished()]
    unfinished = [Status.PENDING, Status.RUNNING, Status.FINISHING, Status.REVERTING, Status.DELETING]
    assert found == sorted(unfinished, key=list(Status).index, reverse=True)


def test_a_project_has_a_service_but_once(store, kept):
    for name in ("unlike", kept.spec.service):
        again = deployed.deployment(deployed.spec(service=name))
        if name == "unlike":
            store.add(again, {"env": {}})
        else:
            with pytest.raises(db_exception.DBDuplicateEntry):
                store.add(again, {"env": {}})
    store.move(kept.id, Status.REVERTING, [Status.PENDING])
    store.fail(kept.id)
    assert store.live(deployed.PROJECT, kept.spec.service) is None
    store.add(again, {"env": {}})
    assert store.live(deployed.PROJECT, kept.spec.service).id == again.id


def settled(store, kept):
    store.move(kept.id, Status.FINISHING, [Status.PENDING])
    assert store.succeed(kept.id, keep=5)
    return store.deployment(kept.id)


def following(live, number=2, **changed):
    """The next release, with a target more and the old one updated."""
    wanted = dataclasses.replace(live.spec, version="2", replicas=2)
    values = {
        "release": deployed.release(wanted, number),
        "before": live.release,
        "status": Status.PENDING,
        "trust_id": "trust-2",
        "targets": (dataclasses.replace(live.targets[0], aim=Aim.UPDATE), Target(1)),
    }
    return dataclasses.replace(live, **values | changed)


def test_the_next_release_and_its_success(store, kept):
    live = settled(store, kept)
    assert (live.release.state, live.targets[0].aim, live.before) == ("current", "keep", None)
    store.set_target(kept.id, 0, address="192.0.2.1")
    wanted = following(store.deployment(kept.id))
    assert store.begin(wanted, {"env": {"PASSWORD": "other"}})
    begun = store.deployment(kept.id)
    assert begun == dataclasses.replace(wanted, retired_trusts=("trust-1",))
    assert begun.targets[0].address == "192.0.2.1"
    assert not store.begin(wanted, {"env": {}})  # it is under way
    store.move(kept.id, Status.FINISHING, [Status.PENDING])
    assert store.succeed(kept.id, keep=5)
    assert [(r.number, r.state) for r in store.releases(kept.id)] == [(2, "current"), (1, "old")]
    assert store.secrets(kept.id, 2) == {"env": {"PASSWORD": "other"}}
    assert store.secrets(kept.id, 1) == {"env": {"PASSWORD": "planted-secret"}}
    assert [t.aim for t in store.deployment(kept.id).targets] == ["keep", "keep"]


def test_the_next_release_and_its_failure(store, kept):
    live = settled(store, kept)
    store.begin(following(live), {"env": {}})
    store.move(kept.id, Status.REVERTING, [Status.PENDING])
    store.roll_back(kept.id)
    back = store.deployment(kept.id)
    assert (back.status, back.release.number, back.before) == ("rolled_back", 1, None)
    assert [(r.number, r.state) for r in store.releases(kept.id)] == [(2, "failed"), (1, "current")]
    assert [(t.number, t.aim) for t in back.targets] == [(0, "keep")]


def test_old_releases_are_forgotten(store, kept):
    live = settled(store, kept)
    for number in range(2, 7):
        store.begin(following(live, number), {"env": {}})
        store.move(kept.id, Status.FINISHING, [Status.PENDING])
        assert store.succeed(kept.id, keep=3)
        live = store.deployment(kept.id)
    assert [r.number for r in store.releases(kept.id)] == [6, 5, 4]
    assert store.folders(kept.id, 2) == ("2-6", "2-5")


def test_a_key_means_one_call(store, kept):
    key = IdempotencyKey("k-1", "00" * 32, "")
    assert store.idempotency_key(deployed.PROJECT, "k-1") is None
    made = deployed.deployment()
    key = dataclasses.replace(key, deployment_id=made.id)
    store.add(made, {"env": {}}, key)
    assert store.idempotency_key(deployed.PROJECT, "k-1") == key
    assert store.idempotency_key("another", "k-1") is None
    with pytest.raises(db_exception.DBDuplicateEntry):
        store.add(other := deployed.deployment(), {"env": {}}, key)
    with pytest.raises(errors.NotFound):
        store.deployment(other.id)


def test_the_first_fault_stays(store, kept):
    first = Fault("boot", 0, "gateway.quota.exceeded", "No.")
    store.set_fault(kept.id, first)
    store.set_fault(kept.id, Fault("ssh", 0, "gateway.ssh.unreachable", "Later."))
    assert store.deployment(kept.id).fault == first


def test_steps_are_told_apart_by_their_target(store):
    wanted = dataclasses.replace(deployed.spec(), replicas=2)
    made = deployed.deployment(wanted)
    store.add(made, {"env": {}})
    store.set_step(made.id, "quota", None, state=StepState.DONE, detail="enough")
    store.set_step(made.id, "boot", 1, state=StepState.RUNNING, started_at=5.0)
    changed = {(s.name, s.target): s for s in store.deployment(made.id).steps if s.state != "pending"}
    assert changed == {
        ("quota", None): Step("quota", None, StepState.DONE, "enough"),
        ("boot", 1): Step("boot", 1, StepState.RUNNING, started_at=5.0),
    }


def test_close_steps_leaves_the_failed_one_and_what_never_ran(store, kept):
    states = {
        "quota": StepState.DONE,
        "boot": StepState.REVERTING,
        "active": StepState.RUNNING,
        "ssh": StepState.FAILED,
    }
    for name, state in states.items():
        store.set_step(kept.id, name, None if name == "quota" else 0, state=state)
    store.close_steps(kept.id)
    found = {step.name: step.state for step in store.deployment(kept.id).steps}
    assert {name: found[name] for name in states} == {
        "quota": "reverted",
        "boot": "reverted",
        "active": "reverted",
        "ssh": "failed",
    }
    assert found["upload"] == "pending"


def test_the_log_is_in_order_and_goes_with_its_deployment(store, kept):
    for n in range(3):
        store.write_log(kept.id, "setup", 0, f"line {n}")
    assert [(line.target, line.text) for line in store.read_log(kept.id)] == [
        (0, f"line {n}") for n in range(3)
    ]
    store.remove(kept.id)
    assert store.read_log(kept.id) == []
    with pytest.raises(errors.NotFound):
        store.deployment(kept.id)


def test_a_targets_keys_are_made_once(store, kept):
    made = store.target_keys(kept.id, 0)
    assert store.target_keys(kept.id, 0) == made
    assert made[0] != made[1]


@pytest.mark.skipif(databases.SERVER is not None, reason="looks into SQLite's file")
def test_secrets_are_sealed_in_the_file(store, kept, tmp_path):
    """Whatever the file holds, in the journal too: neither the secret nor a private key's body."""
    pairs = store.target_keys(kept.id, 0)
    given = guest.key_pair()
    secrets = {"env": {"PASSWORD": "planted-secret"}, "private_key": given.private}
    other = deployed.deployment()
    store.add(other, secrets)
    access = Access("s-1", deployed.PROJECT, "debian", given.private, None, None)
    store.save_access(access)
    whole = b"".join(path.read_bytes() for path in tmp_path.glob("gateway.db*"))
    bodies = [pair.private.splitlines()[2] for pair in (*pairs, given)]
    assert kept.id.encode() in whole
    assert [text for text in ("planted-secret", "PRIVATE KEY", *bodies) if text.encode() in whole] == []
    assert store.secrets(other.id, 1) == secrets
    assert "PRIVATE KEY" not in repr(access)


def test_access_comes_back_and_is_its_projects_own(store):
    known = Access("s-1", deployed.PROJECT, "debian", "PEM", "ssh-ed25519 AAAA", Trust.INJECTED, "d-1")
    store.save_access(known)
    assert store.access(deployed.PROJECT, "s-1") == known
    assert store.access("another", "s-1") is None
    newer = dataclasses.replace(known, host_key=None, trust=None)
    store.save_access(newer)
    assert store.access(deployed.PROJECT, "s-1") == newer
    store.delete_access("another", "s-1")
    assert store.access(deployed.PROJECT, "s-1") == newer
    store.delete_access(deployed.PROJECT, "s-1")
    assert store.access(deployed.PROJECT, "s-1") is None


def test_what_goes_with_a_deployment(store, kept):
    mine = Access("s-1", deployed.PROJECT, "debian", "PEM", None, None, kept.id)
    other = dataclasses.replace(mine, server_id="s-2", deployment_id=None)
    store.save_access(mine)
    store.save_access(other)
    store.remove(kept.id)
    assert store.access(deployed.PROJECT, "s-1") is None
    assert store.access(deployed.PROJECT, "s-2") == other


def test_artifacts(store, tmp_path):
    made = Artifact("a-1", deployed.PROJECT, "00" * 32, 5, 1000.0)
    store.add_artifact(made)
    assert store.artifact("a-1", deployed.PROJECT) == made
    assert store.artifact_path("a-1") == tmp_path / "artifacts" / "a-1"
    with pytest.raises(errors.NotFound):
        store.artifact("a-1", "another")
