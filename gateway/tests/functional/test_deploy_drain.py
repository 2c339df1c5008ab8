"""An instance is drained while others serve: registry and store are real, on SQLite."""

# ruff: noqa: F401, F811  (pytest finds the fixtures by these names)
import dataclasses

import pytest

from gateway.deploy import rollout
from gateway.deploy.model import Update
from gateway.deploy.work import Work
from gateway.registry.model import Health, Registration, Status
from gateway.tests import deployed
from gateway.tests.functional.test_cloud_api import PROJECT, keystone, openstack, parts


@pytest.fixture
def work(parts):
    """Two instances that run; the second's is to be drained."""
    parts.conf.set_override("allowed_networks", ["10.9.0.0/24"], "registry")
    wanted = deployed.spec(replicas=2, update=Update(drain=0.25))
    made = deployed.deployment(wanted, project_id=PROJECT)
    parts.deployments.add(made, {"env": {}})
    for number in (0, 1):
        place = {"server_id": f"s-{number}", "address": f"10.9.0.{number}"}
        parts.deployments.set_target(made.id, number, **place)
        wanted = Registration("hello", "http", place["address"], 80, server_id=place["server_id"])
        wanted = dataclasses.replace(wanted, deployment_id=made.id)
        parts.registry.register(PROJECT, wanted, verify=False)
    return Work(parts.conf, parts.deployments, parts.sessions, parts.registry, made)


@pytest.mark.parametrize(
    ("health", "weight", "drained"),
    [
        (Health(Status.PASSING), 1, True),
        (Health(Status.WARNING, -1), 1, True),  # one slow answer: clients are sent there all the same
        (Health(Status.CRITICAL, -3, held=True), 1, True),
        (Health(Status.CRITICAL, -3), 1, False),
        (Health(Status.MAINTENANCE), 1, False),
        (Health(Status.PASSING), 0, False),
    ],
)
def test_it_gets_time_while_another_serves(work, health, weight, drained):
    work.registry.amend(PROJECT, "hello", 0, health=health, weight=weight)
    said = rollout.drain(work, 1)
    assert work.registry.instance(PROJECT, "hello", 1).weight == 0
    assert ("weight 0 for 0.25 s" in said) == drained, said
