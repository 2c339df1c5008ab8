"""What a rotation needs next, and what credentials are called in an environment."""

import dataclasses

import pytest

from gateway.binding.environment import variables
from gateway.binding.rotation import Next, due
from gateway.broker.model import Fault, Rotation, RotationStatus, Status
from gateway.deploy.bound import Use
from gateway.deploy.model import Status as Deployed
from gateway.tests import brokered

OLD, NEW = brokered.binding(1, status=Status.READY), brokered.binding(2, status=Status.READY)
ROTATION = Rotation(NEW.service_id, NEW.id, (OLD.id,), RotationStatus.RUNNING, None, "u", "req-1", 1.0, 1.0)
BEHIND = Use("d-1", "shop", Deployed.SUCCEEDED, "req-0", OLD.id)
AHEAD = dataclasses.replace(BEHIND, binding_id=NEW.id)


def service(*bindings):
    return brokered.service(status=Status.READY, bindings=bindings)


def stands(status, **changed):
    return dataclasses.replace(BEHIND, status=Deployed(status), **changed)


UNDER_WAY = ("pending", "running", "finishing", "deleting")


@pytest.mark.parametrize(
    ("bindings", "uses", "expected"),
    [
        ([OLD, dataclasses.replace(NEW, status=Status.CREATING)], [BEHIND], Next()),
        ([OLD, NEW], [BEHIND], Next(redeploy=BEHIND)),
        ([OLD, NEW], [AHEAD, BEHIND], Next(redeploy=BEHIND)),
        *(([OLD, NEW], [stands(status)], Next()) for status in UNDER_WAY),
        ([OLD, NEW], [stands("rolled_back")], Next(redeploy=stands("rolled_back"))),
        ([OLD, NEW], [AHEAD], Next(delete=(OLD.id,))),
        ([OLD, NEW], [], Next(delete=(OLD.id,))),
        ([dataclasses.replace(OLD, status=Status.DELETING), NEW], [AHEAD], Next()),
        ([NEW], [AHEAD], Next(done=True)),
        ([brokered.binding(3, status=Status.READY), NEW], [], Next(done=True)),
    ],
)
def test_what_is_due(bindings, uses, expected):
    assert due(ROTATION, service(*bindings), uses) == expected


def test_what_fails_it():
    fault = Fault("gateway.provider.timeout", "late")
    failed = dataclasses.replace(NEW, status=Status.REVERTING, fault=fault)
    assert due(ROTATION, service(OLD, failed), [BEHIND]).fault == fault
    assert due(ROTATION, service(OLD), [BEHIND]).fault.code == "gateway.binding.not_found"
    tried = stands(Deployed.ROLLED_BACK, request_id="req-1")
    found = due(ROTATION, service(OLD, NEW), [tried])
    assert found.fault.code == "gateway.service.not_rotated"
    assert "shop (d-1)" in found.fault.message


def test_what_credentials_are_called():
    found = variables({"MYSQL_URL": "mysql://", "host-name": "a", "1st": 5, "tls": {"on": True}}, "A_")
    assert found == {"A_MYSQL_URL": "mysql://", "A_host_name": "a", "A__1st": "5", "A_tls": '{"on": true}'}
