"""OpenStack that fails, and a daemon that dies, just when a scenario says so."""

import time

from behave import given, then, when
from harness import clouds, faulty
from harness.asking import call
from harness.names import filled
from harness.own import mortal_gateway, own_gateway

_SEEN_IN = 120  # seconds


@given("a gateway of the scenario's own whose Nova and Neutron can fail")
def step_faulty_gateway(context):
    region = faulty.Region()
    context.add_cleanup(region.__exit__)
    context.proxies = region.__enter__().proxies
    own_gateway(context, {"cloud": {"region_name": region.name, "interface": faulty.INTERFACE}})


@given("{service:w} answers {status:d} to {method:w} {path:S}")
def step_answers(context, service, status, method, path):
    _fails(context, service, method, path, faulty.answered(status))


@given("{service:w} answers {status:d} to {method:w} {path:S} {times:d} times")
def step_answers_times(context, service, status, method, path, times):
    _fails(context, service, method, path, faulty.answered(status), times)


@given("{service:w} cuts the connection of the first {method:w} {path:S} once it is carried out")
def step_cuts(context, service, method, path):
    _fails(context, service, method, path, faulty.cut, 1)


@given(
    "the quota of another project falls to {limit:d} {resource:w} before {service:w} gets {method:w} {path:S}"
)
def step_quota_falls(context, limit, resource, service, method, path):
    project_id = clouds.as_user("a stranger").current_project_id
    context.add_cleanup(clouds.set_quota, project_id, resource, clouds.quota(project_id, resource))
    falls = faulty.first(lambda: clouds.set_quota(project_id, resource, limit))
    _fails(context, service, method, path, falls, 1)


def _fails(context, service, method, path, happens, times=None):
    context.proxies[service].faults.append(faulty.Fault(method, path, happens, times))


@when("{service:w} is away")
def step_away(context, service):
    context.proxies[service].go_away()


@when("{service:w} is back")
def step_back(context, service):
    context.proxies[service].come_back()


@then("{service:w} has failed as it was told to")
def step_has_failed(context, service):
    left = [fault for fault in context.proxies[service].faults if fault.is_left]
    assert not left, left


@when("{who:Who} asks to undeploy it")
def step_ask_to_undeploy(context, who):
    call(context, who, "DELETE", filled("/v1/deployments/{deployment}", context.names))
    assert context.answer.status_code == 202, context.answer.text


@then('soon its log says "{text}"')
def step_soon_log_says(context, text):
    deadline = time.monotonic() + _SEEN_IN
    path = filled("/v1/deployments/{deployment}/log", context.names)
    while True:
        answer = context.client.call("a member", "GET", path)
        lines = [line["text"] for line in answer.json()["log"]]
        if any(filled(text, context.names) in line for line in lines):
            return
        assert time.monotonic() < deadline, "\n".join(lines)
        time.sleep(0.5)


@then("{names} were taken back in this order")
def step_order(context, names):
    steps = context.answer.json()["deployment"]["steps"]
    reverted = [step for step in steps if step["state"] == "reverted"]
    seen = [step["name"] for step in sorted(reverted, key=lambda step: step["finished_at"])]
    wanted = names.replace(" and ", ", ").split(", ")
    assert [name for name in seen if name in wanted] == wanted, seen


@given("a gateway of the scenario's own that dies when it is told to")
def step_mortal_gateway(context):
    mortal_gateway(context)


@given("a gateway of the scenario's own that dies when it is told to and takes artifacts of {size:d} MiB")
def step_mortal_gateway_large(context, size):
    mortal_gateway(context, {"deploy": {"max_artifact": size * 1024 * 1024}})


@when("the daemon is to die in the middle of its step {step:w} of target {target:d}")
def step_to_die(context, step, target):
    context.crash.at(step, target, "call 1")


@when("the daemon is to die in the middle of taking back its step {step:w} of target {target:d}")
def step_to_die_going_back(context, step, target):
    context.crash.at(f"undo {step}", target, "call 1")


@when("the daemon has died")
def step_has_died(context):
    context.crash.has_died(context.gateway)


@given("the key that opens the two servers")
def step_shared_key(context):
    context.names["shared_key"] = context.shared.private_key().replace("\n", "\\n")
