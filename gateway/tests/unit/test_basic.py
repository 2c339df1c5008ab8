"""HTTP basic authentication, with Keystone's answers as it gives them: who is believed, and for how long."""

import base64

import pytest
from keystoneauth1 import fixture

from gateway import conf as options
from gateway import errors
from gateway.api import auth
from gateway.api.basic import Basic
from gateway.tests.sessions import opened

KEYSTONE = "http://keystone.test/v3"


@pytest.fixture
def keystone(requests_mock):
    requests_mock.get(KEYSTONE, json={"version": fixture.V3Discovery(KEYSTONE)})
    token = fixture.V3Token(user_id="user", project_id="p1")
    return requests_mock.post(f"{KEYSTONE}/auth/tokens", json=token, headers={"X-Subject-Token": "T"})


@pytest.fixture
def sessions(tmp_path):
    path = tmp_path / "gateway.conf"
    path.write_text(
        f"[keystone_authtoken]\nauth_type = password\nauth_url = {KEYSTONE}\nusername = gateway\n"
        "password = secret\nproject_name = service\nuser_domain_id = default\nproject_domain_id = default\n"
    )
    return opened(options.load(["--state_path", str(tmp_path)], [str(path)]))


class Pipeline:
    """What comes behind: it believes the token ``T``."""

    def __init__(self, sessions):
        self.seen: list[dict] = []
        self._basic = Basic(self._validated, sessions)

    def _validated(self, environ, start_response):
        self.seen.append(dict(environ))
        if auth.CALLER not in environ and environ.get("HTTP_X_AUTH_TOKEN") == "T":
            found = {"keystone.token_info": dict(fixture.V3Token()), "HTTP_X_AUTH_TOKEN": "T"}
            environ[auth.CALLER] = auth.Caller(found, None)
        return []

    def call(self, value: str | bytes, **environ: str) -> None:
        text = base64.b64encode(value).decode() if isinstance(value, bytes) else value
        self._basic({"HTTP_AUTHORIZATION": f"Basic {text}", **environ}, None)


def test_a_credential_is_asked_about_once(keystone, sessions):
    pipeline = Pipeline(sessions)
    pipeline.call(b"id:secret")
    pipeline.call(b"id:secret")
    assert keystone.call_count == 1
    asked = keystone.last_request.json()["auth"]["identity"]["application_credential"]
    assert asked == {"id": "id", "secret": "secret"}
    assert pipeline.seen[0]["HTTP_X_AUTH_TOKEN"] == "T"
    assert auth.CALLER in pipeline.seen[1]
    pipeline.call(b"id:another")
    assert keystone.call_count == 2


def test_a_token_goes_before_it(keystone, sessions):
    pipeline = Pipeline(sessions)
    pipeline.call(b"id:secret", HTTP_X_AUTH_TOKEN="mine")
    assert not keystone.called
    assert pipeline.seen[0]["HTTP_X_AUTH_TOKEN"] == "mine"


@pytest.mark.parametrize(
    "value", ["not base64", b"no colon", b":secret", b"id:", b"\xff:\xff", b"a:" + b"b" * 999]
)
def test_what_is_no_credential_never_reaches_keystone(value, keystone, sessions):
    with pytest.raises(errors.Unauthorized):
        Pipeline(sessions).call(value)
    assert not keystone.called


@pytest.mark.parametrize("status", [401, 404])
def test_a_credential_that_keystone_refuses(status, requests_mock, keystone, sessions):
    requests_mock.post(f"{KEYSTONE}/auth/tokens", status_code=status, json={"error": {"message": "no"}})
    with pytest.raises(errors.Unauthorized):
        Pipeline(sessions).call(b"id:wrong")


def test_a_keystone_that_is_busy_is_no_refusal(requests_mock, keystone, sessions):
    requests_mock.post(f"{KEYSTONE}/auth/tokens", status_code=503)
    with pytest.raises(errors.Unavailable):
        Pipeline(sessions).call(b"id:secret")
