"""A wish as a user writes it in YAML, how it goes, and what it leaves."""

import time

import requests
import yaml
from behave import given, then, when
from harness import clouds
from harness.asking import call, deploy
from harness.clearing import undeploy
from harness.names import filled

_ENDED = ("succeeded", "failed", "rolled_back")
_BEGUN = ("running", "done", "reverting")
_ENDS_IN = 420  # seconds, an emulated guest's boot among them
_GONE_IN = 120


@given("this service")
def step_service(context):
    context.service = context.text


@given("two servers that the gateway booted")
def step_shared_servers(context):
    context.names["server_0"], context.names["server_1"] = context.shared.wait()


@when("{who:Who} deploys it")
def step_deploy(context, who):
    _deploy(context, who, "")


@when("{who:Who} deploys it with")
def step_deploy_with(context, who):
    _deploy(context, who, context.text)


def _deploy(context, who, changes):
    """Asks for the service with some of its fields changed; the answer may be a refusal."""
    wish = yaml.safe_load(filled(context.service, context.names))
    wish |= yaml.safe_load(filled(changes, context.names)) or {}
    deploy(context, who, wish)


@when("it has ended")
def step_ended(context):
    deadline = time.monotonic() + _ENDS_IN
    while _deployment(context)["status"] not in _ENDED:
        assert time.monotonic() < deadline, f"still {context.answer.text}"
        time.sleep(0.5)


def _deployment(context) -> dict:
    asker = getattr(context, "asker", "a member")
    answer = call(context, asker, "GET", filled("/v1/deployments/{deployment}", context.names))
    assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
    return answer.json()["deployment"]


@then("it succeeds")
def step_succeeds(context):
    assert context.answer.status_code == 202, f"{context.answer.status_code} {context.answer.text}"
    step_goes_on(context)


@then("what is under way succeeds")
def step_goes_on(context):
    step_ended(context)
    deployment = context.answer.json()["deployment"]
    assert deployment["status"] == "succeeded", f"{deployment['fault']}\n{_log_text(context)}"
    assert deployment["fault"] is None, deployment["fault"]
    unfinished = [step for step in deployment["steps"] if step["state"] != "done"]
    assert not unfinished, unfinished
    context.names["address"] = deployment["instances"][0]["address"]
    context.names["server"] = deployment["instances"][0]["server_id"]


@then('it fails at {step:w} with {code:S}, which says "{text}"')
def step_fails(context, step, code, text):
    assert context.answer.status_code == 202, f"{context.answer.status_code} {context.answer.text}"
    step_ended(context)
    deployment = context.answer.json()["deployment"]
    fault = deployment["fault"]
    assert deployment["status"] == "failed", deployment
    assert (fault["step"], fault["code"]) == (step, code), f"{fault}\n{_log_text(context)}"
    assert filled(text, context.names) in fault["message"], fault
    failed = {each["name"] for each in deployment["steps"] if each["state"] == "failed"}
    begun = {each["name"] for each in deployment["steps"] if each["state"] in _BEGUN}
    assert failed <= {step}, f"failed: {failed}"
    assert not begun, f"neither failed nor taken back: {begun}"


@then("its steps are {names}")
def step_steps(context, names):
    seen = [step["name"] for step in _deployment(context)["steps"]]
    assert seen == names.split(", "), seen


@then("each of its steps has its times and says what it did")
def step_steps_tell(context):
    for step in _deployment(context)["steps"]:
        assert step["started_at"] <= step["finished_at"], step
        assert step["detail"], step


@then('{count:d} of them answer {path:S} with "{text}"')
def step_instances_answer(context, count, path, text):
    instances = _deployment(context)["instances"]
    assert len(instances) == count, instances
    for instance in instances:
        _check_answer(instance["url"] + path, filled(text, context.names))


@then('it answers {path:S} with "{text}"')
def step_service_answers(context, path, text):
    _check_answer(_deployment(context)["instances"][0]["url"] + path, filled(text, context.names))


def _check_answer(url, text):
    answer = requests.get(url, timeout=20)
    assert answer.status_code == 200, f"{url}: {answer.status_code} {answer.text}"
    assert text in answer.text, f"{url}: {answer.text}"


@then('"{place}" is where it runs')
def step_is_its_address(context, place):
    seen = context.answer.json()[place]
    assert seen == context.names["address"], f"{place} is {seen}, not {context.names['address']}"


@then('its log says "{text}"')
def step_log_says(context, text):
    log = _log_text(context)
    assert filled(text, context.names) in log, log


@then('neither its log nor the daemon\'s mentions "{text}"')
def step_logs_never_mention(context, text):
    log = _log_text(context)
    assert text not in log, log
    assert text not in context.gateway.log.read_text(), f"{text} is in {context.gateway.log}"


def _log_text(context) -> str:
    asker = getattr(context, "asker", "a member")
    answer = context.client.call(asker, "GET", filled("/v1/deployments/{deployment}/log", context.names))
    assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
    return "\n".join(entry["text"] for entry in answer.json()["log"])


@when("{who:Who} undeploys it")
def step_undeploy(context, who):
    undeploy(context.client, who, context.names["deployment"], time.monotonic() + _GONE_IN)


@when("its service on server {number:d} is stopped over SSH")
def step_stop_service(context, number):
    deployment = _deployment(context)
    instance = deployment["instances"][number]
    context.names["address"] = instance["address"]
    unit = f"gateway-{deployment['service']}.service"
    context.shared.run(instance["address"], instance["host_key"], f"sudo systemctl stop {unit}")


@then("nothing is left of it in Nova, Neutron and Keystone")
def step_nothing_left(context):
    context.clearing.assert_nothing_left(time.monotonic() + _GONE_IN)


@then("Nova has the server {server}")
def step_nova_has(context, server):
    server_id = filled(server, context.names)
    assert clouds.as_user("a member").compute.find_server(server_id), f"Nova has no server {server_id}"


@then("Nova has {count:d} server of it")
@then("Nova has {count:d} servers of it")
def step_nova_has_of_it(context, count):
    service = context.wish["service"]
    found = [server.name for server in clouds.as_user("a member").compute.servers() if service in server.name]
    assert len(found) == count, found


@then("it no longer answers")
def step_no_longer_answers(context):
    url = f"http://{context.names['address']}:{yaml.safe_load(context.service)['port']}/"
    try:
        answer = requests.get(url, timeout=5)
    except requests.RequestException:
        return
    raise AssertionError(f"{url} still answers {answer.status_code}")
