import threading

import pytest

from gateway import errors
from gateway.deploy import periodic


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
