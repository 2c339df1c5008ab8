"""Dead servers by Nova's word: what begins, and what does not. Nova answers from requests-mock."""

# ruff: noqa: F401, F811  (pytest finds the fixtures by these names)
import threading

import pytest

from gateway import errors
from gateway.deploy.heal import Healer
from gateway.deploy.model import Aim, Heal, Status
from gateway.registry.model import Health, Registration
from gateway.registry.model import Status as HealthStatus
from gateway.tests import deployed
from gateway.tests.functional.test_cloud_api import NOVA, PROJECT, keystone, openstack, parts

SERVERS = ("10.9.0.1", "10.9.0.2")


@pytest.fixture
def healer(parts):
    parts.conf.set_override("allowed_networks", ["10.9.0.0/24"], "registry")
    return Healer(parts.conf, parts.deployments, parts.sessions, parts.registry)


@pytest.fixture
def settled(parts):
    return settle(parts, Heal(after=60.0))


def settle(parts, wanted):
    """Two instances that run; the first has been critical for a long time."""
    store, registry = parts.deployments, parts.registry
    made = deployed.deployment(
        deployed.spec(replicas=2, heal=wanted),
        project_id=PROJECT,
        status=Status.FINISHING,
    )
    store.add(made, {"env": {}})
    for number, host in enumerate(SERVERS):
        server_id = f"00000000-0000-4000-8000-00000000000{number}"
        store.set_target(made.id, number, server_id=server_id, server_name=f"hello-{number}", address=host)
        wanted = Registration("hello", "http", host, 80, deployment_id=made.id, server_id=server_id)
        registry.register(PROJECT, wanted, verify=False)
    registry.amend(PROJECT, "hello", 0, health=Health(HealthStatus.CRITICAL, since=1.0))
    store.succeed(made.id, 5)
    return made.id


def heal(parts, healer, id):
    """An hour after it was deployed."""
    deployment = parts.deployments.deployment(id)
    healer._heal(deployment, deployment.updated_at + 3600)
    return parts.deployments.deployment(id)


def nova_says(openstack, status, http=200):
    raw = {
        "id": "00000000-0000-4000-8000-000000000000",
        "name": "hello-0",
        "status": status,
        "tenant_id": PROJECT,
        "flavor": {"original_name": "m1.nano", "vcpus": 1, "ram": 256, "disk": 2},
        "image": "",
        "metadata": {},
    }
    openstack.get(f"{NOVA}/servers/{raw['id']}", status_code=http, json={"server": raw})
    openstack.get(f"{NOVA}/servers/detail", json={"servers": []})


@pytest.mark.parametrize(("status", "http"), [("SHUTOFF", 200), ("ERROR", 200), ("", 404)])
def test_a_dead_server_is_replaced(parts, healer, settled, openstack, status, http):
    nova_says(openstack, status, http)
    found = heal(parts, healer, settled)
    assert (found.status, found.release.number, found.before.number) == ("pending", 1, 1)
    assert [t.aim for t in found.targets] == [Aim.REPLACE, Aim.KEEP]
    assert [s.name for s in found.steps][:3] == ["security_group", "replace", "boot"]
    assert {s.target for s in found.steps} == {None, 0}
    assert found.request_id.startswith("req-")
    assert any("hello-0 is" in line.text for line in parts.deployments.read_log(settled))


@pytest.mark.parametrize(("status", "http"), [("ACTIVE", 200), ("REBOOT", 200)])
def test_a_server_that_lives_is_not(parts, healer, settled, openstack, status, http):
    nova_says(openstack, status, http)
    assert heal(parts, healer, settled).status == "succeeded"


def test_nothing_is_replaced_while_nova_does_not_answer(parts, healer, settled, openstack):
    nova_says(openstack, "", 503)
    with pytest.raises(errors.Unavailable):
        heal(parts, healer, settled)
    assert parts.deployments.status(settled) == "succeeded"


def test_nothing_is_replaced_while_too_many_are_down(parts, healer, settled, openstack):
    nova_says(openstack, "SHUTOFF")
    parts.registry.amend(PROJECT, "hello", 1, health=Health(HealthStatus.CRITICAL, since=2.0))
    assert heal(parts, healer, settled).status == "succeeded"


def test_a_try_that_failed_is_not_made_again_at_once(parts, healer, settled, openstack):
    nova_says(openstack, "SHUTOFF")
    deployment = parts.deployments.deployment(settled)
    healer._heal(deployment, deployment.updated_at + 59)
    assert parts.deployments.status(settled) == "succeeded"


@pytest.mark.parametrize("down", ["critical", "missing", "nobody"])
def test_a_look_finds_those_of_which_one_is_down(parts, healer, openstack, down):
    id = settle(parts, Heal(after=0.001))
    nova_says(openstack, "SHUTOFF")
    if down == "nobody":
        parts.registry.amend(PROJECT, "hello", 0, health=Health(HealthStatus.PASSING, since=2.0))
    elif down == "missing":
        parts.registry.deregister(PROJECT, "hello", 0)
    healer.look(threading.Event())
    assert parts.deployments.status(id) == ("succeeded" if down == "nobody" else "pending")
