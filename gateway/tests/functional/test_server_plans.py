"""Services on servers of their own, through the whole WSGI pipeline: OpenStack answers from requests-mock,
and the deployments end as the test says. That such a server comes up and goes is in features/guests."""

# ruff: noqa: F401, F811  (pytest finds the fixtures by these names)
import threading

import pytest

from gateway.api import osb_catalog
from gateway.binding.server import OnServers
from gateway.broker.broker import Broker
from gateway.broker.model import on_server
from gateway.broker.roll import Roll
from gateway.deploy.model import Artifact, Fault
from gateway.deploy.model import Status as Deployed
from gateway.tests.functional.test_binding import settle, until
from gateway.tests.functional.test_cloud_api import (
    KEYSTONE,
    PROJECT,
    call,
    error_of,
    keystone,
    openstack,
    parts,
)
from gateway.tests.functional.test_deploy_api import NEW, refusal, trusts

PLAN = {
    "server": NEW,
    "command": "redis-server --port $PORT --requirepass $PASSWORD",
    "port": 6379,
    "health": {"kind": "tcp"},
    "credentials": {"REDIS_URL": "redis://default:{password}@{host}:{port}/0"},
}
ADMIN = "admin+member+reader"


@pytest.fixture
def gateway(parts):
    parts.conf.set_override("poll_interval", 0.05, "engine")
    parts.conf.set_override("answer_timeout", 0.1, "broker")
    stop = threading.Event()
    drivers = {"server": OnServers(parts.deployments)}
    broker = Broker(parts.conf, parts.broker, Roll(parts.conf, parts.registry), drivers)
    thread = threading.Thread(target=broker.run, args=(stop,), daemon=True)
    thread.start()
    yield parts
    stop.set()
    thread.join(60)
    assert not thread.is_alive()


def attach(call, roles=ADMIN, **changed):
    provider = {"name": "own", "type": "server", "service": "redis", "plans": {"small": PLAN | changed}}
    return call("POST", "/v1/providers", {"provider": provider}, roles)


def have(call, roles="member+reader"):
    return call(
        "POST", "/v1/services", {"service": {"type": "redis", "plan": "small", "name": "mine"}}, roles
    )


def shown(call):
    return call("GET", "/v1/services/mine").json.get("service")


def deployment(parts, service):
    return parts.deployments.live(PROJECT, on_server(service["id"]))


@pytest.mark.parametrize(
    ("changed", "code", "field"),
    [
        ({"server": {"ids": ["web"]}}, "gateway.request.invalid", ".server"),
        ({"server": {"flavor": "m1.nano"}}, "gateway.request.invalid", ".server"),
        ({"port": 0}, "gateway.request.invalid", ".port"),
        ({"replicas": 2}, "gateway.request.invalid", ""),
        ({"secrets": {"A": "b"}}, "gateway.request.invalid", ""),
        ({"env": {"PASSWORD": "mine"}}, "gateway.request.invalid", ".env"),
        ({"credentials": {}}, "gateway.request.invalid", ".credentials"),
        ({"credentials": {"A-B": "x"}}, "gateway.request.invalid", ".credentials"),
        *(
            ({"credentials": {"URL": text}}, "gateway.request.invalid", ".credentials.URL")
            for text in ("{user}", "{}", "{host.x}", "{host!r}", "{port:x}", "{host", "}")
        ),
        ({"artifact": "0b9e6d0e-0000-4000-8000-000000000000"}, "gateway.artifact.not_found", ".artifact"),
    ],
)
def test_plans_that_are_none(call, parts, changed, code, field):
    assert refusal(attach(call, **changed)) == (400, code, f"provider.plans.small{field}")
    assert parts.broker.providers() == []


def test_what_such_a_provider_has_not(call, parts):
    provider = {"name": "own", "type": "server", "service": "redis", "plans": {"small": PLAN}}
    for member, value in (("host", "192.0.2.1"), ("username", "me"), ("url", "http://192.0.2.1")):
        response = call("POST", "/v1/providers", {"provider": provider | {member: value}}, ADMIN)
        assert refusal(response) == (400, "gateway.request.invalid", f"provider.{member}")


def test_made_told_and_deleted(call, gateway, trusts):
    content = Artifact("0b9e6d0e-0000-4000-8000-000000000001", PROJECT, "a" * 64, 5, 1.0)
    gateway.deployments.add_artifact(content)
    made = attach(call, artifact=content.id)
    assert made.status_int == 201, made.text
    assert made.json["provider"]["plans"]["small"]["command"] == PLAN["command"]
    assert "plans" in call("GET", "/v1/providers/own").json["provider"]
    assert PLAN["command"] not in call("GET", "/v1/providers/own").text
    answer = have(call)
    assert answer.status_int == 202, answer.text
    service = answer.json["service"]
    assert (service["status"], service["credentials"]) == ("creating", None)
    found = deployment(gateway, service)
    assert service["deployment"] == {"id": found.id, "status": "pending", "step": None}
    assert (found.trust_id, found.spec.artifact) == ("trust-made", content.id)
    password = gateway.deployments.secrets(found.id, 1)["env"]["PASSWORD"]
    gateway.deployments.set_target(found.id, 0, address="198.51.100.7")
    settle(gateway, found.id)
    until(lambda: shown(call)["status"] == "ready")
    url = f"redis://default:{password}@198.51.100.7:6379/0"
    assert shown(call)["credentials"] == {"REDIS_URL": url}
    for method, path in (("POST", "bindings"), ("POST", "rotate")):
        refused = call(method, f"/v1/services/mine/{path}", {})
        assert refusal(refused)[:2] == (409, "gateway.binding.only_one")
    assert refusal(call("DELETE", f"/v1/deployments/{found.id}"))[:2] == (
        409,
        "gateway.deployment.of_service",
    )
    assert refusal(call("PUT", "/v1/services/mine", {"service": {"plan": "big"}}))[0] == 400
    assert call("DELETE", "/v1/services/mine").status_int == 202
    until(lambda: gateway.deployments.status(found.id) is Deployed.DELETING)
    gateway.deployments.remove(found.id)
    until(lambda: shown(call) is None)


def test_one_that_fails(call, gateway, trusts):
    attach(call)
    found = deployment(gateway, have(call).json["service"])
    gateway.deployments.move(found.id, Deployed.RUNNING, [Deployed.PENDING])
    gateway.deployments.set_fault(found.id, Fault("boot", 0, "gateway.server.failed", "No valid host."))
    gateway.deployments.move(found.id, Deployed.REVERTING, [Deployed.RUNNING])
    gateway.deployments.fail(found.id)
    until(lambda: shown(call)["status"] == "failed")
    fault = shown(call)["fault"]
    assert fault["code"] == "gateway.server.failed"
    assert f"deployment {found.id}, step boot" in fault["message"]
    assert call("DELETE", "/v1/services/mine").status_int == 204


def test_a_token_that_gives_no_trust(call, gateway, openstack):
    openstack.post(f"{KEYSTONE}/OS-TRUST/trusts", status_code=403, json={"error": {"message": "no"}})
    attach(call)
    assert refusal(have(call))[:2] == (403, "gateway.trust.refused")
    assert shown(call) is None
    assert gateway.deployments.deployments(PROJECT, 9) == []


def test_a_plan_that_does_not_go_here(call, gateway, trusts):
    attach(call, server=NEW | {"flavor": "huge"})
    answer = have(call)
    assert (answer.status_int, error_of(answer)["code"]) == (502, "gateway.provider.plan")
    assert "huge" in error_of(answer)["detail"]
    assert not trusts.called


def test_for_a_platform(call, gateway, trusts):
    attach(call)
    version = {"X-Broker-API-Version": "2.17"}
    ids = {"service_id": osb_catalog.service_id("redis"), "plan_id": osb_catalog.plan_id("redis", "small")}
    wanted = ids | {"organization_guid": "o", "space_guid": "s"}
    instance, waits = "/osb/v2/service_instances/an-instance", "?accepts_incomplete=true"
    assert call("PUT", instance, wanted, **version).json["error"] == "AsyncRequired"
    assert call("PUT", instance + waits, wanted, **version).status_int == 202
    (service,) = gateway.broker.services(PROJECT)
    found = gateway.deployments.live(PROJECT, on_server(service.id))
    gateway.deployments.set_target(found.id, 0, address="198.51.100.7")
    settle(gateway, found.id)
    until(lambda: call("GET", instance, **version).status_int == 200)
    binding = f"{instance}/service_bindings/one"
    assert call("PUT", binding + waits, ids, **version).status_int in (201, 202)
    until(lambda: call("GET", binding, **version).status_int == 200)
    password = gateway.deployments.secrets(found.id, 1)["env"]["PASSWORD"]
    url = f"redis://default:{password}@198.51.100.7:6379/0"
    assert call("GET", binding, **version).json["credentials"]["REDIS_URL"] == url
