"""Tools that people have, run for real: py-consul and dig."""

import concurrent.futures
import json
import os
import subprocess
import time

import consul
import requests
from behave import given, then, when
from harness import clouds
from harness.gatewayd import free_port
from harness.names import filled
from harness.own import own_gateway
from harness.running import NODE_MODULES

_TIMEOUT = 60


def _project() -> str:
    return clouds.as_user("a member").current_project_id


@then("the answer is {value:Json}")
def step_whole_answer(context, value):
    assert context.answer.json() == json.loads(filled(value, context.names)), context.answer.text


# Consul


@given("a gateway of the scenario's own with Consul's port")
def step_consul(context):
    _own_consul(context, {})


@given("a gateway of the scenario's own with Consul's port, for the member's project")
def step_consul_of_member(context):
    _own_consul(context, {"project_id": _project()})


def _own_consul(context, options):
    context.consul_port = free_port()
    own_gateway(context, {"consul": options | {"port": context.consul_port}})


def _consul(context, token: str | None = None) -> consul.Consul:
    return consul.Consul("127.0.0.1", context.consul_port, token=token)


def _listed(text: str) -> set[str]:
    return set() if text == "nothing" else set(text.replace(" and ", ", ").split(", "))


@then("py-consul's catalog.services has {name:w} with the tags {tags}")
def step_catalog(context, name, tags):
    _, services = _consul(context).catalog.services()
    assert set(services[name]) == _listed(tags), services


@then("py-consul's catalog.service of {name:w} names {names}")
def step_catalog_service(context, name, names):
    _, found = _consul(context).catalog.service(name)
    assert {each["ServiceID"] for each in found} == _listed(names), found


@then("py-consul's health.service of {name:w} names {names}")
def step_health(context, name, names):
    _check_health(context, name, names)


@then("py-consul's health.service of {name:w}, passing, names {names}")
def step_health_passing(context, name, names):
    _check_health(context, name, names, passing=True)


@then("py-consul's health.service of {name:w}, tagged {tag:w}, names {names}")
def step_health_tagged(context, name, tag, names):
    _check_health(context, name, names, tag=tag)


def _check_health(context, name, names, **asked):
    _, found = _consul(context).health.service(name, **asked)
    assert {each["Service"]["ID"] for each in found} == _listed(names), found


@then("py-consul sees {name:S} at {host:S} port {port:S} weight {weight:d}, {status:w}")
def step_consul_sees(context, name, host, port, weight, status):
    host, port = filled(host, context.names), int(filled(port, context.names).strip(","))
    _, found = _consul(context).health.service(name.rpartition("-")[0])
    (each,) = [each for each in found if each["Service"]["ID"] == name]
    service, (check,) = each["Service"], each["Checks"]
    assert (service["Address"], service["Port"], check["Status"]) == (host, port, status), each
    assert service["Weights"]["Passing"] == weight, each
    assert each["Node"]["Datacenter"] == "gateway", each


@when("py-consul waits for another health.service of {name:w}")
def step_wait(context, name):
    _wait(context, name, "60s")


@when("py-consul waits {seconds:d} s for another health.service of {name:w}")
def step_wait_seconds(context, seconds, name):
    _wait(context, name, f"{seconds}s")


def _wait(context, name, wait):
    """From the state that is now: py-consul asks in a thread, whose request is surely under way soon."""
    client = _consul(context)
    context.index, _ = client.health.service(name)
    pool = concurrent.futures.ThreadPoolExecutor(1)
    ask = {"index": context.index, "wait": wait}
    context.waited = pool.submit(lambda: client.health.service(name, **ask))


@then("what py-consul waited for names {names}")
def step_waited(context, names):
    index, found = context.waited.result(_TIMEOUT)
    assert {each["Service"]["ID"] for each in found} == _listed(names), found
    assert int(index) > int(context.index), (index, context.index)


@then("what py-consul waited for last is as it was")
def step_waited_in_vain(context):
    index, found = context.waited.result(_TIMEOUT)
    assert (index, found) == (context.index, []), (index, found)


@then("py-consul with {who:Who}'s token finds {name:w}")
def step_finds(context, who, name):
    assert _found_with_token(context, who, name)


@then("py-consul with {who:Who}'s token does not find {name:w}")
def step_finds_not(context, who, name):
    assert not _found_with_token(context, who, name)


def _found_with_token(context, who, name):
    _, found = _consul(context, clouds.as_user(who).auth_token).health.service(name, passing=True)
    return found


@then("the token of {who:Who} in a query is not in the log")
def step_not_in_log(context, who):
    token = clouds.as_user(who).auth_token
    with requests.Session() as session:
        session.trust_env = False
        url = f"http://127.0.0.1:{context.consul_port}/v1/catalog/services"
        answer = session.get(url, params={"token": token}, timeout=_TIMEOUT)
    assert answer.status_code == 200, answer.text
    assert "/v1/catalog/services" in context.gateway.log.read_text()
    assert token not in context.gateway.log.read_text()


@then("py-consul without a token is refused")
def step_refused(context):
    try:
        found = _consul(context).catalog.services()
    except consul.ACLPermissionDenied:
        return
    raise AssertionError(found)


@when("a client of Consul's calls {method:w} {path:S}")
def step_consul_call(context, method, path):
    with requests.Session() as session:
        session.trust_env = False
        url = f"http://127.0.0.1:{context.consul_port}{path}"
        context.answer = session.request(method, url, timeout=_TIMEOUT)


@then('Consul\'s port answers {status:d}, which says "{says}"')
def step_consul_answers(context, status, says):
    _check_answer(context, status, says)


@then('Consul\'s port answers {status:d}, which says ""')
def step_consul_answers_only(context, status):
    _check_answer(context, status, "")


def _check_answer(context, status, says):
    answer = context.answer
    assert answer.status_code == status, f"{answer.status_code} {answer.text}"
    assert says in answer.text, answer.text


_NODE = """
const Consul = require("consul");
const consul = new Consul({host: "127.0.0.1", port: Number(process.argv[1])});
const say = (what) => console.log(JSON.stringify(what));
(async () => {
  say(await consul.catalog.service.list());
  const options = {service: process.argv[2], passing: true};
  const watch = consul.watch({method: consul.health.service, options, backoffFactor: 100});
  watch.on("error", (error) => { say(error.message); process.exit(1); });
  watch.on("change", (found) => {
    say(found.map((each) => each.Service.ID));
    if (!found.length) { watch.end(); process.exit(0); }
  });
})();
"""


@then("npm's consul lists {type:w} with the tag {tag:w}, and watches {name:S} go")
def step_node(context, type, tag, name):
    command = ["node", "-e", _NODE, str(context.consul_port), type]
    environment = {**os.environ, "NODE_PATH": str(NODE_MODULES)}
    node = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    context.add_cleanup(node.kill)
    listed, seen = (json.loads(node.stdout.readline()) for _ in range(2))
    assert (listed, seen) == ({type: [tag]}, [name]), (listed, seen)
    answer = context.client.call("a member", "DELETE", f"/registry/service/{name}")
    assert answer.ok, answer.text
    assert json.loads(node.stdout.readline()) == []
    assert node.wait(_TIMEOUT) == 0


# DNS


@given("a gateway of the scenario's own with a DNS port")
def step_dns(context):
    _own_dns(context, {})


@given("a gateway of the scenario's own with a DNS port and [dns] {option:w} = {value}")
def step_dns_with(context, option, value):
    _own_dns(context, {option: value})


def _own_dns(context, options):
    context.dns_port = free_port()
    own_gateway(context, {"dns": {"port": context.dns_port, "project_id": _project()} | options})


def _dig(context, *arguments: str) -> str:
    command = ["dig", "@127.0.0.1", "-p", str(context.dns_port), "+tries=3", "+time=10", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT).stdout


@then("dig {arguments} prints {said}")
def step_dig(context, arguments, said):
    wanted = "" if said == "nothing" else filled(said, context.names)
    seen = _dig(context, *arguments.split()).strip()
    assert seen == wanted, seen


@then("soon dig {arguments} prints {said}")
def step_dig_soon(context, arguments, said):
    """Once the role that answers has come up."""
    wanted, deadline = filled(said, context.names), time.monotonic() + _TIMEOUT
    while (seen := _dig(context, *arguments.split()).strip()) != wanted:
        assert time.monotonic() < deadline, seen
        time.sleep(0.5)


@then("dig {arguments} has {parts}")
def step_dig_has(context, arguments, parts):
    seen = _dig(context, *arguments.split())
    for part in _listed(parts):
        assert part in seen, f"no {part!r} in:\n{seen}"


@when("dig asks {times:d} times for {name:S} by UDP")
def step_dig_often(context, times, name):
    _wait_for_dns(context)
    context.dug = [_dig(context, "+ignore", name, "A") for _ in range(times)]


def _wait_for_dns(context):
    deadline = time.monotonic() + _TIMEOUT
    while "status:" not in _dig(context, "+tcp", "gateway", "SOA"):
        assert time.monotonic() < deadline, "no answer from the DNS port"
        time.sleep(0.5)


@then("dig is told at least once to come by TCP")
def step_told(context):
    assert any(" tc" in seen.partition("flags:")[2].partition(";")[0] for seen in context.dug), context.dug[
        -1
    ]
