"""Two gateways on one PostgreSQL and one etcd, and what they check."""

import subprocess
import time

from behave import given, then, when
from harness import databases
from harness.client import Client
from harness.gatewayd import Gatewayd
from harness.names import address_here
from harness.own import own_gateway
from several.watched import Watched

from gateway.tests.database_servers import PostgreSQL
from gateway.tests.databases import made
from gateway.tests.etcd import Etcd

_REFUSED_IN = 120  # seconds
_TOLD_IN = 60
_TYPE = "several"


@given("two gateways that share a PostgreSQL and an etcd")
def step_two(context):
    etcd = Etcd(context.folder / "etcd").start()
    context.add_cleanup(etcd.stop)
    url = made("several", databases.server(context, PostgreSQL.type).url)
    options = {
        "database": {"connection": url},
        "coordination": {"backend_url": etcd.url},
        "secrets": {"key_repository": context.folder / "several-keys"},
    }
    context.pair = []
    for _ in range(2):
        own_gateway(context, options)
        context.pair.append(context.gateway)
    context.asked = Client(context.pair[0].url, context.called)


@given("{count:d} services that are checked each second")
def step_watched(context, count):
    context.watched = Watched(count, address_here())
    place = {"proto": "http", "type": _TYPE, "host": address_here()}
    for port in context.watched.ports:
        body = {**place, "port": port, "check": {"interval": 1}}
        answer = context.asked.call("a member", "POST", "/registry/service", json=body)
        assert answer.status_code == 201, answer.text
    context.index = _changes(context, context.pair[1])["index"]
    context.dead = None


def _changes(context, gateway: Gatewayd, **query) -> dict:
    path = f"/registry/changes?type={_TYPE}" + "".join(f"&{name}={value}" for name, value in query.items())
    answer = Client(gateway.url, context.called).call("a member", "GET", path)
    assert answer.status_code == 200, answer.text
    return answer.json()


@when("the first gateway is killed")
def step_kill(context):
    context.pair[0].kill()
    context.since = time.monotonic()


@when("the first gateway is started again, and the second one stands still")
def step_swap(context):
    first, second = context.pair
    first.start()
    second.freeze()
    context.add_cleanup(second.thaw)
    context.since = time.monotonic()


@when("the second gateway goes on")
def step_thaw(context):
    context.pair[1].thaw()
    context.since = time.monotonic()


@then("all of them are checked again within {seconds:d} seconds")
def step_checked(context, seconds):
    """What the other monitor had is checked only once it is taken over."""
    since = context.since + 1
    while unasked := [port for port in context.watched.ports if not context.watched.askers(port, since)]:
        assert time.monotonic() < context.since + seconds, f"not checked: {unasked}"
        time.sleep(0.1)


@when("one of them dies")
def step_die(context):
    context.dead = context.watched.ports[0]
    context.watched.dead.add(context.dead)


@then("it is told as critical, and no other is")
def step_told(context):
    deadline = time.monotonic() + _TOLD_IN
    while _critical(context, context.pair[1]) != {context.dead}:
        assert time.monotonic() < deadline, "it is not told"
        time.sleep(0.2)


@then("no other is told as critical")
def step_none_told(context):
    for gateway in context.pair:
        assert _critical(context, gateway) <= {context.dead}


def _critical(context, gateway: Gatewayd) -> set[int]:
    """The ports of those that were told as critical, by how the feed has them now."""
    changes = _changes(context, gateway, index=context.index)["changes"]
    services = [each["service"] for each in changes if each["service"]]
    return {int(each["port"]) for each in services if each["status"] == "critical"}


@when("another gateway is started on its database")
def step_another(context):
    other = Gatewayd(context.folder / "another")
    place = {"state_path": context.gateway.state}
    other.configure({"DEFAULT": place, "database": {"connection": context.gateway.database}})
    context.refused = subprocess.run(
        other.command, capture_output=True, text=True, timeout=_REFUSED_IN, env=other.environment
    )


@then('it is refused, saying "{text}"')
def step_refused(context, text):
    assert context.refused.returncode == 1
    assert text in context.refused.stderr, context.refused.stderr
