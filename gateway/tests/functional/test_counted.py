"""What the engine, the fast path and gRPC count."""

# ruff: noqa: F401, F811  (pytest finds the fixtures by these names)
import time

import pytest

from gateway.deploy.model import Status
from gateway.registry import registry_pb2 as pb
from gateway.registry.model import Registration
from gateway.tests import counted, registered
from gateway.tests.functional.test_cloud_api import keystone, openstack, parts
from gateway.tests.functional.test_deploy_engine import asked_for, cloud, engine, store, until
from gateway.tests.functional.test_registry_api import READER, behind, conf, get, identity, up
from gateway.tests.functional.test_rpc import refused, serving, wanted

PATIENCE = 120  # seconds


@pytest.fixture
def counting(tmp_path):
    with counted.counting(tmp_path):
        yield


def test_steps_and_what_the_engine_did(counting, parts, store, cloud):
    cloud.status = "ERROR"
    id = asked_for(store)
    with engine(parts):
        until(lambda: store.deployment(id).status is Status.FAILED, PATIENCE)
    steps = "gateway_steps_total"
    for step, result in (("quota", "ok"), ("boot", "reverted"), ("active", "failed")):
        assert counted.total(steps, step=step, result=result) == 1, step
    assert counted.total("gateway_step_duration_seconds_count", step="active") == 1
    assert counted.total("gateway_flows_total", flow="create", result="failed") == 1
    assert counted.total("gateway_flows_total", flow="remove", result="ok") == 1
    assert counted.total("gateway_flow_duration_seconds_count", flow="create") == 1


def test_the_answers_of_the_fast_path(counting, behind, conf, up):
    application, _, _ = behind
    registered.registry(conf).register("a" * 32, Registration("web", "http", "127.0.0.1", up.port))
    best = "/registry/service/types/web/best"
    assert [get(application, best, READER) for _ in range(6)] == [200] * 6
    labels = {"method": "GET", "route": "/registry/service/types/{type}/best"}
    deadline = time.monotonic() + PATIENCE
    while counted.total("gateway_http_requests_total", status="200", **labels) < 6:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert counted.total("gateway_http_requests_total", status="200", **labels) == 6
    name = "gateway_http_request_duration_seconds"
    assert (
        counted.total(f"{name}_count", **labels) == counted.total(f"{name}_bucket", le="+Inf", **labels) == 6
    )


def test_calls_by_grpc(counting, serving, up):
    assert serving.call("Register", wanted(up)).message == "OK"
    serving.call("BestInstance", pb.ServiceType(type="my-auth"))
    refused(serving, "BestInstance", pb.ServiceType(type="my-auth"), token=None)
    for method, result in (("Register", "OK"), ("BestInstance", "OK"), ("BestInstance", "UNAUTHENTICATED")):
        assert counted.total("gateway_rpc_calls_total", method=method, result=result) == 1, (method, result)
