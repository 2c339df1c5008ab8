"""Tokens of other kinds than a password's, and what the gateway keeps of them in Keystone."""

import uuid

import yaml
from behave import given, then, when
from harness import clouds
from harness.asking import call
from harness.names import filled
from keystoneauth1 import session
from keystoneauth1.identity import v3


def _login() -> dict:
    return clouds.as_user("a member").config.config["auth"]


@given("a token of a member's, to be used once")
def step_one_token(context):
    auth = v3.Password(**_login())
    context.names["token"] = session.Session(auth).get_token()


@given("the token of a restricted application credential of a member's")
def step_restricted(context):
    _token_of_credential(context, unrestricted=False)


@given("the token of an unrestricted application credential of a member's")
def step_unrestricted(context):
    _token_of_credential(context, unrestricted=True)


def _token_of_credential(context, unrestricted):
    conn = clouds.as_user("a member")
    made = conn.identity.create_application_credential(
        conn.current_user_id, f"features-{uuid.uuid4().hex[:8]}", unrestricted=unrestricted
    )
    context.credential_id, context.credential_secret = made.id, made.secret
    context.add_cleanup(
        conn.identity.delete_application_credential, conn.current_user_id, made.id, ignore_missing=True
    )
    auth = v3.ApplicationCredential(
        _login()["auth_url"], application_credential_id=made.id, application_credential_secret=made.secret
    )
    context.names["token"] = session.Session(auth).get_token()


@given("the token of a trust that a member gave")
def step_trust(context):
    conn, trustee = clouds.as_user("a member"), clouds.as_user("a stranger")
    trust = conn.identity.create_trust(
        trustor_user_id=conn.current_user_id,
        trustee_user_id=trustee.current_user_id,
        project_id=conn.current_project_id,
        impersonation=True,
        roles=[{"name": "member"}],
    )
    context.add_cleanup(conn.identity.delete_trust, trust.id)
    login = {key: value for key, value in trustee.config.config["auth"].items() if "project" not in key}
    context.names["token"] = session.Session(v3.Password(**login, trust_id=trust.id)).get_token()


@when("a member deploys it with that token")
def step_deploy(context):
    headers = {"X-Auth-Token": context.names["token"]}
    body = {"deployment": yaml.safe_load(filled(context.service, context.names))}
    answer = call(context, "a member", "POST", "/v1/deployments", json=body, headers=headers)
    context.asker = "a member"
    if answer.status_code == 202:
        context.names["deployment"] = answer.json()["deployment"]["id"]


@when("a member deploys it with that token, which is revoked at once")
def step_deploy_and_revoke(context):
    step_deploy(context)
    conn = clouds.as_user("a member")
    conn.identity.delete("/auth/tokens", headers={"X-Subject-Token": context.names["token"]})
    seen = conn.identity.get("/auth/tokens", headers={"X-Subject-Token": context.names["token"]})
    assert seen.status_code == 404, f"the token is still good: {seen.status_code}"


@when("a member deploys it with that token, and then deletes the application credential")
def step_deploy_and_delete_credential(context):
    step_deploy(context)
    conn = clouds.as_user("a member")
    conn.identity.delete_application_credential(conn.current_user_id, context.credential_id)


def _kept() -> list:
    conn = clouds.as_user("a member")
    every = conn.identity.application_credentials(conn.current_user_id)
    return [each for each in every if each.name.startswith("gateway-")]


@then("the gateway keeps an application credential of the member's own roles, restricted")
def step_keeps(context):
    (kept,) = _kept()
    assert not kept.unrestricted, kept
    roles = set(clouds.as_user("a member").session.auth.get_access(None).role_names)
    assert {role["name"] for role in kept.roles} <= roles, kept.roles


@then("the gateway keeps no application credential")
def step_keeps_none(context):
    assert not _kept(), [each.name for each in _kept()]
