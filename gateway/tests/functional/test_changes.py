"""The change feed, over real connections to the daemon's HTTP server, with another process writing."""

# ruff: noqa: F401, F811  (pytest finds the fixtures by these names)
import json
import threading
import time

import pytest

from gateway.db import Database
from gateway.registry.model import Registration
from gateway.registry.registry import Registry
from gateway.registry.signature import Signer
from gateway.registry.store import RegistryStore
from gateway.tests import registered
from gateway.tests.functional.test_cloud_api import PROJECT, call, error_of, keystone, openstack, parts
from gateway.tests.served import Served, events

TOKEN = "reader"
FEED = "/registry/changes"


@pytest.fixture
def other(parts):
    """The registry as another process has it."""
    return registered.registry(parts.conf)


@pytest.fixture
def serve(parts):
    running = []

    def start(**options):
        running.append(Served(parts, heartbeat=0.2, **options))
        return running[-1]

    yield start
    for served in running:
        served.stop()


def register(registry, type="mail", project=PROJECT, **fields):
    register.port += 1
    wanted = Registration(type=type, proto="http", host="192.0.2.1", port=register.port, **fields)
    return registry.register(project, wanted, verify=False)


register.port = 1000


def get(served, query=""):
    with served.asked(FEED + query, TOKEN) as answer:
        return answer.status, json.loads(answer.read())


def told(page):
    return [(each["index"], each["change"], each["instance"]) for each in page["changes"]]


def test_what_happened_after_an_index(serve, other):
    served = serve()
    status, start = get(served)
    assert (status, start) == (200, {"index": 0, "changes": []})
    register(other)
    register(other, "auth", version="2")
    other.amend(PROJECT, "mail", 0, weight=5)
    other.deregister(PROJECT, "auth", 0)
    _, page = get(served, "?index=0")
    assert told(page) == [
        (1, "created", "mail-0"),
        (2, "created", "auth-0"),
        (3, "changed", "mail-0"),
        (4, "removed", "auth-0"),
    ]
    assert page["index"] == 4
    mail, auth, *_ = page["changes"]
    assert set(mail) == {"index", "at", "type", "instance", "change", "service"}
    assert (mail["type"], mail["service"]["weight"], auth["service"]) == ("mail", 5, None)
    assert told(get(served, "?index=0&type=auth")[1]) == [(2, "created", "auth-0"), (4, "removed", "auth-0")]
    _, page = get(served, "?index=0&limit=3")
    assert (page["index"], len(page["changes"])) == (3, 3)
    assert told(get(served, "?index=3")[1]) == [(4, "removed", "auth-0")]
    assert get(served, "?index=4&wait=0")[1] == {"index": 4, "changes": []}


def test_who_waits_is_woken_by_another_process(serve, other):
    served = serve()
    with served.asked(FEED + "?index=0&wait=600", TOKEN) as answer:
        assert answer.status == 200
        register(other)
        assert told(json.loads(answer.read())) == [(1, "created", "mail-0")]
    with served.asked(FEED + "?wait=600&type=auth", TOKEN) as answer:
        register(other)
        register(other, "auth")
        assert told(json.loads(answer.read())) == [(3, "created", "auth-0")]


def test_when_the_wait_is_over_nothing_came(serve, other):
    served = serve()
    register(other)
    assert get(served, "?index=1&wait=1") == (200, {"index": 1, "changes": []})


def test_another_projects_changes_are_not_seen(serve, other):
    served = serve()
    register(other, project="another")
    register(other)
    assert told(get(served, "?index=0")[1]) == [(2, "created", "mail-0")]
    register(other, project="another")
    assert get(served, "?index=2")[1] == {"index": 3, "changes": []}


def test_as_events(serve, other):
    served = serve()
    with served.asked(FEED, TOKEN, Accept="text/event-stream") as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        coming = events(answer)
        register(other)
        id, name, data = next(coming)
        assert (id, name, data["instance"]) == (1, "created", "mail-0")
        assert data["service"]["port"] == register.port
        other.amend(PROJECT, "mail", 0, weight=7)
        assert next(coming)[:2] == (2, "changed")
    register(other)
    other.deregister(PROJECT, "mail", 0)
    with served.asked(FEED, TOKEN, Accept="text/event-stream", **{"Last-Event-ID": "2"}) as answer:
        coming = events(answer)
        assert [next(coming)[:2] for _ in range(2)] == [(3, "created"), (4, "removed")]


def test_the_id_of_a_stream_rises_while_others_change(serve, other):
    with serve().asked(FEED, TOKEN, Accept="text/event-stream") as answer:
        register(other, project="another")
        while answer.readline() != b"id: 1\n":
            pass


@pytest.mark.parametrize("index", [1, 4, 6])
def test_an_index_that_is_not_in_the_log(serve, parts, other, index, monkeypatch):
    for _ in range(5):
        register(other)
    parts.conf.set_override("max_changes", 3, "registry")
    assert other.forget_changes() == 2
    served = serve()
    status, body = get(served, f"?index={index}")
    if index == 4:
        assert (status, told(body)) == (200, [(5, "created", "mail-4")])
        return
    assert status == 410
    assert (body["oldest"], body["index"]) == (2, 5)
    [error] = body["errors"]
    assert (error["code"], error["field"]) == ("gateway.registry.index_gone", "index")
    assert len(get(served, "?index=2")[1]["changes"]) == 3


def test_old_changes_are_forgotten(other, parts):
    register(other)
    parts.conf.set_override("changes_kept_for", 1, "registry")
    assert other.forget_changes() == 0
    deadline = time.monotonic() + 30
    while not other.forget_changes():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    register(other)
    assert other.feed.refresh() == 2
    assert [entry.index for entry, _ in other.feed.after((PROJECT, None), 1, 10).changes] == [2]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?index=x", "index"),
        ("?index=-1", "index"),
        ("?index=99999999999999999999", "index"),
        ("?wait=601", "wait"),
        ("?wait=1.5", "wait"),
        ("?type=a%20b", "type"),
        ("?limit=0", "limit"),
        ("?since=5", "since"),
        ("?index=1&index=2", "index"),
    ],
)
def test_bad_parameters_are_named(call, query, field):
    answer = call("GET", FEED + query)
    assert (answer.status_int, error_of(answer)["field"]) == (400, field)


def test_the_newest_part_at_hand_and_the_rest_from_the_database_agree(other, parts, monkeypatch):
    monkeypatch.setattr("gateway.registry.changes._KEPT", 10)
    late = registered.registry(parts.conf)
    late.feed.refresh()
    for n in range(25):
        register(other, "mail" if n % 3 else "auth")
        if n % 4 == 0:
            late.feed.refresh()
    fresh = registered.registry(parts.conf)
    assert fresh.feed.refresh() == late.feed.refresh() == 25
    for interest in ((PROJECT, None), (PROJECT, "auth"), ("another", None)):
        for index in range(26):
            for limit in (1, 4, 100):
                page = late.feed.after(interest, index, limit)
                assert page == fresh.feed.after(interest, index, limit)


def test_a_daemon_that_stops_answers_who_waits(serve):
    served = serve()
    with served.asked(FEED + "?wait=600", TOKEN) as answer:
        served.stop()
        assert json.loads(answer.read()) == {"index": 0, "changes": []}


def test_places_are_few_and_freed(serve):
    served = serve(max_waiters=1)
    with served.asked(FEED + "?wait=600", TOKEN) as first:
        assert first.status == 200
        assert get(served, "?wait=600")[0] == 503
        assert get(served)[0] == 200
    deadline = time.monotonic() + 30
    while get(served, "?wait=1")[0] == 503:
        assert time.monotonic() < deadline
        time.sleep(0.1)
