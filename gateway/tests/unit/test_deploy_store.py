"""Deployments, ways into servers and artifacts on a real SQLite file."""

import dataclasses
import threading

import pytest

from gateway import errors
from gateway.deploy import guest
from gateway.deploy.model import (
    Access,
    Artifact,
    ExistingServers,
    Fault,
    Status,
    Step,
    StepState,
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


@pytest.mark.parametrize("call", ["deployment", "status", "secrets"])
def test_what_is_not_there(store, call):
    with pytest.raises(errors.NotFound) as raised:
        getattr(store, call)("no-such-id")
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
    made = [deployed.deployment(status=status, created_at=-n) for n, status in enumerate(Status)]
    for each in made:
        store.add(each, {"env": {}})
    found = [status for _, status in store.unfinished()]
    assert found == [Status.DELETING, Status.REVERTING, Status.RUNNING, Status.PENDING]


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
    assert store.secrets(other.id) == secrets
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
