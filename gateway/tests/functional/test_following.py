"""The log of a deployment as server-sent events, over real connections to the daemon's HTTP server."""

# ruff: noqa: F401, F811  (pytest finds the fixtures by these names)
import itertools
import re
import threading
import time

import pytest
from keystoneauth1 import session, token_endpoint

from gateway.client import Gateway
from gateway.deploy.model import Fault, Status, StepState
from gateway.tests import deployed
from gateway.tests.functional.test_cloud_api import PROJECT, call, error_of, keystone, openstack, parts
from gateway.tests.served import PATIENCE, Served, events

TOKEN = "reader"


@pytest.fixture
def store(parts):
    return parts.deployments


@pytest.fixture
def made(store):
    deployment = deployed.deployment(project_id=PROJECT)
    store.add(deployment, {"env": {}})
    return deployment


@pytest.fixture
def serve(parts, store):
    """Serves with the options given, and ends everything at last."""
    running = []

    def start(**options):
        running.append(Served(parts, heartbeat=0.2, **options))
        return running[-1]

    yield start
    for served in running:
        served.stop()


def url(deployment, query="follow=true"):
    return f"/v1/deployments/{deployment.id}/log?{query}"


def end(store, id, status=Status.SUCCEEDED):
    store.move(id, Status.RUNNING, [Status.PENDING])
    store.move(id, status, [Status.RUNNING])


def test_lines_steps_and_statuses_come_as_they_happen(serve, store, made):
    with serve().asked(url(made), TOKEN) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
        assert answer.headers["Cache-Control"] == "no-store"
        coming = events(answer)
        assert next(coming)[1:2] == ("status",)
        store.write_log(made.id, "setup", 0, "ñ\nmore")
        assert next(coming)[2]["text"] == "ñ\nmore"
        store.set_step(made.id, "ssh", 0, state=StepState.DONE, detail="well")
        _, name, step = next(coming)
        assert (name, step["step"], step["target"], step["state"], step["detail"]) == (
            "step", "ssh", 0, "done", "well",
        )  # fmt: skip
        end(store, made.id)
        rest = list(coming)
        assert [(name, data["status"]) for _, name, data in rest] == [
            ("status", "running"), ("status", "succeeded"), ("end", "succeeded"),
        ]  # fmt: skip
        assert rest[-1][2]["fault"] is None


def test_who_comes_back_misses_nothing_and_gets_nothing_twice(serve, store, made):
    served = serve()
    for n in range(5):
        store.write_log(made.id, "setup", 0, f"line {n}")
    end(store, made.id)
    with served.asked(url(made), TOKEN) as answer:
        whole = list(events(answer))
    ids = [id for id, name, _ in whole if name != "end"]
    assert ids == sorted(set(ids))
    for cut in range(1, len(ids)):
        with served.asked(
            url(made, ""), TOKEN, Accept="text/event-stream", **{"Last-Event-ID": str(ids[cut - 1])}
        ) as answer:
            assert list(events(answer)) == whole[cut:]
    with served.asked(url(made), TOKEN, **{"Last-Event-ID": str(ids[-1])}) as answer:
        assert (answer.status, answer.read()) == (204, b"")
    with served.asked(url(made, f"follow=true&marker={ids[2]}"), TOKEN) as answer:
        assert list(events(answer)) == whole[3:]


def test_a_failure_ends_with_its_fault_and_a_removal_is_told(serve, store, made):
    other = deployed.deployment(project_id=PROJECT)
    store.add(other, {"env": {}})
    store.set_fault(made.id, Fault("boot", 0, "gateway.x", "no host"))
    served = serve()
    with served.asked(url(made), TOKEN) as failing, served.asked(url(other), TOKEN) as going:
        end(store, made.id, Status.FAILED)
        assert list(events(failing))[-1][2] == {
            "status": "failed",
            "fault": {
                "step": "boot",
                "target": 0,
                "code": "gateway.x",
                "message": "no host",
                "journal": [],
                "console": [],
            },
        }
        store.remove(other.id)
        assert list(events(going))[-1][1:] == ("end", {"status": "deleted", "fault": None})


@pytest.mark.parametrize(
    ("query", "headers", "field"),
    [
        ("follow=maybe", {}, "follow"),
        ("follow=true&since=5", {}, "since"),
        ("follow=true&marker=x", {}, "marker"),
        ("marker=-1", {}, "marker"),
        ("limit=0", {}, "limit"),
        ("follow=true", {"Last-Event-ID": "x"}, "Last-Event-ID"),
        ("follow=true", {"Last-Event-ID": "-1"}, "Last-Event-ID"),
    ],
)
def test_bad_parameters_are_named(call, made, query, headers, field):
    answer = call("GET", url(made, query), **headers)
    assert (answer.status_int, error_of(answer)["field"]) == (400, field)


def test_another_projects_is_not_there(call, store):
    theirs = deployed.deployment(project_id="another")
    store.add(theirs, {"env": {}})
    assert call("GET", url(theirs)).status_int == 404


def test_the_plain_log_comes_in_pages(call, store, made):
    for n in range(5):
        store.write_log(made.id, "setup", 0, f"line {n}")
    first = call("GET", url(made, "limit=2")).json
    assert [line["text"] for line in first["log"]] == ["line 0", "line 1"]
    [link] = first["log_links"]
    assert link["href"].endswith(url(made, f"limit=2&marker={first['log'][-1]['id']}"))
    rest = call("GET", url(made, f"marker={first['log'][-1]['id']}")).json
    assert [line["text"] for line in rest["log"]] == ["line 2", "line 3", "line 4"]
    assert "log_links" not in rest


def test_who_waits_holds_a_place_until_he_goes_and_nobody_else_up(serve, made):
    served = serve(threads=1, max_waiters=2)
    with served.asked(url(made), TOKEN) as first, served.asked(url(made), TOKEN) as second:
        assert (first.readline(), second.readline()) == (b"retry: 1000\n", b"retry: 1000\n")
        with served.asked(url(made), TOKEN) as third:
            assert (third.status, third.headers["Retry-After"]) == (503, "2")
        with served.asked(url(made, ""), TOKEN) as plain:
            assert plain.status == 200
    deadline = time.monotonic() + PATIENCE
    for attempt in itertools.count():
        with served.asked(url(made), TOKEN) as later:
            if later.status == 200:
                break
        assert time.monotonic() < deadline, f"still no place after {attempt} tries"
        time.sleep(0.1)


def test_heartbeats_come_while_nothing_happens(serve, made):
    with serve().asked(url(made), TOKEN) as answer:
        read = [answer.readline() for _ in range(12)]
    assert read.count(b":\n") >= 2


def test_many_wait_for_one_and_all_are_told(serve, store, made):
    served, count = serve(max_waiters=60), 50
    heard = []

    def listen():
        with served.asked(url(made), TOKEN) as answer:
            begun.release()
            heard.append([name for _, name, _ in events(answer)])

    begun = threading.Semaphore(0)
    threads = [threading.Thread(target=listen) for _ in range(count)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert begun.acquire(timeout=PATIENCE)
    end(store, made.id)
    for thread in threads:
        thread.join(PATIENCE)
    assert heard == [["status", "status", "status", "end"]] * count


def test_a_daemon_that_stops_sends_the_waiting_away(serve, made):
    served = serve()
    with served.asked(url(made), TOKEN) as answer:
        coming = events(answer)
        next(coming)
        served.stop()
        assert list(coming) == []


def test_a_stream_ends_with_its_token(serve, made, monkeypatch):
    monkeypatch.setattr("gateway.api.log.time.time", lambda: 2e10)  # far beyond the token's end
    with serve().asked(url(made), TOKEN) as answer:
        assert list(events(answer)) == []


def test_the_client_goes_on_over_a_restart(serve, store, made, openstack, monkeypatch):
    openstack.get(re.compile("http://127.0.0.1"), real_http=True)
    monkeypatch.setattr("gateway.client.http._RETRY", 0.05)
    served = serve()
    auth = token_endpoint.Token(f"http://127.0.0.1:{served.port}", TOKEN)
    coming = Gateway(session.Session(auth)).follow_deployment_log(made.id)
    assert next(coming)[1]["status"] == "pending"
    served.stop()
    store.write_log(made.id, "setup", 0, "meanwhile")
    end(store, made.id)
    serve(port=served.port)
    assert [name for name, _ in coming] == ["log", "status", "status", "end"]
