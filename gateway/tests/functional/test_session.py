"""/v1/session through the whole pipeline: Keystone answers over HTTP from requests-mock."""

# ruff: noqa: F401, F811  (pytest finds the fixtures by these names)
import pytest
import requests
import webob
from keystoneauth1 import fixture

from gateway.api import app as api
from gateway.api.session import COOKIE, HEADER
from gateway.tests import described
from gateway.tests.functional.test_cloud_api import (
    KEYSTONE,
    PROJECT,
    error_of,
    keystone,
    openstack,
    parts,
    token,
)

PAGE = {HEADER: "1"}
USER = {"username": "demo", "password": "planted-password"}
MINE = {"id": PROJECT, "name": "demo", "enabled": True}
OTHER = {"id": "p-other", "name": "other", "enabled": True}


@pytest.fixture
def logged(openstack):
    """Keystone lets demo in by one password, and gives a token of a project for that."""
    openstack.projects = [MINE]
    openstack.post(f"{KEYSTONE}/auth/tokens", json=_token)
    openstack.get(f"{KEYSTONE}/auth/projects", json=lambda *_: {"projects": openstack.projects})
    openstack.delete(f"{KEYSTONE}/auth/tokens", status_code=204)
    return openstack


def _token(request, context):
    auth = request.json()["auth"]
    wanted = auth["identity"].get("password", {}).get("user")
    if wanted and wanted["name"] != "gateway" and wanted["password"] != USER["password"]:
        context.status_code = 401
        return {"error": {"code": 401, "message": "The request you have made requires authentication."}}
    context.headers["X-Subject-Token"] = "unscoped" if auth.get("scope") == "unscoped" else "member+reader-ui"
    return fixture.V3Token() if auth.get("scope") == "unscoped" else token("member", "reader")


@pytest.fixture
def browser(parts, logged):
    """Calls as the page does, with the cookie that it was given."""
    application, cookies = api.application(parts), {}

    def call(method, path, body=None, headers=PAGE):
        request = webob.Request.blank(path, method=method, headers=headers)
        request.cookies.update(cookies)
        if body is not None:
            request.json = body
            request.content_type = "application/json"
        answer = described.answered(request, application)
        for line in answer.headers.getall("Set-Cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            cookies[name] = value
        call.set = answer.headers.get("Set-Cookie")
        return answer

    call.cookies = cookies
    return call


def log_in(browser, **changed):
    return browser("POST", "/v1/session", {"session": USER | changed})


def test_logged_in_the_cookie_is_the_token(browser, openstack):
    assert browser("GET", "/v1/session").json == {"session": None}
    answer = log_in(browser)
    assert answer.status_int == 201, answer.text
    session = answer.json["session"]
    assert session["project"] == {"id": PROJECT, "name": "demo"}
    assert session["roles"] == ["member", "reader"]
    for attribute in ("HttpOnly", "SameSite=Strict", "Path=/"):
        assert attribute in browser.set
    assert browser("GET", "/v1/flavors").status_int == 200
    assert browser("GET", "/v1/session").json["session"]["user"] == session["user"]


def test_the_cookie_hides_the_token_and_is_no_password_of_anything_else(browser, parts):
    log_in(browser)
    assert "member+reader" not in browser.cookies[COOKIE]
    browser.cookies[COOKIE] = parts.vault.seal("member+reader-ui")  # sealed for something else
    assert browser("GET", "/v1/flavors").status_int == 401
    browser.cookies[COOKIE] = "nonsense"
    assert browser("GET", "/v1/flavors").status_int == 401


def test_the_cookie_alone_is_not_believed(browser):
    log_in(browser)
    assert error_of(browser("GET", "/v1/flavors", headers={}))["code"] == "gateway.auth.token"
    assert browser("DELETE", "/v1/servers/web", headers={}).status_int == 401
    assert browser("GET", "/osb/v2/catalog").status_int == 401  # platforms have no browser


def test_no_other_site_logs_anybody_in(browser):
    answer = browser("POST", "/v1/session", {"session": USER}, headers={})
    assert (answer.status_int, error_of(answer)["field"]) == (400, HEADER)


def test_a_wrong_password(browser, caplog):
    answer = log_in(browser, password="wrong-password")
    assert (answer.status_int, error_of(answer)["code"]) == (401, "gateway.session.refused")
    assert COOKIE not in browser.cookies
    assert "wrong-password" not in caplog.text + answer.text


def test_which_project(browser, openstack):
    openstack.projects = [OTHER, MINE, OTHER | {"id": "p-2"}, MINE | {"id": "off", "enabled": False}]
    answer = log_in(browser)
    assert (answer.status_int, COOKIE in browser.cookies) == (200, False)
    assert [project["name"] for project in answer.json["projects"]] == ["demo", "other", "other"]
    assert len(log_in(browser, project="other").json["projects"]) == 2
    answer = log_in(browser, project="nowhere")
    assert (answer.status_int, error_of(answer)["field"]) == (400, "session.project")
    assert log_in(browser, project="demo").status_int == 201
    assert log_in(browser, project="p-2").status_int == 201
    openstack.projects = []
    assert error_of(log_in(browser))["code"] == "gateway.session.no_project"


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"exc": requests.exceptions.ConnectionError}, 503),
        ({"exc": requests.exceptions.ConnectTimeout}, 503),
        ({"status_code": 500}, 502),
    ],
)
def test_keystone_away(browser, openstack, fault, status):
    openstack.post(f"{KEYSTONE}/auth/tokens", **fault)
    assert log_in(browser).status_int == status


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"password": ""}, "session.password"),
        ({"username": 5}, "session.username"),
        ({"domain": ""}, "session.domain"),
        ({"colour": "blue"}, "session"),
    ],
)
def test_bad_bodies(browser, changed, field):
    answer = log_in(browser, **changed)
    assert (answer.status_int, error_of(answer)["field"]) == (400, field)


def test_logged_out(browser, openstack):
    log_in(browser)
    assert browser("DELETE", "/v1/session").status_int == 204
    asked = openstack.request_history[-1]
    assert (asked.method, asked.headers["X-Subject-Token"]) == ("DELETE", "member+reader-ui")
    assert browser.cookies[COOKIE] == ""
    assert browser("GET", "/v1/session").json == {"session": None}
    assert browser("DELETE", "/v1/session").status_int == 204


def test_logged_out_while_keystone_is_away(browser, openstack):
    log_in(browser)
    openstack.delete(f"{KEYSTONE}/auth/tokens", exc=requests.exceptions.ConnectionError)
    assert browser("DELETE", "/v1/session").status_int == 204
    assert browser.cookies[COOKIE] == ""


def test_a_token_of_ones_own_is_not_revoked(parts, logged):
    request = webob.Request.blank("/v1/session", method="DELETE", headers={"X-Auth-Token": "member-own"})
    assert request.get_response(api.application(parts)).status_int == 204
    assert "DELETE" not in {asked.method for asked in logged.request_history}


@pytest.mark.parametrize("name", ["", "/", "/main.js", "/page.css", "/icon.svg"])
def test_the_page_asks_no_other_host(parts, name):
    answer = webob.Request.blank(f"/ui{name}").get_response(api.application(parts))
    assert answer.status_int == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert webob.Request.blank("/ui/nope.js").get_response(api.application(parts)).status_int == 404
