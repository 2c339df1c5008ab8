"""The daemon from outside: its signals, its end, its start."""

import concurrent.futures
import signal
import socket
import subprocess
import time

from behave import given, then, when
from harness.asking import call
from harness.gatewayd import Gatewayd
from harness.names import filled
from harness.own import own_gateway

_BEGINS_IN = 300


@given("a gateway of the scenario's own")
def stepown_gateway(context):
    own_gateway(context, {})


@given("a gateway of the scenario's own with [{section:w}] {option:w} = {value}")
def step_own_gateway_with(context, section, option, value):
    own_gateway(context, {section: {option: filled(value, context.names)}})


@given("a gateway of the scenario's own with these options")
def step_own_gateway_with_options(context):
    options = {}
    for row in context.table:
        options.setdefault(row["section"], {})[row["option"]] = row["value"]
    own_gateway(context, options)


@when("the daemon is told to stop")
def step_stop(context):
    context.gateway.signal(signal.SIGTERM)


@when("its configuration becomes [{section:w}] {option:w} = {value}")
def step_reconfigure(context, section, option, value):
    context.gateway.configure({section: {option: value}})


@when("the daemon is told to reload")
def step_reload(context):
    context.gateway.signal(signal.SIGHUP)


@when("the daemon is killed")
def step_kill(context):
    context.gateway.kill()


@when("the daemon is started again")
def step_start_again(context):
    context.gateway.start()


@then("the daemon still runs")
def step_still_runs(context):
    assert context.gateway.running, context.gateway.tail()


@then("the daemon ends with {code:d}")
def step_ends(context, code):
    assert context.gateway.exit_code() == code, context.gateway.tail()


@when("{who:Who} begins to register {name:w}")
def step_begin_to_register(context, who, name):
    """Returns once the daemon is in the middle of it: the web service has been asked how it is."""
    web = context.web[name]
    service = {"proto": "http", "type": name, "host": web.host, "port": web.port, "health": "/health"}
    pool = concurrent.futures.ThreadPoolExecutor(1)
    context.begun = pool.submit(context.client.call, who, "POST", "/registry/service", json=service)
    assert web.seen.wait(30), "no health check came"


@when("the health check of {name:w} comes to its end")
def step_release(context, name):
    context.web[name].release()


@then("the request that was begun is answered {status:d}")
def step_begun_answered(context, status):
    answer = context.begun.result(60)
    assert answer.status_code == status, f"{answer.status_code} {answer.text}"


@when("its step {name:w} is running")
def step_step_running(context, name):
    deadline = time.monotonic() + _BEGINS_IN
    path = f"/v1/deployments/{context.names['deployment']}"
    while True:
        deployment = call(context, "a member", "GET", path).json()["deployment"]
        states = [step["state"] for step in deployment["steps"] if step["name"] == name]
        if "running" in states:
            return
        assert deployment["status"] in ("pending", "running"), deployment
        assert time.monotonic() < deadline, deployment
        time.sleep(0.2)


@when("I start a gatewayd whose port is taken")
def step_start_twice(context):
    daemon = Gatewayd(context.folder / "gatewayd-twice")
    with socket.create_server(("127.0.0.1", daemon.port)):
        context.ended = subprocess.run(daemon.command, capture_output=True, text=True, timeout=60)


@then('it ends with {code:d} and says "{text}"')
def step_ended_with(context, code, text):
    said = [line for line in context.ended.stderr.splitlines() if line.startswith("gatewayd: ")]
    assert "Traceback" not in context.ended.stderr, context.ended.stderr
    assert context.ended.returncode == code, f"{context.ended.returncode}: {said}"
    assert len(said) == 1, said
    assert text in said[0], said


@when("another gatewayd starts with its configuration and the role {role:w}")
def step_another(context, role):
    context.ran = subprocess.run(
        [*context.gateway.command, "--role", role], capture_output=True, text=True, timeout=120
    )
