"""What a token's caller may do, by real policies in a real file."""

import json

import pytest
import webob
from keystoneauth1 import fixture
from oslo_config import cfg

from gateway import errors
from gateway.api import auth, policies

RULE = "gateway:registry:get"


@pytest.fixture
def policy(tmp_path):
    return tmp_path / "policy.yaml"


@pytest.fixture
def clock():
    return [100.0]


@pytest.fixture
def caller(policy, clock, tmp_path):
    policy.write_text("{}")
    options = tmp_path / "gateway.conf"
    options.write_text(f"[oslo_policy]\npolicy_file = {policy}\n")
    conf = cfg.ConfigOpts()
    conf([], project="gateway", default_config_files=[str(options)])
    enforcer = policies.enforcer(conf)

    def made(*roles: str, project: str | None = "p1") -> auth.Caller:
        token = fixture.V3Token()
        environ = {"keystone.token_info": dict(token), "HTTP_X_AUTH_TOKEN": "t", "HTTP_X_USER_ID": "u1"}
        environ["HTTP_X_ROLES"] = ",".join(roles)
        if project:
            environ["HTTP_X_PROJECT_ID"] = project
        return auth.Caller(environ, enforcer, lambda: clock[0])

    return made


def test_roles_decide(caller):
    assert caller("reader").may(RULE)
    assert not caller("reader").may("gateway:registry:register")
    assert not caller().may(RULE)
    assert not caller("reader", "member", "admin", project=None).may(RULE)


def test_a_changed_policy_is_seen_after_five_seconds(caller, policy, clock):
    reader = caller("reader")
    assert reader.may(RULE)
    policy.write_text(json.dumps({RULE: "role:admin"}))
    clock[0] += 4
    assert reader.may(RULE)
    clock[0] += 1
    assert not reader.may(RULE)


def test_each_request_has_a_context_of_its_own(caller):
    member = caller("member")
    first, second = member.context("req-1"), member.context("req-2")
    assert (first.request_id, second.request_id) == ("req-1", "req-2")
    assert (first.project_id, first.user_id, first.roles) == ("p1", "u1", ("member",))


def test_without_a_caller_there_is_nothing_to_be_had():
    with pytest.raises(errors.Unauthorized):
        auth.authorize(webob.Request.blank("/", headers={"X-Identity-Status": "Confirmed"}), RULE)
