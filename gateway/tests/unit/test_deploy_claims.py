"""Who may write of a deployment, on a real SQLite file."""

import threading

import pytest
import sqlalchemy as sa
from taskflow import engines
from taskflow.patterns import linear_flow

from gateway import errors
from gateway.deploy import steps
from gateway.deploy.claims import Suspended, no_failure
from gateway.deploy.model import Status
from gateway.tests import deployed


@pytest.fixture
def store(tmp_path):
    return deployed.store(tmp_path)


def added(store):
    made = deployed.deployment()
    store.add(made, {"env": {}})
    return made.id


def test_only_who_took_it_last_writes(store):
    id = added(store)
    before, own = store.taken(id), store.taken(id)
    writes = [
        lambda store: store.move(id, Status.RUNNING, [Status.PENDING]),
        lambda store: store.set_step(id, "boot", 0, detail="x"),
        lambda store: store.set_target(id, 0, address="192.0.2.1"),
        lambda store: store.write_log(id, "boot", 0, "x"),
        lambda store: store.set_flow(id, "x"),
        lambda store: store.target_keys(id, 0),
        lambda store: store.retire_trust(id),
        lambda store: store.remove(id),
    ]
    for write in writes:
        with pytest.raises(Suspended):
            write(before)
        write(own)
    with pytest.raises(errors.NotFound):
        store.taken(id)
    with pytest.raises(Suspended):  # what is gone is nobody's
        own.write_log(id, "boot", 0, "x")


def test_who_is_refused_takes_nobody_with_him(store):
    """Several write in one transaction."""
    ids = [added(store) for _ in range(8)]
    befores = [store.taken(id) for id in ids]
    for id in ids[::2]:
        store.taken(id)
    refused = []

    def write(own, id):
        for _ in range(20):
            try:
                own.write_log(id, "boot", 0, "x")
            except Suspended:
                refused.append(id)

    threads = [threading.Thread(target=write, args=each) for each in zip(befores, ids, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(refused) == sorted(ids[::2] * 20)
    assert [len(store.read_log(id)) for id in ids] == [0, 20] * 4


@pytest.mark.parametrize(
    ("raised", "wanted"),
    [
        (sa.exc.OperationalError("SELECT 1", {}, Exception("gone")), Suspended),
        (sa.exc.TimeoutError(), Suspended),
        (sa.exc.ProgrammingError("SELECT", {}, Exception("wrong")), sa.exc.ProgrammingError),
        (errors.Conflict("gateway.x", "x"), errors.Conflict),
    ],
)
def test_what_is_no_failure(raised, wanted):
    with pytest.raises(wanted), no_failure():
        raise raised


@pytest.mark.parametrize("options", [{"engine": "serial"}, {"engine": "parallel", "max_workers": 2}])
def test_a_flow_that_is_suspended_reverts_nothing(options):
    """And the next engine does again what was not done."""
    done, undone = [], []

    class First(steps.DeployTask):
        step = "first"

        def do(self, work, number):
            done.append(self.step)
            return "x"

        def undo(self, work, number):
            undone.append(self.step)

    class Second(First):
        step = "second"

        def do(self, work, number):
            if len(done) == 1:
                done.append("suspended")
                raise sa.exc.OperationalError("SELECT 1", {}, Exception("gone"))
            return super().do(work, number)

    flow = linear_flow.Flow("deployment").add(First(), Second())
    engine = engines.load(flow, **options)
    engine.storage.inject({"work": _Nothing()}, transient=True)
    with pytest.raises(Suspended):
        engine.run()
    again = engines.load(flow, flow_detail=engine.storage._flowdetail, backend=engine._backend, **options)
    again.storage.inject({"work": _Nothing()}, transient=True)
    again.run()
    assert (done, undone) == (["first", "suspended", "second"], [])


class _Nothing:
    """As much of a ``Work`` as a step asks for that does nothing."""

    deployment = deployed.deployment()
