"""Real databases as providers, clients that log in to them, and what is left on their servers."""

import contextlib
import json
import re
import threading
import time
import urllib.parse

import requests
from behave import given, then, when
from harness import databases
from harness.asking import SOON, attach, call, detach_all, found, soon
from harness.names import address_here, filled
from harness.tcp_proxy import Proxy


@given("a {type:w} server")
def step_server(context, type):
    _serve(context, type, databases.server(context, type).port)


@given("a {type:w} server behind a proxy")
def step_server_behind(context, type):
    proxy = Proxy(databases.server(context, type).port)
    context.add_cleanup(proxy.go_away)
    _serve(context, type, proxy.port)
    context.database_proxies[type] = proxy


@given("a {type:w} server with the plan {plan:S}")
@given("a {type:w} server with the plan {plan:S}: {limits}")
def step_attached(context, type, plan, limits="{}"):
    step_server(context, type)
    _attach(context, type, {plan: json.loads(limits)})


@given("a {type:w} server with the plans free and big")
def step_attached_two(context, type):
    step_server(context, type)
    _attach(context, type, {"free": {}, "big": {}})


@given("a {type:w} server behind a proxy, with the plan {plan:S}")
def step_attached_behind(context, type, plan):
    step_server_behind(context, type)
    _attach(context, type, {plan: {}})


@given("a {type:w} server that deployments reach, with the plan {plan:S}")
def step_attached_reachable(context, type, plan):
    """By the address that this machine has in their network."""
    proxy = Proxy(databases.server(context, type).port, address_here())
    context.add_cleanup(proxy.go_away)
    _serve(context, type, proxy.port)
    _attach(context, type, {plan: {}}, address_here())


def _serve(context, type, port):
    if not hasattr(context, "database_servers"):
        context.database_servers, context.database_proxies = {}, {}
        context.credentials = {}
    context.database_servers[type] = databases.server(context, type)
    context.names |= {f"{type}_port": port, "manager": databases.USERNAME, "password": databases.PASSWORD}
    context.add_cleanup(_detach_all, context)


def _attach(context, type, plans, host="127.0.0.1"):
    provider = {
        "name": f"the-{type}",
        "type": type,
        "host": host,
        "port": context.names[f"{type}_port"],
        "username": databases.USERNAME,
        "password": databases.PASSWORD,
        "plans": plans,
    }
    attach(context, provider)


def _detach_all(context):
    """And asks the servers themselves whether anything is left."""
    detach_all(context)
    for server in context.database_servers.values():
        assert not server.things(), server.things()


@given("a file {name:w} with its manager's password")
def step_password_file(context, name):
    path = context.folder / name
    path.write_text(context.names["password"] + "\n")
    context.add_cleanup(path.unlink)
    context.names[name] = path


@given("a file {name:w} with this plan")
def step_plan_file(context, name):
    path = context.folder / name
    path.write_text(filled(context.text, context.names))
    context.add_cleanup(path.unlink)
    context.names[name] = path


@given("{who:Who} has a service {name:S} of {type:w}")
@when("{who:Who} has a service {name:S} of {type:w}")
def step_service(context, who, name, type):
    """Of the plan free."""
    wanted = {"type": type, "plan": "free", "name": name}
    answer = call(context, who, "POST", "/v1/services", json={"service": wanted})
    assert answer.status_code == 201, answer.text
    context.credentials[name] = answer.json()["service"]["credentials"]


@given('the credentials in "{place}" are those of {name:S}')
@then('the credentials in "{place}" are those of {name:S}')
def step_credentials(context, place, name):
    context.credentials = {**getattr(context, "credentials", {}), name: found(context.answer, place)}


@then('"{place}" is like {pattern:S}')
def step_like(context, place, pattern):
    seen = found(context.answer, place)
    assert re.fullmatch(filled(pattern, context.names), seen), seen


@when('a client writes "{text}" with the credentials of {name:S}')
@then('a client writes "{text}" with the credentials of {name:S}')
def step_write(context, text, name):
    with databases.client(context.credentials[name]) as client:
        client.write(text)


@then('a client reads "{texts}" with the credentials of {name:S}')
def step_read(context, texts, name):
    with databases.client(context.credentials[name]) as client:
        seen = client.read()
        assert seen == texts.split(", "), seen


@then("a client with the credentials of {name:S} may alter what it reads")
def step_alter(context, name):
    with databases.client(context.credentials[name]) as client:
        client.alter()


@then("a client with the credentials of {name:S} cannot look into {other:S}")
def step_cannot_look(context, name, other):
    with databases.client(context.credentials[name]) as client:
        client.read()  # as it may look into its own
    with _refused(), databases.client(context.credentials[name]) as client:
        client.look_into(context.credentials[other])


@then("{count:d} of them answer / with the login of {name:S}")
def step_login_seen(context, count, name):
    (url,) = (value for key, value in context.credentials[name].items() if key.endswith("_URL"))
    login = urllib.parse.urlsplit(url).username
    context.execute_steps(f'Then {count} of them answer / with "{login}"')


@then("no client can log in with the credentials of {name:S}")
def step_cannot_log_in(context, name):
    with _refused(), databases.client(context.credentials[name]):
        pass


@then("a client that is logged in with the credentials of {name:S} is thrown out by {method:w} {path:S}")
def step_thrown_out(context, name, method, path):
    with _refused(), databases.client(context.credentials[name]) as client:
        client.read()
        answer = call(context, "a member", method, filled(path, context.names))
        assert answer.status_code == 204, answer.text
        with contextlib.suppress(OSError):  # how it is told is the driver's
            client.read()
            return
        raise databases.Refused


@then("{count:d} clients with the credentials of {name:S} can be logged in at the same time")
def step_clients(context, count, name):
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(databases.client(context.credentials[name]))
        with _refused(), databases.client(context.credentials[name]):
            pass


@then("a client with the credentials of {name:S} cannot have a statement run for {seconds:d} s")
def step_statement(context, name, seconds):
    with _refused(), databases.client(context.credentials[name]) as client:
        client.sleep(seconds)


@contextlib.contextmanager
def _refused():
    try:
        yield
    except databases.Refused:
        return
    raise AssertionError("it is not refused")


@then("soon the size of service {name:S} is more than {count:d} bytes")
def step_size(context, name, count):
    soon(context, f"/v1/services/{name}", lambda answer: (found(answer, "service.size") or 0) > count)


@then("the {type:w} server has nothing of the broker's")
def step_nothing(context, type):
    things = context.database_servers[type].things()
    assert not things, things


@then("soon the {type:w} server has nothing of the broker's")
def step_soon_nothing(context, type):
    deadline = time.monotonic() + SOON
    while things := context.database_servers[type].things():
        assert time.monotonic() < deadline, things
        time.sleep(0.2)


@then("the {type:w} server has {count:d} databases of the broker's")
@then("the {type:w} server has {count:d} database of the broker's")
def step_databases(context, type, count):
    things = context.database_servers[type].things()
    assert len([each for each in things if each.startswith("database ")]) == count, things


@then("no password of {name:S} is in the daemon's files or its log")
def step_no_password(context, name):
    url = next(value for key, value in context.credentials[name].items() if key.endswith("_URL"))
    password = url.split(":")[2].split("@")[0].encode()
    assert len(password) > 20, url
    for path in [context.gateway.log, *context.gateway.state.rglob("*")]:
        assert not path.is_file() or password not in path.read_bytes(), path


@when("the proxy of {type:w} goes away")
def step_proxy_goes(context, type):
    context.database_proxies[type].go_away()


@when("the proxy of {type:w} comes back")
def step_proxy_comes(context, type):
    context.database_proxies[type].come_back()


@given('answers of {type:w} get lost once it is told to "{text}"')
def step_lose(context, type, text):
    context.database_proxies[type].lose_answers_after(text.encode())


@given('answers of {type:w} wait once it is told to "{text}"')
def step_hold(context, type, text):
    context.database_proxies[type].hold_answers_after(text.encode())


@then("answers of mysql, postgresql and redis have got lost")
def step_lost(context):
    for type, proxy in context.database_proxies.items():
        assert proxy.has_lost.wait(SOON), f"{type} was told nothing of the kind"


@when("answers come through again")
def step_mend(context):
    for proxy in context.database_proxies.values():
        proxy.mend()


@when("{who:Who} begins to have a service {name:S} of {type:S}")
def step_begin_service(context, who, name, type):
    wanted = {"type": type, "plan": "free", "name": name}
    _begin(context, who, "POST", "/v1/services", {"service": wanted})


@when("{who:Who} begins on a server to have a service {name:S} of {type:w}")
def step_begin_on_server(context, who, name, type):
    """Of the plan small."""
    context.clearing.begin(context.client)
    _begin(context, who, "POST", "/v1/services", {"service": {"type": type, "plan": "small", "name": name}})


@when("{who:Who} begins to call DELETE {path:S}")
def step_begin(context, who, path):
    _begin(context, who, "DELETE", path, None)


def _begin(context, who, method, path, body):
    """Nobody waits for the answer: the daemon may be killed meanwhile."""

    def ask():
        with contextlib.suppress(requests.ConnectionError):
            context.client.call(who, method, path, json=body)

    threading.Thread(target=ask, daemon=True).start()


@then("the services of-mysql, of-postgresql and of-redis are soon ready, and clients log in")
def step_soon_ready(context):
    for type in context.database_proxies:
        soon(context, f"/v1/services/of-{type}", lambda answer: found(answer, "service.status") == "ready")
        with databases.client(found(context.answer, "service.credentials")) as client:
            client.write("here")
            assert client.read() == ["here"]


@then("no server has anything of the broker's")
def step_no_server_has(context):
    for type in context.database_servers:
        step_nothing(context, type)
