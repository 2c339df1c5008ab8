"""How instances are checked, and what is read of them."""

import concurrent.futures
import json
import time

import grpc
from behave import given, then, when
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from harness import clouds
from harness.asking import SOON, call, found, soon
from harness.names import filled
from harness.web import WebService

_STOPPED_IN = 240  # seconds: Nova asks the guest first, and waits for it


@given("a gRPC service {name:w} whose health is {state:w}")
def step_grpc_service(context, name, state):
    context.health = health.HealthServicer()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    health_pb2_grpc.add_HealthServicer_to_server(context.health, server)
    context.names[f"{name}_port"] = server.add_insecure_port(f"{context.names['here']}:0")
    server.start()
    context.add_cleanup(server.stop, None)
    _become(context, name, state)


@when("the health of {name:w} becomes {state:w}")
def step_grpc_state(context, name, state):
    _become(context, name, state)


def _become(context, name, state):
    context.health.set(name, health_pb2.HealthCheckResponse.ServingStatus.Value(state))


@when("{who:Who} registers {name:w} with the check {check:Json}")
def step_register_checked(context, who, name, check):
    service = {
        "proto": "http",
        "type": name,
        "host": context.names["here"],
        "port": context.names[f"{name}_port"],
        "check": json.loads(filled(check, context.names)),
    }
    call(context, who, "POST", "/registry/service", json=service)


@then('soon "{place}" of GET {path:S} are {count:d}')
def step_soon_count(context, place, path, count):
    soon(context, path, lambda answer: answer.ok and len(found(answer, place)) == count)


@then("the last readings of {name:S} are {count:d} {kind:w}")
def step_last_readings(context, name, count, kind):
    """At least so many, and before them, as far as they are kept, the others."""
    path = f"/registry/service/{name}/readings"
    wanted = kind == "successes"
    soon(
        context, path, lambda answer: [r["ok"] for r in answer.json()["readings"]][:count] == [wanted] * count
    )


@given("{count:d} web services {name:w} whose health checks are answered {answer}")
def step_web_services(context, count, name, answer):
    context.fleet = [WebService(context.names["here"], answer) for _ in range(count)]
    for web in context.fleet:
        context.add_cleanup(web.stop)


@when("{who:Who} registers each of {name:w} with the check {check:Json}")
def step_register_each(context, who, name, check):
    for web in context.fleet:
        service = {
            "proto": "http",
            "type": name,
            "host": web.host,
            "port": web.port,
            "check": json.loads(check),
        }
        answer = call(context, who, "POST", "/registry/service", json=service)
        assert answer.status_code == 201, answer.text


@when("the health checks of {count:d} of {name:w} are answered {answer} from now on")
def step_answer_otherwise(context, count, name, answer):
    for web in context.fleet[:count]:
        web.answer = answer


@then("soon {count:d} of {name:w} are critical")
def step_so_many_critical(context, count, name):
    path = f"/registry/service/types/{name}"

    def is_so(answer):
        return [each["status"] for each in answer.json()["services"]].count("critical") == count

    soon(context, path, is_so)


@then("soon of {calls:d} calls of GET {path:S} all {count:d} are named, and {held:d} say that they are held")
def step_named_and_held(context, calls, path, count, held):
    """Once every API process has seen it."""
    deadline = time.monotonic() + SOON
    while True:
        answers = [call(context, "a member", "GET", path).json() for _ in range(calls)]
        named = {answer["name"] for answer in answers}
        marked = {answer["name"] for answer in answers if answer.get("held")}
        if (len(named), len(marked)) == (count, held):
            return
        assert time.monotonic() < deadline, (named, marked)


@then('"{place}" of GET {path:S} is {value:Json}')
def step_value_of(context, place, path, value):
    answer = call(context, "a member", "GET", path)
    assert found(answer, place) == json.loads(value), answer.text


@then("within {seconds:d} seconds GET {path:S} is answered {status:d}")
def step_answered_within(context, seconds, path, status):
    deadline = time.monotonic() + seconds
    while call(context, "a member", "GET", path).status_code != status:
        assert time.monotonic() < deadline, context.answer.text
        time.sleep(1)


@then('soon "{place}" of GET {path:S} says "{text}"')
def step_soon_says(context, place, path, text):
    soon(context, path, lambda answer: answer.ok and text in str(found(answer, place)))


@when("its server is {done:w} in Nova")
def step_in_nova(context, done):
    """By its user, beside the gateway."""
    deployment = call(context, "a member", "GET", f"/v1/deployments/{context.names['deployment']}").json()
    server_id = deployment["deployment"]["instances"][0]["server_id"]
    compute = clouds.as_user("a member").compute
    {"stopped": compute.stop_server, "deleted": compute.delete_server}[done](server_id)
    deadline = time.monotonic() + _STOPPED_IN
    while done == "stopped" and (server := compute.find_server(server_id)) and server.status != "SHUTOFF":
        assert time.monotonic() < deadline, f"server {server_id} is still {server.status}"
        time.sleep(0.5)
