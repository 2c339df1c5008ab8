import threading
import types

import pytest

from gateway import errors, periodic
from gateway.db import Commits


def test_it_goes_on_whatever_is_raised(caplog):
    stop, raised = (
        threading.Event(),
        [errors.CloudError("gateway.cloud.failed", "Nova is away."), KeyError("x")],
    )

    def act():
        if raised:
            raise raised.pop(0)
        stop.set()

    periodic.every(0.001, stop, "A look", act)
    assert not raised
    seen = [(record.levelname, record.exc_info is not None) for record in caplog.records]
    assert seen == [("WARNING", False), ("ERROR", True)]
    assert "A look failed; trying again: Nova is away." in caplog.text


@pytest.mark.parametrize("stopped", [True, False])
def test_never_once_stopped_nor_without_an_interval(stopped):
    stop = threading.Event()
    if stopped:
        stop.set()
    periodic.every(0.001 if stopped else 0, stop, "A look", lambda: pytest.fail("was called"))


def told_by(version):
    return Commits(types.SimpleNamespace(version=version)).looking


def test_what_stays_the_same_is_looked_at_once_a_second(monkeypatch):
    now, stop, looks = [100.0], threading.Event(), []
    monkeypatch.setattr(periodic.time, "monotonic", lambda: now[0])
    versions = iter([1, 1, 2, 2, 2, 3])

    def version():
        now[0] += 0.4
        found = next(versions, None)
        if found is None:
            stop.set()
        return found

    periodic.every(0.001, stop, "A look", lambda: looks.append(round(now[0] - 100, 1)), told_by(version))
    assert looks == [0.4, 1.2, 2.4, 2.8]


def test_what_failed_is_looked_at_again_though_nothing_changed(caplog):
    stop, raised = threading.Event(), [KeyError("x")]

    def act():
        if raised:
            raise raised.pop()
        stop.set()

    periodic.every(0.001, stop, "A look", act, told_by(lambda: 1))
    assert stop.is_set()


def test_what_fails_is_due_ever_later(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(periodic.time, "monotonic", lambda: now[0])
    retries = periodic.Retries(2, 7)
    assert retries.is_due("a")
    assert [retries.failed("a") for _ in range(4)] == [2, 4, 7, 7]
    now[0] += 6.9
    assert not retries.is_due("a")
    assert retries.is_due("b")
    now[0] += 0.1
    assert retries.is_due("a")
    retries.failed("b")
    retries.forget_all_but(["b"])
    assert (retries.failed("a"), retries.failed("b")) == (2, 4)
    retries.forget("b")
    assert retries.is_due("b")
