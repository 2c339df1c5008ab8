"""Which servers are replaced: those that are down for long enough, unless too many are."""

import pytest

from gateway.deploy import heal
from gateway.deploy.model import Heal, Target
from gateway.registry.model import Check, Health, Instance, Status

TARGETS = [Target(number, f"s-{number}") for number in range(4)]


def instance(number, status=Status.PASSING, since=0.0):
    return Instance(
        project_id="p",
        type="hello",
        ordinal=number,
        proto="http",
        host="192.0.2.1",
        port=80,
        http_port=80,
        https_port=0,
        routes=(),
        check=Check(),
        health=Health(status, since=since),
        weight=1,
        signature="",
        server_id=f"s-{number}",
    )


def test_what_is_down():
    instances = [instance(0), instance(1, Status.CRITICAL, 50.0), instance(2, Status.WARNING, 60.0)]
    assert heal.down(TARGETS, instances) == {1: 50.0, 3: 0.0}


def test_a_replaced_servers_instance_is_told_by_its_server():
    assert heal.down([Target(0, "s-9")], [instance(0)]) == {0: 0.0}


@pytest.mark.parametrize(
    ("down", "most", "expected"),
    [
        ({}, 1, []),
        ({1: 40.0}, 1, [1]),
        ({1: 41.0}, 1, []),
        ({1: 40.0, 2: 99.0}, 1, []),
        ({1: 40.0, 2: 99.0}, 2, [1]),
        ({1: 30.0, 2: 20.0, 3: 99.0}, 3, [2, 1]),
    ],
)
def test_what_is_due(down, most, expected):
    assert heal.due(Heal(after=60.0, max_unhealthy=most), down, now=100.0) == expected
