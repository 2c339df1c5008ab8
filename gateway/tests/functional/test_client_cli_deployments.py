"""The commands that begin, follow and show deployments."""

import gzip
import io
import json
import os
import re
import signal
import tarfile
import threading
import time

import pytest

from gateway.tests.functional import client_stub

ID = "3f0c1d2e-0000-4000-8000-000000000001"
OTHER = "3f0c9999-0000-4000-8000-000000000002"


def a_deployment(status="running", **changes):
    return {
        "id": ID,
        "service": "hello",
        "version": "1.0.0",
        "release": 1,
        "status": status,
        "replicas": 1,
        "created_at": "2026-11-23T15:00:00Z",
        "updated_at": "2026-11-23T15:00:09Z",
        "request_id": "req-9",
        "fault": None,
        "steps": [],
        "instances": [],
        "spec": {},
    } | changes


def a_step(name, state, target=None):
    times = {"started_at": "2026-11-23T15:00:00Z", "finished_at": "2026-11-23T15:00:04.250Z"}
    return {"name": name, "target": target, "state": state, "detail": "", **times}


INSTANCE = {
    "number": 0,
    "server_id": "s-0",
    "server_name": "hello-1",
    "address": "10.0.0.5",
    "host_key": "ssh-ed25519 AAAA",
    "trust": "injected",
    "instance": "hello-0",
    "url": "http://10.0.0.5:8080",
}


def service_yaml(tmp_path, text="deployment: {service: hello, artifact: app, env: {A: '1', B: '2'}}"):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "app.py").write_text("print()")
    (tmp_path / "service.yaml").write_text(text)
    return str(tmp_path / "service.yaml")


POST = ("POST", "/v1/deployments")
GET = ("GET", f"/v1/deployments/{ID}")
LOG = ("GET", f"/v1/deployments/{ID}/log")
EVENTS = ("GET", f"/v1/deployments/{ID}/log?follow=true")
GONE = (404, client_stub.error(404, "gateway.deployment.not_found"))


def events(*entries):
    """A stream of server-sent events: (id, name, data); it breaks off behind them."""
    lines = [f"id: {id}\nevent: {name}\ndata: {json.dumps(data)}\n\n" for id, name, data in entries]
    return 200, "".join(lines).encode(), {"Content-Type": "text/event-stream"}


def status(id, value, at="2026-11-23T15:00:00.000Z"):
    return id, "status", {"at": at, "status": value}


def moved(id, step, state, target=0, second=0):
    at = f"2026-11-23T15:00:{second:02}.250Z"
    return id, "step", {"at": at, "step": step, "target": target, "state": state, "detail": ""}


def printed(id, text, step="boot"):
    return id, "log", {"at": "2026-11-23T15:00:00Z", "step": step, "target": 0, "text": text}


def end(id, value, fault=None):
    return id, "end", {"status": value, "fault": fault}


def stands(*states, **changes):
    """An answer that says so: (step, state)."""
    steps = [
        {"name": name, "target": 0, "state": state, "detail": "", "started_at": None, "finished_at": None}
        for name, state in states
    ]
    return 202, {"deployment": a_deployment(**{"steps": steps, **changes})}


def told_steps(out):
    return re.findall(r"^  (boot|ssh|old) +#0 +(running|done|pending)", out, re.MULTILINE)


def test_deploy_uploads_follows_and_says_what_runs(api, gateway, tmp_path):
    api.on("POST", "/v1/artifacts", (201, {"artifact": {"id": "a1", "sha256": "ab" * 32, "size": 9}}))
    api.on(*POST, stands(("boot", "pending"), ("ssh", "pending"), status="pending"))
    api.on(
        *EVENTS,
        events(
            status(1, "pending"),
            printed(2, "hidden"),
            moved(3, "boot", "running", second=1),
            moved(4, "boot", "done", second=5),
        ),
        events(moved(5, "ssh", "running", second=5), moved(6, "ssh", "done", second=6), end(6, "succeeded")),
    )
    done = a_deployment("succeeded", instances=[INSTANCE], steps=[a_step("boot", "done", 0)])
    api.on(*GET, (200, {"deployment": done}))
    code, out, err = gateway("deploy", service_yaml(tmp_path), "--set", "B=3")
    assert (code, err) == (0, "")
    assert told_steps(out) == [("boot", "running"), ("boot", "done"), ("ssh", "running"), ("ssh", "done")]
    assert "4.0 s" in out
    assert "hidden" not in out
    assert "hello-0  http://10.0.0.5:8080  on server hello-1 (s-0)" in out
    assert "curl http://10.0.0.5:8080/" in out
    upload, wish = api.asked[0], api.asked[1].json["deployment"]
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(upload.body))) as tar:
        assert tar.getnames() == ["app.py"]
    assert wish == {"service": "hello", "artifact": "a1", "env": {"A": "1", "B": "3"}}
    followed = [asked.headers.get("Last-Event-ID") for asked in api.asked if "follow" in asked.path]
    assert followed == [None, "4"]
    assert len([asked for asked in api.asked if (asked.method, asked.path) == GET]) == 1


OLD = {"number": 1, "version": "1.0.0", "state": "current", "created_at": "2026-11-23T14:00:00.000Z"}
NEW = {"number": 2, "version": "2.0.0", "state": "deploying", "created_at": "2026-11-23T15:00:00.000Z"}
UPDATE = {
    "version": "2.0.0",
    "release": 2,
    "releases": [NEW, OLD],
    "instances": [INSTANCE | {"aim": "update"}],
    "spec": {"update": {"batch": 1}},
}


def test_an_update_says_so_and_shows_nothing_of_the_release_before(api, gateway, tmp_path):
    api.on(*POST, stands(("boot", "pending"), status="pending", **UPDATE))
    api.on(
        *EVENTS,
        events(
            status(1, "pending", "2026-11-23T14:00:00.100Z"),
            printed(2, "of the old one"),
            moved(3, "boot", "done"),
            status(4, "pending"),
            moved(5, "boot", "running"),
            printed(6, "of the \x1b[31mnew one"),
            moved(7, "boot", "done"),
            end(7, "succeeded"),
        ),
    )
    releases = [{**NEW, "state": "current"}, {**OLD, "state": "old"}]
    api.on(*GET, (200, {"deployment": a_deployment("succeeded", **{**UPDATE, "releases": releases})}))
    code, out, _ = gateway("deploy", service_yaml(tmp_path, "service: hello"), "--watch")
    assert code == 0
    assert f"Deploying hello 1.0.0 → 2.0.0, release 2, batches of 1: {ID}" in out
    assert told_steps(out) == [("boot", "running"), ("boot", "done")]
    assert "15:00:00 boot #0: of the new one" in out
    assert "of the old one" not in out
    assert "gateway deployment rollback 3f0c1d2e" in out


def test_without_a_stream_the_gateway_is_asked_again_and_again(api, gateway, tmp_path):
    api.on(*POST, stands(("boot", "pending"), status="pending"))
    api.on(*EVENTS, (503, client_stub.error(503, "gateway.api.waiters")))
    done = a_deployment("succeeded", instances=[INSTANCE], steps=[a_step("boot", "done", 0)])
    api.on(*GET, stands(("boot", "running")), (503, b"restarting"), (200, {"deployment": done}))
    code, out, _ = gateway("deploy", service_yaml(tmp_path, "service: hello"))
    assert code == 0
    assert told_steps(out) == [("boot", "running"), ("boot", "done")]


def test_a_call_that_was_not_answered_is_made_again_as_the_same_one(api, gateway, tmp_path):
    busy = client_stub.error(409, "gateway.deployment.in_progress", "Busy.")
    api.on(*POST, (502, b""), (409, busy), (504, b""), stands(status="pending"))
    code, out, err = gateway("deploy", service_yaml(tmp_path, "service: hello"), "--no-wait")
    assert code == 0
    assert "Trying again in" in err
    assert "gateway deployment show 3f0c1d2e" in out
    keys = [asked.headers["Idempotency-Key"] for asked in api.asked]
    assert len(keys) == 4
    assert len(set(keys)) == 1


def test_a_call_that_nobody_answers_is_given_up(api, gateway, tmp_path):
    api.on(*POST, (503, client_stub.error(503, "gateway.x", "Not now.")))
    code, _, err = gateway("deploy", service_yaml(tmp_path, "service: hello"))
    assert code == 5
    assert err.splitlines()[-1] == "gateway: Not now. (gateway.x, request id req-1)"
    assert len(api.asked) == 5


def test_a_refusal_is_not_repeated(api, gateway, tmp_path):
    api.on(*POST, (409, client_stub.error(409, "gateway.deployment.in_progress", "Busy.")))
    assert gateway("deploy", service_yaml(tmp_path, "service: hello"))[0] == 1
    assert len(api.asked) == 1


FAULT = {"step": "health", "target": 0, "code": "gateway.x", "message": "app.py exited with 1."}


def test_a_failed_deployment_tells_why_with_the_end_of_its_log(api, gateway, tmp_path):
    log = [{"at": "2026-11-23T15:00:00Z", "step": "start", "target": 0, "text": "ImportError\nbye"}]
    api.on(*POST, (202, {"deployment": a_deployment("failed", fault=FAULT)}))
    api.on(*LOG, (200, {"log": log}))
    code, _, err = gateway("deploy", service_yaml(tmp_path, "service: hello"))
    assert code == 1
    assert err.splitlines() == [
        "The end of its log:",
        "  | 15:00:00 start #0: ImportError",
        "  | 15:00:00 start #0: bye",
        "gateway: hello 1.0.0 failed at health on server #0: app.py exited with 1."
        " (gateway.x, request id req-9)",
    ]


def test_an_update_that_is_rolled_back_tells_why_and_what_runs(api, gateway, tmp_path):
    fault = FAULT | {"journal": ["boom"], "console": ["login:"]}
    releases = [{**NEW, "state": "failed"}, OLD]
    api.on(*POST, stands(status="pending", **UPDATE))
    api.on(*EVENTS, events(status(4, "pending"), end(9, "rolled_back", fault)))
    back = a_deployment("rolled_back", release=1, releases=releases, fault=fault)
    api.on(*GET, (200, {"deployment": back}))
    code, _, err = gateway("deploy", service_yaml(tmp_path, "service: hello"))
    assert code == 1
    assert err.splitlines() == [
        "Console of server #0:",
        "  | login:",
        "Journal of the service on server #0:",
        "  | boom",
        "gateway: hello 2.0.0 failed at health on server #0: app.py exited with 1; 1.0.0 runs again"
        " (gateway.x, request id req-9)",
    ]


def test_one_that_is_deleted_meanwhile(api, gateway, tmp_path):
    api.on(*POST, stands(status="pending"))
    api.on(*EVENTS, events(status(1, "pending"), status(2, "deleting"), end(2, "deleted")))
    api.on(*GET, GONE)
    code, _, err = gateway("deploy", service_yaml(tmp_path, "service: hello"))
    assert (code, err) == (3, "gateway: hello 1.0.0 was deleted.\n")


def interrupt_once_asked(api, path):
    """Whoever started the tests in the background of a shell has told them to ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def run():
        while not any(asked.path == path for asked in list(api.asked)):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=run, daemon=True).start()


def test_ctrl_c_leaves_the_deployment_and_says_how_to_find_it(api, gateway, tmp_path):
    api.on(*POST, stands(status="pending"))
    api.on(*EVENTS, (503, b""))
    api.on(*GET, stands(status="running"))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        interrupt_once_asked(api, GET[1])
        code, _, err = gateway("deploy", service_yaml(tmp_path, "service: hello"), "--timeout", "60")
    finally:
        signal.signal(signal.SIGINT, before)
    assert code == 130
    assert "goes on" in err
    assert "gateway deployment cancel 3f0c1d2e" in err


def test_it_is_followed_for_so_long_only(api, gateway, tmp_path):
    api.on(*POST, stands(status="pending"))
    api.on(*EVENTS, (503, b""))
    api.on(*GET, stands(status="running"))
    code, _, err = gateway("deploy", service_yaml(tmp_path, "service: hello"), "--timeout", "0.3")
    assert code == 4
    assert "hello 1.0.0 has not ended in 0.3 s and goes on" in err


def test_cancel_waits_until_all_is_taken_back(api, gateway):
    api.on(*GET, stands(**UPDATE), (200, {"deployment": a_deployment("rolled_back", fault=FAULT)}))
    api.on("POST", f"{GET[1]}/cancel", stands(("boot", "running"), status="reverting", **UPDATE))
    api.on(
        *EVENTS,
        events(
            status(1, "pending"),
            moved(2, "boot", "running"),
            status(3, "reverting"),
            moved(4, "boot", "reverted"),
            end(4, "rolled_back"),
        ),
    )
    code, out, _ = gateway("deployment", "cancel", ID)
    assert code == 0
    assert re.findall(r"boot +#0 +(\w+)", out) == ["running", "reverted"]
    assert out.endswith("hello 2.0.0 was taken back; 1.0.0 runs again.\n")


def test_cancel_that_came_too_late(api, gateway):
    api.on(*GET, stands(), (200, {"deployment": a_deployment("succeeded")}))
    api.on("POST", f"{GET[1]}/cancel", stands(status="reverting"))
    api.on(*EVENTS, (503, b""))
    code, _, err = gateway("deployment", "cancel", ID)
    assert (code, err) == (1, "gateway: hello 1.0.0 was not taken back: it is succeeded.\n")


def test_rollback_follows_the_release_that_it_makes(api, gateway):
    begun = {**UPDATE, "version": "0.9.0"}
    ended = a_deployment("succeeded", version="0.9.0", instances=[INSTANCE])
    api.on(*GET, stands(status="succeeded"), (200, {"deployment": ended}))
    api.on("POST", f"{GET[1]}/rollback", stands(("boot", "pending"), status="pending", **begun))
    api.on(*EVENTS, events(status(1, "pending"), moved(2, "boot", "done"), end(2, "succeeded")))
    code, out, _ = gateway("deployment", "rollback", ID, "--release", "1")
    assert code == 0
    assert api.asked[1].json == {"release": 1}
    assert out.splitlines()[0] == "Going back: hello 1.0.0 → 0.9.0, release 2, batches of 1"
    assert told_steps(out) == [("boot", "done")]
    assert "hello 0.9.0 runs again." in out


def test_show_tells_the_fault_and_the_releases_in_lines(api, gateway):
    fault = FAULT | {"journal": ["boom", "\x1b]0;title\x07bang"], "console": []}
    shown = a_deployment("rolled_back", release=1, releases=[{**NEW, "state": "failed"}, OLD], fault=fault)
    api.on(*GET, (200, {"deployment": shown}))
    _, out, _ = gateway("deployment", "show", ID)
    for text in (
        "2: 2.0.0 (failed)",
        "health on server #0: app.py exited",
        "Journal of the service",
        "| boom",
    ):
        assert text in out
    assert "\x1b" not in out
    _, out, _ = gateway("deployment", "show", ID, "-f", "json")
    assert json.loads(out)["fault"] == fault


@pytest.mark.parametrize(
    ("name", "exits"),
    [(ID, 0), ("3f0c1", 0), ("hello", 0), ("3f0c", 1), ("twice", 1), ("no", 3)],
)
def test_a_deployment_is_named_by_id_prefix_or_service(api, gateway, name, exits):
    everything = [
        a_deployment(),
        a_deployment("failed", id="55" + ID[2:]),
        a_deployment(id=OTHER, service="twice"),
        a_deployment(id="77" + OTHER[2:], service="twice"),
    ]
    api.on("GET", "/v1/deployments", (200, {"deployments": everything}))
    api.on("GET", f"/v1/deployments/{ID}", (200, {"deployment": a_deployment()}))
    code, out, _ = gateway("deployment", "show", name, "-f", "value", "-c", "id")
    assert (code, out) == (exits, "" if exits else f"{ID}\n")


def test_delete_waits_until_it_is_gone(api, gateway):
    api.on("DELETE", f"/v1/deployments/{ID}", (202, b""))
    api.on(
        "GET",
        f"/v1/deployments/{ID}",
        (200, {"deployment": a_deployment("succeeded")}),
        (200, {"deployment": a_deployment("deleting")}),
        (404, client_stub.error(404, "gateway.deployment.not_found")),
    )
    code, out, _ = gateway("deployment", "delete", ID)
    assert (code, out) == (0, "hello 1.0.0 is gone.\n")
