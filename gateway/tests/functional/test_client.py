"""gateway.client against a real HTTP server and a Keystone of keystoneauth's fixtures."""

import io
import logging
import socket

import pytest
from keystoneauth1 import identity, session

from gateway.client import ApiError, Gateway
from gateway.tests import url_table
from gateway.tests.functional import client_stub


@pytest.fixture
def api():
    with client_stub.StubApi().serving() as stub:
        yield stub


def a_session(timeout=5.0):
    auth = identity.V3Password(
        client_stub.AUTH_URL,
        username="demo",
        password="secret",
        user_domain_id="default",
        project_name="demo",
        project_domain_id="default",
    )
    return session.Session(auth=auth, timeout=timeout)


@pytest.fixture
def gateway(api):
    with client_stub.keystone(api.url):
        yield Gateway(a_session())


def test_it_is_found_in_the_catalogue_and_gets_the_token(api, gateway):
    api.on("GET", "/v1/flavors/m1.tiny", (200, {"flavor": {"id": "1", "name": "m1.tiny"}}))
    assert gateway.flavor("m1.tiny") == {"id": "1", "name": "m1.tiny"}
    assert [asked.path for asked in api.asked] == ["/v1/flavors/m1.tiny"]  # no discovery
    assert api.asked[0].headers["X-Auth-Token"] == client_stub.TOKEN


def test_lists_follow_their_pages_and_stay_with_the_host(api, gateway):
    # behind a proxy, the daemon may name itself wrongly
    following = [{"rel": "next", "href": "http://inner.test/v1/images?limit=2&marker=b%26"}]
    api.on("GET", "/v1/images", (200, {"images": [{"id": "a"}, {"id": "b&"}], "images_links": following}))
    api.on("GET", "/v1/images?limit=2&marker=b%26", (200, {"images": [{"id": "c"}]}))
    assert [image["id"] for image in gateway.images()] == ["a", "b&", "c"]


def test_an_artifact_is_streamed_with_its_type_and_length(api, gateway):
    api.on("POST", "/v1/artifacts", (201, {"artifact": {"id": "a1", "sha256": "00", "size": 4}}))
    assert gateway.create_artifact(io.BytesIO(b"data"))["id"] == "a1"
    assert api.asked[0].body == b"data"
    assert api.asked[0].headers["Content-Type"] == "application/gzip"
    assert api.asked[0].headers["Content-Length"] == "4"


def test_names_cannot_leave_their_place_in_the_url(api, gateway):
    with pytest.raises(ApiError):
        gateway.server("a/../../x?y")
    assert api.asked[0].path == "/v1/servers/a%2F..%2F..%2Fx%3Fy"


def test_an_error_of_the_api_is_told_with_all_its_parts(api, gateway):
    body = client_stub.error(503, "gateway.registry.none_passing", "No instance passes.", field="type")
    api.on("GET", "/registry/service/types/hello/best", (503, body, {"Retry-After": "7"}))
    with pytest.raises(ApiError) as raised:
        gateway.best_instance("hello")
    error = raised.value
    assert (error.status, error.code, error.detail) == (
        503,
        "gateway.registry.none_passing",
        "No instance passes.",
    )
    assert (error.request_id, error.field, error.retry_after) == ("req-1", "type", 7)


@pytest.mark.parametrize(
    ("answer", "code", "detail"),
    [
        ((502, b"<html>Bad Gateway</html>"), "client.http", "answered 502"),
        ((200, b"<html>Horizon</html>"), "client.not_a_gateway", "Is it the gateway's URL?"),
        ((200, b"[1]"), "client.not_a_gateway", "Is it the gateway's URL?"),
    ],
)
def test_answers_that_are_not_the_gateways(api, gateway, answer, code, detail):
    api.on("GET", "/v1/flavors", answer)
    with pytest.raises(ApiError) as raised:
        gateway.flavors()
    assert raised.value.code == code
    assert detail in raised.value.detail


def test_a_refused_connection_is_one_clear_sentence():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with client_stub.keystone(None), pytest.raises(ApiError) as raised:
            Gateway(a_session(), endpoint=url).flavors()
    assert raised.value.detail == f"Cannot reach {url}: connection refused."


def test_a_gateway_that_does_not_answer_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        hurried = a_session(timeout=0.05)
        with client_stub.keystone(None), pytest.raises(ApiError) as raised:
            Gateway(hurried, endpoint=url).flavors()
    assert raised.value.detail == f"Cannot reach {url}: no answer in time."


def test_a_catalogue_without_a_gateway():
    with client_stub.keystone(None), pytest.raises(ApiError) as raised:
        Gateway(a_session()).flavors()
    assert raised.value.code == "client.no_endpoint"


def test_credentials_that_keystone_refuses():
    with client_stub.keystone(None) as keystone:
        keystone.post(f"{client_stub.AUTH_URL}/auth/tokens", status_code=401)
        with pytest.raises(ApiError) as raised:
            Gateway(a_session()).flavors()
    assert (raised.value.code, raised.value.status) == ("client.unauthorized", 401)


def test_neither_tokens_nor_secrets_reach_the_log(api, gateway, caplog):
    caplog.set_level(logging.DEBUG)
    api.on("POST", "/v1/deployments", (202, {"deployment": {"id": "d1"}}))
    api.on("GET", "/v1/flavors", (200, {"flavors": []}))
    gateway.create_deployment({"service": "hello", "secrets": {"API_KEY": "planted-secret"}})
    api.on("GET", "/v1/services/shop", (200, {"service": {"credentials": {"MYSQL_URL": "planted-secret"}}}))
    gateway.service("shop")
    gateway.flavors()
    assert "/v1/flavors" in caplog.text
    assert "planted-secret" not in caplog.text
    assert client_stub.TOKEN not in caplog.text


def test_a_call_that_may_be_made_again_has_its_key(api, gateway):
    api.on("POST", "/v1/deployments", (202, {"deployment": {"id": "d1"}}))
    gateway.create_deployment({"service": "hello"}, idempotency_key="k-1")
    assert api.asked[0].headers["Idempotency-Key"] == "k-1"


def test_events_go_on_behind_the_last_one_until_patience_ends(api, gateway, monkeypatch):
    monkeypatch.setattr("gateway.client.http._RETRY", 0.01)
    stream = b'id: 8\nevent: status\ndata: {"at": "", "status": "running"}\n\nid: 9\nevent: st'
    kind = {"Content-Type": "text/event-stream"}
    away = 503, client_stub.error(503, "gateway.x")
    api.on("GET", "/v1/deployments/d/log?follow=true", (200, stream, kind), away)
    coming = gateway.follow_deployment_log("d", after=7, patience=0)
    assert next(coming) == ("status", {"id": 8, "at": "", "status": "running"})
    with pytest.raises(ApiError) as caught:
        next(coming)
    assert caught.value.is_away
    assert [asked.headers["Last-Event-ID"] for asked in api.asked] == ["7", "8"]


CALLS = {
    "GET /": lambda g: g.versions(),
    "GET /v1": lambda g: g.version(),
    "GET /v1/openapi.json": lambda gateway: gateway.openapi(),
    "GET /healthcheck": lambda g: g.is_healthy(),
    "GET /v1/flavors": lambda g: g.flavors(),
    "GET /v1/flavors/{flavor}": lambda g: g.flavor("{flavor}"),
    "GET /v1/images": lambda g: g.images(),
    "GET /v1/images/{image}": lambda g: g.image("{image}"),
    "GET /v1/networks": lambda g: g.networks(),
    "GET /v1/networks/{network}": lambda g: g.network("{network}"),
    "GET /v1/launch-options": lambda g: g.launch_options(),
    "GET /v1/servers": lambda g: g.servers(),
    "POST /v1/servers": lambda g: g.create_servers({}),
    "GET /v1/servers/{server}": lambda g: g.server("{server}"),
    "DELETE /v1/servers/{server}": lambda g: g.delete_server("{server}"),
    "POST /v1/artifacts": lambda g: g.create_artifact(io.BytesIO(b"x")),
    "GET /v1/deployments": lambda g: g.deployments(),
    "POST /v1/deployments": lambda g: g.create_deployment({}),
    "GET /v1/deployments/{deployment}": lambda g: g.deployment("{deployment}"),
    "DELETE /v1/deployments/{deployment}": lambda g: g.delete_deployment("{deployment}"),
    "POST /v1/deployments/{deployment}/cancel": lambda g: g.cancel_deployment("{deployment}"),
    "POST /v1/deployments/{deployment}/rollback": lambda g: g.roll_back_deployment("{deployment}"),
    "GET /v1/deployments/{deployment}/log": lambda g: g.deployment_log("{deployment}"),
    "GET /v1/deployments/{deployment}/journal": lambda g: g.journal("{deployment}"),
    "GET /v1/providers": lambda gateway: gateway.providers(),
    "POST /v1/providers": lambda gateway: gateway.create_provider({}),
    "GET /v1/providers/{provider}": lambda gateway: gateway.provider("{provider}"),
    "PUT /v1/providers/{provider}": lambda gateway: gateway.replace_provider("{provider}", {}),
    "DELETE /v1/providers/{provider}": lambda gateway: gateway.delete_provider("{provider}"),
    "GET /v1/services": lambda gateway: gateway.services(),
    "POST /v1/services": lambda gateway: gateway.create_service({}),
    "GET /v1/services/{service}": lambda gateway: gateway.service("{service}"),
    "PUT /v1/services/{service}": lambda gateway: gateway.update_service("{service}", "big"),
    "DELETE /v1/services/{service}": lambda gateway: gateway.delete_service("{service}"),
    "POST /v1/services/{service}/rotate": lambda gateway: gateway.rotate_service("{service}"),
    "GET /v1/services/{service}/bindings": lambda gateway: gateway.bindings("{service}"),
    "POST /v1/services/{service}/bindings": lambda gateway: gateway.create_binding("{service}"),
    "GET /v1/services/{service}/bindings/{binding}": lambda gateway: gateway.binding(
        "{service}", "{binding}"
    ),
    "DELETE /v1/services/{service}/bindings/{binding}": lambda gateway: gateway.delete_binding(
        "{service}", "{binding}"
    ),
    "GET /registry/health": lambda g: g.registry_health(),
    "GET /registry/.well-known/jwks.json": lambda g: g.signing_keys(),
    "GET /registry/facades/http_sd": lambda g: g.prometheus_targets(),
    "POST /registry/tokens": lambda g: g.sign("web", port=80),
    "GET /registry/changes": lambda g: g.changes(),
    "GET /registry/subscriptions": lambda g: g.subscriptions(),
    "POST /registry/subscriptions": lambda g: g.create_subscription("http://192.0.2.1/"),
    "GET /registry/subscriptions/{subscription}": lambda g: g.subscription("{subscription}"),
    "DELETE /registry/subscriptions/{subscription}": lambda g: g.delete_subscription("{subscription}"),
    "GET /registry/subscriptions/{subscription}/deliveries": lambda g: g.deliveries("{subscription}"),
    "POST /registry/subscriptions/{subscription}/deliveries/resend": lambda g: g.resend_deliveries(
        "{subscription}"
    ),
    "POST /registry/subscriptions/{subscription}/deliveries/{index}/resend": lambda g: g.resend_delivery(
        "{subscription}", "{index}"
    ),
    "GET /registry/service/types": lambda g: g.service_types(),
    "GET /registry/service/types/{type}": lambda g: g.instances("{type}"),
    "GET /registry/service/types/{type}/best": lambda g: g.best_instance("{type}"),
    "GET /registry/service/types/{type}/{index}": lambda g: g.instance_by_index("{type}", "{index}"),
    "GET /registry/service/{instance}": lambda g: g.instance("{instance}"),
    "PUT /registry/service/{instance}": lambda g: g.replace_instance("{instance}", {}),
    "PATCH /registry/service/{instance}": lambda g: g.update_instance("{instance}", {}),
    "DELETE /registry/service/{instance}": lambda g: g.remove_instance("{instance}"),
    "PUT /registry/service/{instance}/maintenance": lambda g: g.set_maintenance("{instance}", True, "x"),
    "GET /registry/service": lambda g: g.find_instances(),
    "POST /registry/service": lambda g: g.register({}),
    "GET /registry/service/{instance}/readings": lambda g: g.readings("{instance}"),
    "PUT /registry/service/{instance}/heartbeat": lambda g: g.heartbeat("{instance}"),
}


def test_every_endpoint_has_a_method(api, gateway):
    wanted = {str(each) for each in url_table.endpoints() if each.is_for_people}
    assert set(CALLS) == wanted
    for call in CALLS.values():
        try:
            call(gateway)
        except ApiError as error:
            assert error.status == 404  # noqa: PT017
    asked = [f"{each.method} {each.path}".replace("%7B", "{").replace("%7D", "}") for each in api.asked]
    assert asked == list(CALLS)
