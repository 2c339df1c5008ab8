"""Clients that know no Keystone: the seed's variables, its routes over HTTP, HTTPS and gRPC."""

import json
import subprocess

import requests
from behave import given, then, when
from harness import certificates, clouds, seed_client
from harness.gatewayd import Gatewayd, free_port
from harness.names import filled
from harness.own import own_gateway

_TIMEOUT = 60


@given("a gateway of the scenario's own with the seed's variables")
def step_own(context):
    _own(context, {}, {})


@given("a gateway of the scenario's own with the seed's variables and {name:w}={value:S}")
def step_own_with_variable(context, name, value):
    _own(context, {}, {name: value})


@given("a gateway of the scenario's own with the seed's variables, read from {network:S} alone")
def step_own_with_network(context, network):
    _own(context, {"allowed_networks": network}, {})


def _own(context, options, variables):
    cert_file, key_file = certificates.self_signed(context.folder)
    ports = {name: free_port() for name in ("HTTP", "HTTPS", "RPC")}
    given = {f"RG_{name}_PORT": str(port) for name, port in ports.items()}
    given |= {
        "RG_CERT_FILE": str(cert_file),
        "RG_KEY_FILE": str(key_file),
        "RG_TIMEOUT": "2",
        "RG_RETRIES": "1",
    }
    project = {"project_id": clouds.as_user("a member").current_project_id}
    own_gateway(context, {"standalone": project | options}, given | variables)
    context.ports, context.trusted = ports, cert_file


@when("a client without a token calls {scheme:w} {method:w} {path:S}")
def step_call(context, scheme, method, path):
    _call(context, scheme, method, path)


def _call(context, scheme, method, path):
    data = None if context.text is None else filled(context.text, context.names).encode()
    with requests.Session() as session:
        session.trust_env = False
        context.answer = session.request(
            method,
            f"{scheme.lower()}://127.0.0.1:{context.ports[scheme]}{filled(path, context.names)}",
            data=data,
            headers={"Content-Type": "application/json"} if data else {},
            verify=str(context.trusted),
            timeout=_TIMEOUT,
        )


@when("a client without a token asks gRPC for {method:w}")
def step_ask(context, method):
    request = json.loads(filled(context.text or "{}", context.names))
    context.answer = seed_client.call(f"127.0.0.1:{context.ports['RPC']}", method, request, None)


@given("a signature for {type:w} at {host:S}")
def step_signature(context, type, host):
    body = {"type": type, "host": filled(host, context.names)}
    answer = context.client.call("a member", "POST", "/registry/tokens", json=body)
    assert answer.status_code == 201, answer.text
    context.names["token"] = answer.json()["token"]


@then("{calls:d} calls of {scheme:w} {path:S} name {names}")
def step_in_turn(context, calls, scheme, path, names):
    """By as many API processes as there are, each with turns of its own."""
    seen = []
    for _ in range(calls):
        _call(context, scheme, "GET", path)
        seen.append(context.answer.json()["name"])
    wanted = names.split(" and ")
    assert set(seen) == set(wanted), seen
    assert all(abs(seen.count(name) - calls / len(wanted)) <= 2 for name in wanted), seen


@when("I start a gatewayd with {name:w}={value:S}")
def step_start_with_variable(context, name, value):
    daemon = Gatewayd(context.folder / f"gatewayd-{name}", {}, {name: value})
    context.ended = subprocess.run(
        daemon.command, capture_output=True, text=True, timeout=60, env=daemon.environment
    )


@then("the web service {name:w} was asked {times:d} times")
def step_asked(context, name, times):
    assert context.web[name].times == times, context.web[name].times
