"""Tokens of the unusual kinds."""

from behave import given, then
from harness import clouds
from keystoneauth1 import session
from keystoneauth1.identity import v3


@given("a token of a member's without a project")
def step_unscoped_token(context):
    auth = clouds.as_user("a member").config.config["auth"]
    unscoped = v3.Password(
        auth["auth_url"],
        username=auth["username"],
        password=auth["password"],
        user_domain_name=auth["user_domain_name"],
        unscoped=True,
    )
    context.names["token"] = session.Session(unscoped).get_token()


@then("the daemon's log has the answer's request id")
def step_request_id_in_log(context):
    request_id = context.answer.headers["X-Openstack-Request-Id"]
    assert request_id in context.gateway.log.read_text(), f"{request_id} is not in {context.gateway.log}"
