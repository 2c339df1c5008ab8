"""gateway --cache-token: one login for many commands."""

import stat

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
    api.on("GET", "/v1/flavors", (401, client_stub.error(401, "gateway.auth.token")), (200, {"flavors": []}))
    assert gateway("--cache-token", *LIST)[0] == 0
    assert logins(keystone) == 2
