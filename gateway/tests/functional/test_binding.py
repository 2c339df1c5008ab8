"""Deployments that bind services, through the whole WSGI pipeline, on a real Redis; OpenStack answers from
requests-mock. That a service gets its credentials, and new ones under load, is in features/guests."""

# ruff: noqa: F401, F811  (pytest finds the fixtures by these names)
import contextlib
import threading
import time

import pytest
import redis

from gateway.binding.rotation import Rotator
from gateway.broker.broker import Broker
from gateway.broker.model import Status
from gateway.broker.roll import Roll
from gateway.deploy.model import Status as Deployed
from gateway.tests import brokered
from gateway.tests.functional.test_broker import PATIENCE, pytestmark, server
from gateway.tests.functional.test_cloud_api import PROJECT, call, error_of, keystone, openstack, parts
from gateway.tests.functional.test_deploy_api import deploy, refusal, trusts


@pytest.fixture
def gateway(parts, server):
    """The broker and the rotations are worked on, as in the daemon's engine; a provider is attached."""
    parts.conf.set_override("allowed_networks", ["127.0.0.0/8"], "broker")
    parts.conf.set_override("poll_interval", 0.05, "engine")
    parts.broker.add_provider(brokered.provider_on(server))
    stop = threading.Event()
    broker = Broker(parts.conf, parts.broker, Roll(parts.conf, parts.registry))
    roles = (broker, Rotator(parts.conf, parts.broker, parts.deployments))
    threads = [threading.Thread(target=each.run, args=(stop,), daemon=True) for each in roles]
    for thread in threads:
        thread.start()
    yield parts
    stop.set()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.fixture
def shop(call, gateway, trusts):
    """A service, "cache", and its credentials."""
    return have(call, "cache")


def have(call, name):
    response = call("POST", "/v1/services", {"service": {"type": "redis", "plan": "free", "name": name}})
    assert response.status_int == 201, response.text
    return response.json["service"]["credentials"]


def settle(parts, id, to=Deployed.SUCCEEDED):
    """As the engine does at the end."""
    parts.deployments.move(id, Deployed.RUNNING, [Deployed.PENDING])
    if to is Deployed.SUCCEEDED:
        parts.deployments.move(id, Deployed.FINISHING, [Deployed.RUNNING])
        parts.deployments.succeed(id, 5)
    else:
        parts.deployments.move(id, Deployed.REVERTING, [Deployed.RUNNING])
        parts.deployments.roll_back(id)


def deployed(call, parts, **changed):
    response = deploy(call, bind=["cache"], **changed)
    assert response.status_int == 202, response.text
    settle(parts, response.json["deployment"]["id"])
    return response.json["deployment"]


def until(look):
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def shown(call):
    return call("GET", "/v1/services/cache").json["service"]


def logs_in(credentials):
    with contextlib.closing(redis.Redis.from_url(credentials["REDIS_URL"])) as client:
        try:
            return client.ping()
        except redis.AuthenticationError:
            return False


def test_the_credentials_are_secrets_of_the_release(call, gateway, shop):
    have(call, "other")
    made = deployed(call, gateway, secrets={"KEY": "mine"})
    both = deploy(
        call, bind=["cache", {"service": "other", "prefix": "OTHER_"}], service="both", version="2"
    ).json["deployment"]
    assert gateway.deployments.secrets(made["id"], 1) == {"env": {"KEY": "mine"}, "bound": shop}
    assert set(gateway.deployments.secrets(both["id"], 1)["bound"]) == {
        *("REDIS_URL", "REDIS_PREFIX"),
        *("OTHER_REDIS_URL", "OTHER_REDIS_PREFIX"),
    }
    password = shop["REDIS_URL"].split(":")[2].partition("@")[0]
    answer = call("GET", f"/v1/deployments/{made['id']}")
    assert password not in answer.text
    [bound] = answer.json["deployment"]["spec"]["bind"]
    assert (bound["service"], bound["prefix"]) == ("cache", "")
    assert bound["binding_id"] in shop["REDIS_URL"]
    seen = {each["service"]: each["binding"] for each in shown(call)["deployments"]}
    assert seen == {"hello": bound["binding_id"], "both": bound["binding_id"]}


@pytest.mark.parametrize(
    ("changed", "status", "code", "field"),
    [
        ({"bind": ["nowhere"]}, 400, "gateway.service.not_found", "bind"),
        ({"bind": ["cache", {"service": "cache", "prefix": "A_"}]}, 400, "gateway.deployment.bind", "bind"),
        ({"bind": ["broken"]}, 409, "gateway.deployment.bind_not_ready", "bind"),
        ({"bind": ["cache", "other"]}, 400, "gateway.deployment.bind_clash", "bind"),
        (
            {"bind": ["cache"], "env": {"REDIS_URL": "x"}},
            400,
            "gateway.deployment.bind_clash",
            "bind",
        ),
        (
            {"bind": ["cache"], "secrets": {"REDIS_PREFIX": "x"}},
            400,
            "gateway.deployment.bind_clash",
            "bind",
        ),
        ({"bind": "cache"}, 400, "gateway.request.invalid", "bind"),
        ({"bind": [5]}, 400, "gateway.request.invalid", "bind.0"),
        ({"bind": [{"prefix": "A_"}]}, 400, "gateway.request.invalid", "bind.0"),
        (
            {"bind": [{"service": "cache", "prefix": "1-"}]},
            400,
            "gateway.request.invalid",
            "bind.0.prefix",
        ),
        ({"bind": [{"service": "cache", "as": "A"}]}, 400, "gateway.request.invalid", "bind.0"),
    ],
)
def test_what_cannot_be_bound(call, gateway, shop, trusts, changed, status, code, field):
    have(call, "other")
    failed = {"status": Status.FAILED, "updated_at": time.time()}  # nobody works on it any more
    gateway.broker.add(brokered.service(9, name="broken", project_id=PROJECT, **failed), 9)
    gateway.broker.add(brokered.service(8, name="nowhere", project_id="another"), 9)
    assert refusal(deploy(call, **changed)) == (status, code, f"deployment.{field}")
    assert gateway.deployments.deployments(PROJECT, 10) == []
    assert not trusts.called


def test_what_is_bound_stays(call, gateway, shop):
    made = deployed(call, gateway)
    [binding] = {each["binding"] for each in shown(call)["deployments"]}
    for url, code in (
        ("/v1/services/cache", "gateway.service.in_use"),
        (f"/v1/services/cache/bindings/{binding}", "gateway.binding.in_use"),
    ):
        response = call("DELETE", url)
        assert (response.status_int, error_of(response)["code"]) == (409, code)
        assert f"hello ({made['id']})" in error_of(response)["detail"]
    assert logs_in(shop)
    assert deploy(call, version="2").status_int == 202  # binds nothing any more
    assert call("DELETE", "/v1/services/cache").status_int == 409  # and may yet be taken back
    settle(gateway, made["id"])
    assert call("DELETE", "/v1/services/cache").status_int == 204


def test_a_service_that_goes_meanwhile_is_not_bound(call, gateway, shop, monkeypatch):
    """Between the look at it and the deployment's own row."""
    sessions = gateway.sessions
    create_trust = sessions.create_trust

    def slowly(*arguments):
        gateway.broker.delete(gateway.broker.service(PROJECT, "cache"))
        return create_trust(*arguments)

    deleted = []
    monkeypatch.setattr(sessions, "create_trust", slowly)
    monkeypatch.setattr(sessions, "delete_trust", deleted.append)
    assert refusal(deploy(call, bind=["cache"]))[:2] == (409, "gateway.service.busy")
    assert gateway.deployments.deployments(PROJECT, 10) == []
    assert deleted == ["trust-made"]


def test_a_rotation(call, gateway, shop):
    made = deployed(call, gateway)
    answer = call("POST", "/v1/services/cache/rotate", {})
    assert answer.status_int == 202
    assert answer.headers["Location"].endswith("/v1/services/cache")
    new = answer.json["service"]["credentials"]
    until(lambda: gateway.deployments.status(made["id"]) is Deployed.PENDING)
    assert new != shop
    assert logs_in(new)
    assert logs_in(shop)
    found = gateway.deployments.deployment(made["id"])
    assert (found.release.number, found.release.folder) == (2, "1.0.0-2")
    assert found.request_id == answer.json["service"]["rotation"]["request_id"]
    assert gateway.deployments.secrets(made["id"], 2) == {"env": {}, "bound": new}
    assert refusal(call("POST", "/v1/services/cache/rotate", {}))[:2] == (409, "gateway.service.rotating")
    settle(gateway, made["id"])
    rotation = until(lambda: (r := shown(call)["rotation"])["status"] != "running" and r)
    assert rotation["status"] == "succeeded"
    assert logs_in(new)
    assert not logs_in(shop)
    back = call("POST", f"/v1/deployments/{made['id']}/rollback", {"release": 1})
    assert back.status_int == 202  # the old release, with the credentials of today
    assert back.json["deployment"]["releases"][0]["folder"] == "1.0.0-3"
    assert gateway.deployments.secrets(made["id"], 3)["bound"] == new


def test_a_rotation_that_is_taken_back(call, gateway, shop):
    made = deployed(call, gateway)
    call("POST", "/v1/services/cache/rotate", {})
    until(lambda: gateway.deployments.status(made["id"]) is Deployed.PENDING)
    settle(gateway, made["id"], Deployed.ROLLED_BACK)
    rotation = until(lambda: (r := shown(call)["rotation"])["status"] != "running" and r)
    assert (rotation["status"], rotation["fault"]["code"]) == ("failed", "gateway.service.not_rotated")
    assert logs_in(shop)
    assert logs_in(shown(call)["credentials"])
    [use] = shown(call)["deployments"]
    assert use["binding"] in rotation["replaces"]
    call("POST", "/v1/services/cache/rotate", {})  # goes on with the same successor
    until(lambda: gateway.deployments.status(made["id"]) is Deployed.PENDING)
    settle(gateway, made["id"])
    again = until(lambda: (r := shown(call)["rotation"])["status"] != "running" and r)
    assert (again["status"], again["successor"]) == ("succeeded", rotation["successor"])
    assert not logs_in(shop)


def test_a_rotation_of_what_nothing_binds(call, gateway, shop):
    answer = call("POST", "/v1/services/cache/rotate", {})
    assert answer.status_int == 200, answer.text
    assert answer.json["service"]["rotation"]["status"] == "succeeded"
    assert logs_in(answer.json["service"]["credentials"])
    assert not logs_in(shop)
    assert call("POST", "/v1/services/cache/rotate", {}, roles="reader").status_int == 403
    assert call("POST", "/v1/services/nowhere/rotate", {}).status_int == 404
