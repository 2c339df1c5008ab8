"""What has leaked, and what of it may go, as tables."""

import pytest

from gateway.cloud.model import FloatingIP, Grant, Reference, SecurityGroup, Server
from gateway.deploy import marks, sweep
from gateway.deploy.sweep import Kind, Known, Thing

OURS, THEIRS = "owner-1", "owner-2"


def thing(kind=Kind.SERVER, id="s-1", owner=OURS, deployment="d-1", project="p-1"):
    return Thing(kind, id, f"name of {id}", project, owner, deployment)


def server(metadata, id="s-1"):
    return Server(id, "web", "ACTIVE", "p-1", Reference(None, "m1"), None, metadata=metadata)


def test_what_is_marked():
    found = sweep.marked(
        [server(marks.tags(OURS, "d-1", 0)), server({"gateway_request": "req-1"}, "users")],
        [FloatingIP("f-1", "203.0.113.5", "p-1", marks.description(OURS, "d-1", 0)),
         FloatingIP("f-2", "203.0.113.6", "p-1", "")],
        [SecurityGroup("g-1", "gateway-d-1", "p-1", marks.description(THEIRS, "d-2")),
         SecurityGroup("g-2", "default", "p-1", "Default security group")],
        [Grant("t-1", "user-1", "p-1", marks.description(OURS, "d-1")), Grant("t-2", "user-1", "p-1")],
    )  # fmt: skip
    assert found == [
        Thing(Kind.SERVER, "s-1", "web", "p-1", OURS, "d-1"),
        Thing(Kind.FLOATING_IP, "f-1", "203.0.113.5", "p-1", OURS, "d-1"),
        Thing(Kind.SECURITY_GROUP, "g-1", "gateway-d-1", "p-1", THEIRS, "d-2"),
        Thing(Kind.TRUST, "t-1", "user-1", "p-1", OURS, "d-1"),
    ]


@pytest.mark.parametrize(
    ("owner", "deployment", "known", "is_leaked"),
    [
        (OURS, "d-1", {"d-1"}, False),  # in whatever state it is
        (OURS, "d-1", {"d-2"}, True),
        (OURS, "d-1", set(), True),
        (THEIRS, "d-1", set(), False),
        (THEIRS, "d-1", {"d-2"}, False),
    ],
)
def test_what_is_leaked(owner, deployment, known, is_leaked):
    one = thing(owner=owner, deployment=deployment)
    assert sweep.leaked([one], OURS, Known(known, ())) == ([one] if is_leaked else [])


@pytest.mark.parametrize(
    ("kind", "owner", "trusts", "is_leaked"),
    [
        (Kind.TRUST, OURS, {"t-1"}, False),
        (Kind.TRUST, OURS, {"t-2"}, True),  # the deployment has another
        (Kind.TRUST, THEIRS, set(), False),
        (Kind.APPLICATION_CREDENTIAL, OURS, {"t-1"}, False),
        (Kind.APPLICATION_CREDENTIAL, OURS, {"t-2"}, True),
    ],
)
def test_a_trust_is_leaked_that_no_deployment_has(kind, owner, trusts, is_leaked):
    one = thing(kind, "t-1", owner)
    assert sweep.leaked([one], OURS, Known({"d-1"}, trusts)) == ([one] if is_leaked else [])


@pytest.mark.parametrize(
    ("one", "is_leaked"),
    [
        (thing(), False),
        (thing(id="s-2"), True),
        (thing(Kind.FLOATING_IP, "f-1"), False),
        (thing(Kind.FLOATING_IP, "f-2"), True),
        (thing(Kind.SECURITY_GROUP, "g-2"), False),
        (thing(id="s-2", deployment="d-2"), False),  # something is under way with it
    ],
)
def test_of_a_deployment_that_runs_what_it_does_not_use_is_leaked(one, is_leaked):
    known = Known({"d-1", "d-2"}, (), {"d-1": {"s-1", "name of f-1", None}})
    assert sweep.leaked([one], OURS, known) == ([one] if is_leaked else [])


def test_kept_credentials_are_the_gateways_own():
    kept = Thing(Kind.APPLICATION_CREDENTIAL, "c-1", "user-1", "", OURS, "")
    assert sweep.kept([Grant("c-1", "user-1")], OURS) == [kept]


def test_the_order_to_delete_in():
    things = [thing(Kind.SECURITY_GROUP, "g"), thing(Kind.SERVER, "s"), thing(Kind.FLOATING_IP, "f")]
    assert [each.id for each in sweep.leaked(things, OURS, Known((), ()))] == ["f", "s", "g"]


A, B = thing(id="a"), thing(id="b")


@pytest.mark.parametrize(
    ("looks", "due"),
    [
        ([[A]], []),
        ([[A], [A]], [A]),
        ([[A], [B]], []),
        ([[A], [A, B]], [A]),
        ([[A], [], [A]], []),  # it was not there in between: whatever that was, it begins anew
        ([[A], [A], [A]], [A]),  # could not be deleted: again
    ],
)
def test_only_at_second_sight(looks, due):
    seen = {}
    for now, leaks in enumerate(looks):
        found = sweep.due(seen, leaks)
        seen = sweep.sighted(seen, leaks, float(now))
    assert found == due


def test_since_when_it_is_seen():
    seen = sweep.sighted({}, [A], 1.0)
    seen = sweep.sighted(seen, [A, B], 2.0)
    assert seen == {A: 1.0, B: 2.0}
