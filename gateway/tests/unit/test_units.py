"""The units in etc/gateway: one text, but for the role."""

import pathlib

import pytest

from gateway import conf as options

_FOLDER = pathlib.Path(__file__).parents[3] / "etc/gateway"
_OWN = ("#", "Description=", "Conflicts=", "ExecStart=")


def lines(unit: str) -> list[str]:
    return (_FOLDER / f"{unit}.service").read_text().splitlines()


def test_there_is_one_for_each_role():
    assert {path.stem for path in _FOLDER.glob("gateway-*.service")} == {
        f"gateway-{r}" for r in options.ROLES
    }


@pytest.mark.parametrize("role", options.ROLES)
def test_a_role_is_run_as_all_of_them_are(role):
    mine, whole = lines(f"gateway-{role}"), lines("gateway")
    common = [line for line in whole if not line.startswith(_OWN)]
    assert [line for line in mine if not line.startswith(_OWN)] == common
    (command,) = (line for line in whole if line.startswith("ExecStart="))
    assert f"{command} --role {role}" in mine
    assert "Conflicts=gateway.service" in mine
    assert f"gateway-{role}.service" in next(line for line in whole if line.startswith("Conflicts="))


def test_a_stop_may_take_as_long_as_draining_does():
    conf = options.load([])
    (stop,) = (line.partition("=")[2] for line in lines("gateway") if line.startswith("TimeoutStopSec="))
    assert int(stop) > 60 + max(
        conf.engine.drain_timeout, conf.rpc.drain_timeout
    )  # 60: cotyledon's own limit
