"""gateway --cache-token: one login for many commands."""

import json
import stat
import subprocess
import sys

import pytest
import requests_mock

from gateway.tests.functional import client_stub

LIST = ("flavor", "list")


@pytest.fixture
def keystone(api):
    """In place of that of ``api``, so that its calls can be counted."""
    api.on("GET", "/v1/flavors", (200, {"flavors": []}))
    with client_stub.keystone(api.url) as mocked:
        yield mocked


def logins(keystone: requests_mock.Mocker) -> int:
    return sum(each.url == f"{client_stub.AUTH_URL}/auth/tokens" for each in keystone.request_history)


def test_one_login_is_enough_and_its_file_is_the_users_alone(api, keystone, gateway, tmp_path):
    for _ in range(2):
        assert gateway("--cache-token", *LIST)[0] == 0
    assert logins(keystone) == 1
    assert api.asked[1].headers["X-Auth-Token"] == client_stub.TOKEN
    [file] = (tmp_path / ".cache/gateway").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_only_who_asks_for_it_has_one(api, keystone, gateway, tmp_path):
    for _ in range(2):
        gateway(*LIST)
    assert logins(keystone) == 2
    assert not (tmp_path / ".cache").exists()


@pytest.mark.parametrize("name", ["OS_USERNAME", "OS_PROJECT_NAME"])
def test_another_user_or_project_logs_in_anew(api, keystone, gateway, monkeypatch, name):
    monkeypatch.setenv("GATEWAY_CACHE_TOKEN", "1")
    gateway(*LIST)
    monkeypatch.setenv(name, "other")
    gateway(*LIST)
    assert logins(keystone) == 2


def test_the_password_is_not_in_it(api, keystone, gateway, monkeypatch, tmp_path):
    monkeypatch.setenv("GATEWAY_CACHE_TOKEN", "1")
    monkeypatch.setenv("OS_PASSWORD", "correct horse")
    gateway(*LIST)
    [file] = (tmp_path / ".cache/gateway").iterdir()
    assert "correct horse" not in file.read_text()
    monkeypatch.setenv("OS_PASSWORD", "battery staple")  # nor does the name depend on it
    gateway(*LIST)
    assert list((tmp_path / ".cache/gateway").iterdir()) == [file]


@pytest.mark.parametrize("spoiled", ["readable", "nonsense"])
def test_what_others_can_read_or_is_no_token_is_not_used(api, keystone, gateway, tmp_path, spoiled):
    gateway("--cache-token", *LIST)
    [file] = (tmp_path / ".cache/gateway").iterdir()
    if spoiled == "readable":
        file.chmod(0o644)
    else:
        file.write_text("{]")
    assert gateway("--cache-token", *LIST)[0] == 0
    assert logins(keystone) == 2


def test_a_token_that_is_taken_back_is_replaced(api, keystone, gateway):
    gateway("--cache-token", *LIST)
    refused = 401, client_stub.error(401, "gateway.auth.token")
    api.on("GET", "/v1/flavors", refused, refused, (200, {"flavors": []}))  # quick, and the whole way
    assert gateway("--cache-token", *LIST)[0] == 0
    assert logins(keystone) == 2


def test_the_gateway_is_found_in_the_catalogue_that_is_kept(api, keystone, gateway, monkeypatch):
    monkeypatch.delenv("GATEWAY_URL", raising=False)
    for _ in range(2):
        assert gateway("--cache-token", *LIST)[0] == 0
    assert logins(keystone) == 1


@pytest.mark.parametrize("argv", [("flavor", "show", "none"), ("server", "delete", "--yes", "none")])
def test_what_is_no_plain_answer_is_told_as_always(api, keystone, gateway, argv):
    gateway("--cache-token", *LIST)
    code, _, said = gateway("--cache-token", *argv)
    assert (code, said.splitlines()[-1]) == (3, "gateway: It is not so. (gateway.none, request id req-1)")
    assert logins(keystone) == 1


def test_with_a_kept_token_nothing_is_imported_that_a_plain_answer_does_not_need(api, tmp_path):
    body = {"expires_at": "2999-01-01T00:00:00.000000Z", "catalog": []}
    kept = tmp_path / "kept"
    kept.write_text(json.dumps({"auth_token": client_stub.TOKEN, "body": {"token": body}}))
    kept.chmod(0o600)
    script = (
        "import pathlib, sys; from gateway.cli import main, token_cache\n"
        "token_cache._read = lambda path, read=token_cache._read: read(pathlib.Path(sys.argv[1]))\n"
        "assert main.main(sys.argv[2:]) == 0\n"
        "sys.exit(not {'keystoneauth1', 'requests', 'urllib3', 'openstack'}.isdisjoint(sys.modules))"
    )
    api.on("GET", "/v1/flavors", (200, {"flavors": []}))
    who = ("--os-auth-url", "http://keystone.test/v3", "--os-username", "demo", "--gateway-url", api.url)
    command = [sys.executable, "-c", script, str(kept), "--cache-token", *who, *LIST]
    assert subprocess.run(command, timeout=60).returncode == 0
    assert [each.headers["X-Auth-Token"] for each in api.asked] == [client_stub.TOKEN]
