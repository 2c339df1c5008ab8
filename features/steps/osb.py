"""A platform of the Open Service Broker API, which has the gateway for a broker."""

import contextlib
import json
import pathlib
import subprocess
import sys
import time
import uuid

import requests
from behave import given, then, when
from harness import clouds
from harness.asking import SOON
from harness.names import filled
from harness.platform import Platform, identity

_DESCRIPTION = pathlib.Path(__file__).parents[1] / "harness" / "osb.yaml"
_EXPECTED = _DESCRIPTION.with_suffix(".toml")
#: All but those about POST, and the one for which 404 and 409 would be acceptable, and 410 and 422 not.
_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "use_after_free",
    "ignored_auth",
)


@given("a platform with an application credential of {who:Who}'s")
def step_platform(context, who):
    if not hasattr(context, "application_credential"):
        conn = clouds.as_user(who)
        made = conn.identity.create_application_credential(
            conn.current_user_id, f"features-{uuid.uuid4().hex[:8]}"
        )
        context.application_credential = made
        delete = conn.identity.delete_application_credential
        context.add_cleanup(delete, conn.current_user_id, made.id, ignore_missing=True)
    made = context.application_credential
    context.platform = Platform(context.client.url, (made.id, made.secret), context.called)


@given("the platform has read the catalog")
def step_catalog(context):
    context.platform.read_catalog()
    context.names |= context.platform.ids


@then("the platform remembers the catalog")
def step_remember(context):
    context.platform.remember(context.answer.json())
    context.names |= context.platform.ids | {"etag": context.answer.headers["ETag"]}


@given("the platform has an instance {name:S} of {type:w}")
def step_instance(context, name, type):
    answer = context.platform.provision(name, type)
    assert answer.status_code == 201, answer.text


@when("the platform calls {method:w} {path:S}")
def step_call(context, method, path):
    _call(context, method, path, {})


@when("the platform calls {method:w} {path:S} with {header:S}: {value}")
def step_call_with(context, method, path, header, value):
    _call(context, method, path, {header: filled(value, context.names)})


@when("the platform calls {method:w} {path:S} on behalf of {user:Json}")
def step_call_for(context, method, path, user):
    _call(context, method, path, identity(json.loads(user)))


@when("the platform gives up {method:w} {path:S}")
def step_give_up(context, method, path):
    """It waits no longer for the answer; that it was asked is sure."""
    with contextlib.suppress(requests.Timeout):
        _call(context, method, path, {}, timeout=2)
        raise AssertionError(f"it is answered: {context.answer.text}")


def _call(context, method, path, headers, **kwargs):
    if context.text:
        kwargs["data"] = filled(context.text, context.names).encode()
        headers = {"Content-Type": "application/json"} | headers
    path = filled(path, context.names)
    context.answer = context.platform.call(method, path, headers=headers, **kwargs)


@when("the platform makes calls, each of them is refused")
def step_refusals(context):
    for row in context.table:
        method, path = filled(row["call"], context.names).split(" ")
        body = filled(row["body"], context.names).encode() or None
        answer = context.platform.call(method, path, data=body)
        seen = answer.json()
        assert set(seen) == {"error", "description"}, f"{row['why']}: {seen}"
        assert (answer.status_code, seen["error"]) == (int(row["status"]), row["error"]), (
            f"{row['why']}: {seen}"
        )
        assert row["says"] in seen["description"], f"{row['why']}: {seen}"


@then("the platform gets back what it has called its request")
def step_request_identity(context):
    name = "X-Broker-API-Request-Identity"
    assert context.answer.headers[name] == context.answer.request.headers[name], context.answer.headers


@then("the platform is soon told that it has succeeded: {path:S}")
def step_succeeded(context, path):
    seen = context.platform.polled(path, _operation(context))
    assert seen == "succeeded", seen


@then("the platform is soon told that it is gone: {path:S}")
def step_gone(context, path):
    seen = context.platform.polled(path, _operation(context))
    assert seen == "gone", seen


def _operation(context):
    with contextlib.suppress(ValueError):
        return context.answer.json().get("operation")


@then(
    "schemathesis, with the specification as OpenAPI, finds nothing wrong in {count:d} examples of each call"
)
def step_schemathesis(context, count):
    description = context.folder / "osb.yaml"
    description.write_text(filled(_DESCRIPTION.read_text(), context.names))
    command = [
        *(
            sys.executable,
            "-m",
            "schemathesis.cli",
            "--config-file",
            _EXPECTED,
            "run",
            description,
            "--url",
            context.platform.url,
        ),
        *("--auth", ":".join(context.platform.login), "--max-examples", str(count), "--seed", "1"),
        *("--phases", "coverage,fuzzing", "--checks", ",".join(_CHECKS), "--no-shrink", "--no-color"),
        *("--warnings", "off", "--continue-on-failure", "--request-timeout", "60"),
    ]
    done = subprocess.run(command, cwd=context.folder, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@when("another gateway attaches this one with that credential, and has it make a service {name:S} of redis")
def step_chained(context, name):
    id, secret = context.platform.login
    url = f"{context.platform.url}/osb"
    provider = {"name": "a-gateway", "type": "osb", "url": url, "username": id, "password": secret}
    answer = context.bystander.call("an admin", "POST", "/v1/providers", json={"provider": provider})
    assert answer.status_code == 201, answer.text
    context.add_cleanup(_detach, context.bystander)
    wanted = {"type": "redis", "plan": "free", "name": name, "provider": "a-gateway"}
    _until(
        lambda: context.bystander.call("a member", "POST", "/v1/services", json={"service": wanted}),
        (200, 201),
    )
    made = context.bystander.call("a member", "GET", f"/v1/services/{name}").json()["service"]
    context.credentials[name] = {key: value for key, value in made["credentials"].items() if key.isupper()}


@when("a member has {name:S} deleted by the other gateway")
def step_chained_delete(context, name):
    _until(lambda: context.bystander.call("a member", "DELETE", f"/v1/services/{name}"), (204, 404))


def _detach(other):
    _until(lambda: other.call("an admin", "DELETE", "/v1/providers/a-gateway?force=true"), (204, 404))


def _until(ask, statuses):
    deadline = time.monotonic() + SOON
    while (answer := ask()).status_code not in statuses:
        assert answer.status_code in (202, 409), answer.text
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.2)
