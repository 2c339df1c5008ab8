"""Web services that are registered, and how the registry chooses among them."""

import collections
import concurrent.futures
import json
import time
import urllib.parse

from behave import given, then, when
from harness.asking import SOON, call, found, soon
from harness.names import filled
from harness.web import WebService

from gateway.tests import databases


@given("a web service {name:w} whose health check is answered {answer}")
def step_web_service(context, name, answer):
    web = WebService(context.names["here"], answer)
    context.add_cleanup(web.stop)
    context.web = {**getattr(context, "web", {}), name: web}
    context.names[f"{name}_port"] = web.port


@when("the health check of {name:w} is answered {answer} from now on")
def step_answers_otherwise(context, name, answer):
    context.web[name].answer = answer


@when("the web service {name:w} stops")
def step_web_service_stops(context, name):
    context.web[name].stop()


@when("{who:Who} registers {name:w}")
def step_register(context, who, name):
    _register(context, who, name, name)


@when("{who:Who} registers {name:w} as another {type:w}")
def step_register_as(context, who, name, type):
    _register(context, who, name, type)


@when("{who:Who} adds the service {type:S} {version:S}")
def step_add(context, who, type, version, tags="[]"):
    """On a port of its own."""
    step_web_service(context, "added", "200")
    _register(context, who, "added", type, version=version, tags=json.loads(tags))


@when("{who:Who} adds the service {type:S} {version:S} with the tags {tags:Json}")
def step_add_tagged(context, who, type, version, tags):
    step_add(context, who, type, version, tags)


@when("{who:Who} adds the service {type:S} {version:S} with the weight {weight:d}")
def step_add_weighted(context, who, type, version, weight):
    step_web_service(context, "added", "200")
    _register(context, who, "added", type, version=version, weight=weight)


@when("{who:Who} searches for {type:S} without a version")
def step_search(context, who, type):
    call(context, who, "GET", "/registry/service", params={"type": type})


@when("{who:Who} searches for {type:S} {version:S}")
def step_search_version(context, who, type, version):
    call(context, who, "GET", "/registry/service", params={"type": type, "version": version})


@then("{count:d} services are found")
def step_found(context, count):
    services = found(context.answer, "services")
    assert len(services) == count, services


@then("{count:d} services are found, each of them {type:S} {version:S}")
def step_found_each(context, count, type, version):
    step_found(context, count)
    for service in found(context.answer, "services"):
        assert (service["type"], service["version"]) == (type, version), service


@when("{who:Who} updates {name:S} to the version {version:S}")
def step_update(context, who, name, version):
    whole = call(context, who, "GET", f"/registry/service/{name}").json()
    kept = {field: whole[field] for field in ("proto", "host", "port", "health")}
    call(context, who, "PUT", f"/registry/service/{name}", json={**kept, "version": version})


@when("{who:Who} removes {name:S}")
def step_remove(context, who, name):
    call(context, who, "DELETE", f"/registry/service/{name}")


@when('{who:Who} follows "{place}"')
def step_follow(context, who, place):
    href = urllib.parse.urlsplit(found(context.answer, place))
    call(context, who, "GET", f"{href.path}?{href.query}")


def _register(context, who, name, type, **fields):
    web = context.web[name]
    place = {"proto": "http", "type": type, "host": web.host, "port": web.port, "health": "/health"}
    call(context, who, "POST", "/registry/service", json={**place, **fields})
    context.add_cleanup(_forget, context.client, who, context.answer)


def _forget(client, who, answer):
    """Types begin anew in the next scenario."""
    if answer.status_code == 201:
        client.call(who, "DELETE", f"/registry/service/{answer.json()['instance']}")


@then("of {calls:d} calls of GET {path:S} {first:d} name {name:S} and {second:d} name {other:S}")
def step_shares(context, calls, path, first, name, second, other):
    _check_shares(context, calls, path, {name: first, other: second})


@when("every API process knows of {name:S}")
def step_known(context, name):
    """At once where the database is SQLite, which tells of each commit; soon elsewhere."""
    path = f"/registry/service/types/{name.rpartition('-')[0]}/best?explain=true"
    deadline = time.monotonic() + (SOON if databases.SERVER else 0)
    while True:
        told = [found(call(context, "a member", "GET", path), "explanation") for _ in range(20)]
        if all(any(each["instance"] == name for each in explained) for explained in told):
            return
        assert time.monotonic() < deadline, f"not every API process knows of {name}"
        time.sleep(0.1)


_CALLERS = 4


@then("of {calls:d} calls of GET {path:S} the shares are {shares} %, within {margin:d} % of each")
def step_exact_shares(context, calls, path, shares, margin):
    wanted = [int(share) for share in shares.replace(" and ", ", ").split(", ")]
    with concurrent.futures.ThreadPoolExecutor(_CALLERS) as pool:
        rounds = [pool.submit(_names, context.client, path, calls // _CALLERS) for _ in range(_CALLERS)]
        seen = sum((each.result() for each in rounds), collections.Counter())
    for ordinal, share in enumerate(wanted):
        (count,) = (count for name, count in seen.items() if name.endswith(f"-{ordinal}"))
        assert abs(count / calls - share / 100) <= share / 100 * margin / 100, seen


def _names(client, path, calls) -> collections.Counter:
    return collections.Counter(client.call("a member", "GET", path).json()["name"] for _ in range(calls))


@then("soon of {calls:d} calls of GET {path:S} {first:d} name {name:S}")
def step_soon_share(context, calls, path, first, name):
    """Once every API process has seen it."""
    deadline = time.monotonic() + SOON
    while True:
        try:
            return _check_shares(context, calls, path, {name: first})
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@then("of {calls:d} calls of GET {path:S} {first:d} name {name:S}")
def step_share(context, calls, path, first, name):
    _check_shares(context, calls, path, {filled(name, context.names): first})


def _check_shares(context, calls, path, wanted):
    """Each API process takes its turns by itself, so a share may be a few off."""
    names = [found(call(context, "a member", "GET", path), "name") for _ in range(calls)]
    seen = collections.Counter(names)
    assert set(seen) == set(wanted), seen
    for name, count in wanted.items():
        assert abs(seen[name] - count) <= calls // 10, seen


@then('soon "{place}" of GET {path:S} is "{value}"')
def step_soon_value(context, place, path, value):
    soon(context, path, lambda answer: _has(answer, place, value))


def _has(answer, place, value):
    try:
        return answer.status_code == 200 and found(answer, place) == value
    except AssertionError:  # not there yet
        return False


@then("soon GET {path:S} answers {status:d}")
def step_soon_status(context, path, status):
    soon(context, path, lambda answer: answer.status_code == status)


@then("it has a header {header:S}")
def step_has_header(context, header):
    assert context.answer.headers.get(header), context.answer.headers
