"""The registry through the whole pipeline: WSGI, keystonemiddleware, policy, Pecan, SQLite, real services."""

import json
import re
import uuid

import pytest
import requests_mock
import webob
from keystoneauth1 import fixture as keystone

from gateway import daemon
from gateway.api import app as api
from gateway.api import fastpath
from gateway.registry.model import Registration
from gateway.tests import described, registered

KEYSTONE = "http://keystone.test/v3"
MEMBER, READER, OTHER = (uuid.uuid4().hex for _ in range(3))


def token(project: str, *roles: str) -> dict:
    made = keystone.V3Token(project_id=project * 32, user_id="u" * 32)
    for role in roles:
        made.add_role(name=role)
    made.add_service("identity").add_standard_endpoints(public=KEYSTONE, internal=KEYSTONE)
    return made


@pytest.fixture
def identity():
    tokens = {
        MEMBER: token("a", "member", "reader"),
        READER: token("a", "reader"),
        OTHER: token("b", "member", "reader"),
    }

    def validate(request, context):
        found = tokens.get(request.headers["X-Subject-Token"])
        context.status_code = 200 if found else 404
        return found or {"error": {"code": 404, "message": "", "title": ""}}

    with requests_mock.Mocker() as mocked:
        mocked.get(KEYSTONE, json={"version": keystone.V3Discovery(KEYSTONE)})
        mocked.post(
            f"{KEYSTONE}/auth/tokens",
            json=token("s", "service"),
            headers={"X-Subject-Token": uuid.uuid4().hex},
        )
        mocked.get(f"{KEYSTONE}/auth/tokens", json=validate)
        yield


@pytest.fixture(params=[True, False], ids=["fast path", "pipeline"])
def conf(tmp_path, request):
    file = tmp_path / "gateway.conf"
    file.write_text(
        "[keystone_authtoken]\nauth_type = password\n"
        f"auth_url = {KEYSTONE}\nwww_authenticate_uri = {KEYSTONE}\n"
        "username = gateway\npassword = secret\nproject_name = service\n"
        "user_domain_name = Default\nproject_domain_name = Default\n"
    )
    made = registered.configuration(tmp_path, [file])
    made.set_override("fast_path", request.param, "api")
    registered.registry(made)  # makes the tables
    return made


@pytest.fixture
def application(conf, identity):
    return api.application(daemon.parts(conf))


@pytest.fixture
def call(application):
    def send(method: str, path: str, body=None, token: str | None = MEMBER, **headers) -> webob.Response:
        request = webob.Request.blank(path, method=method)
        if token:
            request.headers["X-Auth-Token"] = token
        if body is not None:
            request.body = body if isinstance(body, bytes) else json.dumps(body).encode()
            request.content_type = "application/json"
        request.headers.update(headers)
        return described.answered(request, application)

    return send


@pytest.fixture
def up():
    with registered.service() as made:
        yield made


def body(port: int, /, **changes) -> dict:
    whole = {
        "proto": "http",
        "type": "my-auth",
        "host": "127.0.0.1",
        "port": str(port),
        "httpPort": port,
        "httpsPort": "0",
        "routes": ["/login", "/users/{id}"],
        "health": "/auth/health",
        "weight": "2",
        "signature": "",
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not ...}


def refused(response, status: int, word: str, field: str | None = None) -> str:
    """What a seed's client and what an API client reads of a refused registration."""
    assert response.status_int == status, response.text
    (error,) = response.json["errors"]
    assert error["status"] == status
    assert error["request_id"].startswith("req-")
    assert (response.json["status"], response.json["message"]) == (word, error["detail"])
    assert error.get("field") == field
    return error["code"]


def test_the_life_of_an_instance(call, up):
    answer = call("POST", "/registry/service", body(up.port))
    assert (answer.status_int, answer.json) == (
        201,
        {"status": "OK", "message": "OK", "instance": "my-auth-0", "change": "created", "index": 1},
    )
    assert answer.headers["Location"].endswith("/registry/service/my-auth-0")
    assert up.asked == ["/auth/health"]
    assert call("GET", "/registry/service/types").json == {"types": [{"type": "my-auth"}]}
    (service,) = call("GET", "/registry/service/types/my-auth").json["services"]
    assert service.pop("since").endswith("Z")
    assert service == {
        "proto": "http",
        "type": "my-auth",
        "host": "127.0.0.1",
        "port": up.port,
        "httpPort": up.port,
        "httpsPort": 0,
        "routes": ["/login", "/users/{id}"],
        "health": "/auth/health",
        "weight": 2,
        "signature": "",
        "name": "my-auth-0",
        "version": "",
        "tags": [],
        "status": "passing",
        "output": "200 OK",
        "reason": "",
        "index": 1,
        "deployment": None,
    }
    for path in ("types/my-auth/best", "types/my-auth/0", "my-auth-0", "my-auth-0/"):
        one = call("GET", f"/registry/service/{path}", token=READER)
        assert one.status_int == 200
        assert service.items() <= one.json.items()


def deployed(application_registry, port: int):
    wanted = Registration(
        type="hello", proto="http", host="127.0.0.1", port=port, deployment_id="d" * 36, server_id="s" * 36
    )
    return application_registry.register("a" * 32, wanted, verify=False)


def test_of_a_deployment_only_weight_and_tags_change_by_hand(call, conf, up):
    old = deployed(registered.registry(conf), up.port)
    for method, path, body in (
        ("PATCH", "hello-0", {"port": 1}),
        ("PATCH", "hello-0", {"version": "2"}),
        ("PUT", "hello-0", {"proto": "http", "host": "127.0.0.1", "port": up.port}),
        ("DELETE", "hello-0", None),
    ):
        answer = call(method, f"/registry/service/{path}", body)
        (error,) = answer.json["errors"]
        assert (answer.status_int, error["code"]) == (409, "gateway.registry.deployed"), answer.text
        assert f"/v1/deployments/{'d' * 36}" in error["detail"]
    assert (
        call("PATCH", "/registry/service/hello-0", {"weight": 0, "tags": ["x"]}).json["change"] == "changed"
    )
    maintenance = {"enabled": True, "reason": "disk"}
    assert call("PUT", "/registry/service/hello-0/maintenance", maintenance).json["index"] == 3
    seen = call("GET", "/registry/service/hello-0").json
    assert (seen["weight"], seen["tags"], seen["status"], seen["reason"]) == (0, ["x"], "maintenance", "disk")
    assert (seen["deployment"], seen["signature"]) == ("d" * 36, old.signature)
    assert up.asked == []


def test_a_change_is_verified_where_it_matters(call, up):
    call("POST", "/registry/service", body(up.port))
    assert call("PATCH", "/registry/service/my-auth-0", {"weight": 9}).json["change"] == "changed"
    assert len(up.asked) == 1
    assert call("PATCH", "/registry/service/my-auth-0", {"health": "/other"}).status_int == 200
    assert up.asked[1:] == ["/other"]
    assert call("PATCH", "/registry/service/my-auth-0", {"port": 1}).status_int == 422
    up.status = 500
    same = body(up.port, health="/other", weight=9, type=...)
    assert call("PUT", "/registry/service/my-auth-0", same).json == {
        "instance": "my-auth-0",
        "change": None,
        "index": 3,
    }
    maintenance = call("PUT", "/registry/service/my-auth-0/maintenance", {"enabled": True})
    assert maintenance.json["index"] == 4
    assert call("PATCH", "/registry/service/my-auth-0", {"health": "/x"}).json["index"] == 5  # not asked now
    assert call("PUT", "/registry/service/my-auth-0/maintenance", {"enabled": False}).json["index"] == 6
    ended = call("GET", "/registry/service/my-auth-0").json
    assert (ended["status"], len(up.asked)) == ("warning", 2)
    assert call("DELETE", "/registry/service/my-auth-0").json == {
        "instance": "my-auth-0",
        "change": "removed",
        "index": 7,
    }


def test_the_defaults(call, up):
    least = {"proto": "http", "type": "a", "host": "127.0.0.1", "port": up.port}
    assert call("POST", "/registry/service", least).status_int == 201
    seen = call("GET", "/registry/service/a-0").json
    assert (seen["httpPort"], seen["httpsPort"], seen["routes"], seen["health"], seen["weight"]) == (
        0,
        0,
        [],
        "/",
        1,
    )


PLAIN = ("types/my-auth/best", "types/my-auth", "my-auth-0")


def test_the_fast_path_answers_as_the_pipeline_does(call, conf, up):
    call("POST", "/registry/service", body(up.port))
    whole = {path: call("GET", f"/registry/service/{path}", Origin="http://else.where") for path in PLAIN}
    for path, slow in whole.items():
        call("GET", f"/registry/service/{path}")  # the token is known from here on
        fast = call("GET", f"/registry/service/{path}")
        assert (fast.status, fast.body) == (slow.status, slow.body)
        ids = [answer.headers.pop("X-Openstack-Request-Id") for answer in (fast, slow)]
        assert all(re.fullmatch(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", each) for each in ids)
        assert sorted(fast.headers.items()) == sorted(slow.headers.items())
    call("DELETE", "/registry/service/my-auth-0")
    for path in PLAIN:
        answer = call("GET", f"/registry/service/{path}")
        assert (answer.status_int, len(answer.json["errors"])) == (404, 1)


@pytest.fixture
def behind(conf, identity):
    """The fast path before an application that notes what it was asked, and its clock."""
    asked, clock = [], [1000.0]

    def pipeline(environ, start_response):
        asked.append(environ["PATH_INFO"])
        return api.application(daemon.parts(conf))(environ, start_response)

    conf.set_override("fast_path", False, "api")
    made = daemon.parts(conf)
    api.application(made)  # registers keystonemiddleware's options
    yield fastpath.FastPath(pipeline, conf, made.registry, lambda: clock[0]), asked, clock
    conf.clear_override("fast_path", "api")


def get(application, path: str, token: str, **headers) -> int:
    request = webob.Request.blank(path, headers={"X-Auth-Token": token, **headers})
    return request.get_response(application).status_int


def test_the_fast_path_takes_only_what_is_plain_from_who_is_known(behind, conf, up):
    application, asked, _ = behind
    registered.registry(conf).register("a" * 32, Registration("web", "http", "127.0.0.1", up.port))
    best = "/registry/service/types/web/best"
    assert [get(application, best, READER) for _ in range(3)] == [200] * 3
    assert asked == [best]
    assert [get(application, path, READER) for path in ("/registry/service/web-0", best[:-5])] == [200] * 2
    assert asked == [best]
    assert [get(application, best, OTHER) for _ in range(2)] == [404] * 2  # another project's
    assert [get(application, best, "unknown") for _ in range(2)] == [401] * 2
    spoofed = {"X-Identity-Status": "Confirmed", "X-Project-Id": "a" * 32}
    assert [get(application, path, "unknown", **spoofed) for path in ("/healthcheck", best)] == [200, 401]
    before = len(asked)
    for headers in ({"Accept": "text/html"}, {"X-Service-Token": "x"}, {"Origin": "http://x"}):
        get(application, best, READER, **headers)
    get(application, best + "?key=x", READER)
    get(application, best + "/", READER)
    assert len(asked) == before + 5


def test_a_token_is_forgotten_when_its_time_is_over(behind, conf, up):
    application, asked, clock = behind
    registered.registry(conf).register("a" * 32, Registration("web", "http", "127.0.0.1", up.port))
    best = "/registry/service/types/web/best"
    for seconds, reached in ((0, 1), (0, 1), (299, 1), (2, 2), (0, 2), (301, 3)):
        clock[0] += seconds
        assert get(application, best, READER) == 200
        assert len(asked) == reached


def test_health_needs_no_token(call):
    answer = call("GET", "/registry/health", token=None)
    assert (answer.status_int, answer.json) == (200, {"up": True})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"type": ...}, "body"),
        ({"port": ...}, "body"),
        ({"surprise": 1}, "body"),
        ({"proto": "ftp"}, "proto"),
        ({"type": ""}, "type"),
        ({"type": "-a"}, "type"),
        ({"type": "a/b"}, "type"),
        ({"type": "a\n"}, "type"),
        ({"type": "ä"}, "type"),
        ({"type": "a" * 65}, "type"),
        ({"type": 7}, "type"),
        ({"host": "example.org"}, "host"),
        ({"host": "127.0.0.2"}, "host"),
        ({"host": ""}, "host"),
        ({"host": "\ud800"}, "host"),
        ({"port": -1}, "port"),
        ({"port": 65536}, "port"),
        ({"port": "65536"}, "port"),
        ({"port": "80 "}, "port"),
        ({"port": "80\n"}, "port"),
        ({"port": "٨"}, "port"),
        ({"port": ""}, "port"),
        ({"port": None}, "port"),
        ({"port": True}, "port"),
        ({"port": 80.5}, "port"),
        ({"port": 1e999}, None),
        ({"httpPort": "x"}, "httpPort"),
        ({"httpsPort": []}, "httpsPort"),
        ({"weight": -1}, "weight"),
        ({"weight": "1e3"}, "weight"),
        ({"routes": "/a"}, "routes"),
        ({"routes": ["a"]}, "routes.0"),
        ({"routes": ["/\ud800"]}, "routes.0"),
        ({"health": ""}, "health"),
        ({"health": "up"}, "health"),
        ({"health": "/ HTTP/1.1\r\nX: y"}, "health"),
        ({"health": "/" + "a" * 2000}, "health"),
        ({"signature": "not.a jwt"}, "signature"),
        ({"signature": "not.a.jwt"}, "signature"),
        ({"signature": None}, "signature"),
        ({"version": "1 0"}, "version"),
    ],
)
def test_bad_input_changes_nothing(call, up, changes, field):
    answer = call("POST", "/registry/service", body(up.port, **changes))
    refused(answer, 400, "INVALID", field)
    assert up.asked == []
    assert call("GET", "/registry/service/types").json == {"types": []}


@pytest.mark.parametrize(
    ("sent", "word"),
    [(b"", "NULL"), (b"{}", "NULL"), (b"null", "NULL"), (b"[", "INVALID"), (b"[]", "INVALID")],
)
def test_no_service_is_null(call, sent, word):
    answer = call("POST", "/registry/service", sent)
    assert (answer.status_int, answer.json["status"]) == (400, word)


def test_what_is_already_there_exists(call, up):
    call("POST", "/registry/service", body(up.port))
    answer = call("POST", "/registry/service", body(up.port, type="another"))
    assert refused(answer, 409, "EXISTS") == "gateway.registry.exists"
    assert "my-auth-0" in answer.json["message"]


def test_what_is_not_healthy_is_not_implemented(call, up):
    up.body = b'{"up": false}'
    answer = call("POST", "/registry/service", body(up.port))
    assert refused(answer, 422, "NOT_IMPLEMENTED", "health") == "gateway.registry.unhealthy"
    assert '{"up": false}' in answer.json["message"]


def test_who_may_register(call, up):
    refused(call("POST", "/registry/service", body(up.port), token=None), 401, "CANCELED")
    refused(call("POST", "/registry/service", body(up.port), token="wrong"), 401, "CANCELED")
    refused(call("POST", "/registry/service", body(up.port), token=READER), 403, "CANCELED")
    assert up.asked == []


def test_another_project_sees_nothing(call, up):
    call("POST", "/registry/service", body(up.port))
    assert call("GET", "/registry/service/types", token=OTHER).json == {"types": []}
    for path in ("types/my-auth", "types/my-auth/best", "types/my-auth/0", "my-auth-0"):
        answer = call("GET", f"/registry/service/{path}", token=OTHER)
        assert answer.status_int == 404, path
    assert call("POST", "/registry/service", body(up.port), token=OTHER).status_int == 201


def test_none_passing_is_unavailable_and_says_when_to_retry(call, up):
    call("POST", "/registry/service", body(up.port, weight=0))
    answer = call("GET", "/registry/service/types/my-auth/best")
    assert (answer.status_int, answer.headers["Retry-After"]) == (503, "10")
    assert answer.json["errors"][0]["code"] == "gateway.registry.none_passing"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "health", "GET, HEAD"),
        ("PUT", "service", "GET, HEAD, POST"),
        ("GET", "service/a-0/maintenance", "PUT"),
        ("POST", "service/types", "GET, HEAD"),
        ("POST", "service/types/a", "GET, HEAD"),
        ("DELETE", "service/types/a/best", "GET, HEAD"),
        ("DELETE", "service/types/a/0", "GET, HEAD"),
        ("POST", "service/a-0", "DELETE, GET, HEAD, PATCH, PUT"),
    ],
)
def test_other_methods(call, method, path, allow):
    answer = call(method, f"/registry/{path}")
    assert (answer.status_int, answer.headers["Allow"]) == (405, allow)
    assert answer.json["errors"][0]["status"] == 405


@pytest.mark.parametrize(
    "path",
    [
        "",
        "x",
        "health/x",
        "service/a",
        "service/a-x",
        "service/a-9",
        "service/my-auth-00",
        "service/a-0/x",
        "service/types/a",
        "service/types/a/x",
        "service/types/a/best/x",
        "service/types//best",
        "service/types/my/auth-0",
        "service/types/my-auth/-0",
        "service/types/my-auth/%C2%B2",
        "service/types/my-auth/" + "9" * 5000,
        "service/my-auth-" + "9" * 5000,
        "service/%00-0",
        "service/__class__-0",
        "_route",
        "register",
        "best",
    ],
)
def test_junk_is_not_found(call, up, path):
    call("POST", "/registry/service", body(up.port))
    answer = call("GET", f"/registry/{path}")
    assert answer.status_int == 404
    assert len(answer.json["errors"]) == 1


def test_a_path_that_is_not_utf8_is_a_bad_request(call):
    assert call("GET", "/registry/service/types/%ff/best").status_int == 400


def test_unknown_query_parameters_are_refused(call):
    answer = call("GET", "/registry/service/types?tag=x")
    assert (answer.status_int, answer.json["errors"][0]["field"]) == (400, "tag")
