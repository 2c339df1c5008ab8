import pytest

from gateway.deploy import rollout
from gateway.registry.model import Check, Kind
from gateway.tests import deployed


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (None, "/health"),
        (Kind.HTTP, "/health"),
        (Kind.HTTPS, "/health"),
        (Kind.TCP, "port 8080"),
        (Kind.GRPC, "its gRPC health"),
        (Kind.SSH, "the check's command"),
    ],
)
def test_what_a_check_asks_is_named(kind, named):
    wanted = deployed.spec(health=Check(path="/health", kind=kind))
    assert rollout._asked(deployed.release(wanted)) == named
