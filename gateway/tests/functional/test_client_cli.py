"""The command line as a user runs it, in this process, against a real HTTP server."""

import gzip
import io
import json
import logging
import os
import re
import tarfile

import pytest

from gateway.cli import deploy, deployments, main
from gateway.tests.functional import client_stub

ID = "3f0c1d2e-0000-4000-8000-000000000001"
OTHER = "3f0c9999-0000-4000-8000-000000000002"


@pytest.fixture
def api(monkeypatch, tmp_path):
    for name in [n for n in os.environ if n.startswith(("OS_", "GATEWAY_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(deploy, "_POLL", 0.001)
    monkeypatch.setattr(deployments, "_POLL", 0.001)
    for name, value in (("AUTH_URL", client_stub.AUTH_URL), ("USERNAME", "demo"), ("PASSWORD", "s")):
        monkeypatch.setenv(f"OS_{name}", value)
    monkeypatch.setenv("OS_PROJECT_NAME", "demo")
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(logging.getLogger(), "level", logging.WARNING)
    with client_stub.StubApi().serving() as stub, client_stub.keystone(stub.url):
        yield stub


@pytest.fixture
def gateway(api, capsys):
    def run(*argv):
        try:
            code = main.main(argv)
        except SystemExit as exit_:
            code = exit_.code
        out, err = capsys.readouterr()
        return code, out, err

    return run


def a_deployment(status="running", **changes):
    return {
        "id": ID,
        "service": "hello",
        "version": "1.0.0",
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


def test_a_list_as_json(api, gateway):
    flavor = {"id": "1", "name": "m1.tiny", "vcpus": 1, "ram": 512, "disk": 1}
    api.on("GET", "/v1/flavors", (200, {"flavors": [flavor]}))
    code, out, _ = gateway("flavor", "list", "-f", "json")
    assert code == 0
    assert json.loads(out) == [{"ID": "1", "Name": "m1.tiny", "RAM": 512, "Disk": 1, "VCPUs": 1}]


def test_addresses_are_readable_in_tables_and_whole_in_json(api, gateway):
    address = {"address": "10.0.0.5", "version": 4, "type": "fixed", "network": "shared"}
    server = {
        "id": "s1",
        "name": "a",
        "status": "ACTIVE",
        "addresses": [address],
        "flavor": {"name": "m1"},
        "image": None,
    }
    api.on("GET", "/v1/servers", (200, {"servers": [server]}))
    _, out, _ = gateway("server", "list", "-c", "Addresses")
    assert "| shared=10.0.0.5 |" in out
    _, out, _ = gateway("server", "list", "-f", "json")
    assert json.loads(out)[0]["Addresses"] == [address]


def test_create_server_sends_what_was_given_only(api, gateway, tmp_path):
    built = {"id": "s1", "name": "web", "status": "BUILD", "addresses": []}
    api.on("POST", "/v1/servers", (202, {"servers": [built]}))
    api.on("GET", "/v1/servers/s1", (200, {"server": {**built, "status": "ACTIVE"}}))
    (tmp_path / "init").write_text("#!/bin/sh\n")
    options = ["--flavor", "f", "--image", "i", "--network", "n", "--user-data", "init", "--wait"]
    code, out, _ = gateway("server", "create", "web", *options, "-f", "value", "-c", "Status")
    assert (code, out) == (0, "ACTIVE\n")
    wish = {
        "name": "web",
        "flavor": "f",
        "image": "i",
        "network": "n",
        "count": 1,
        "user_data": "#!/bin/sh\n",
    }
    assert api.asked[0].json == {"server": wish}


def test_an_error_is_one_line_with_its_code_and_request_id(api, gateway):
    api.on(
        "GET", "/v1/flavors/x", (404, client_stub.error(404, "gateway.flavor.not_found", "No flavor 'x'."))
    )
    code, out, err = gateway("flavor", "show", "x")
    assert (code, out) == (1, "")
    assert err == "gateway: No flavor 'x'. (gateway.flavor.not_found, request id req-1)\n"


@pytest.mark.parametrize(
    "argv", [["flavor", "lost"], ["server", "create"], ["--timeout", "0", "flavor", "list"]]
)
def test_wrong_usage_is_exit_code_2(api, gateway, argv):
    assert gateway(*argv)[0] == 2
    assert api.asked == []


def service_yaml(tmp_path, text="deployment: {service: hello, artifact: app, env: {A: '1', B: '2'}}"):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "app.py").write_text("print()")
    (tmp_path / "service.yaml").write_text(text)
    return str(tmp_path / "service.yaml")


def test_deploy_uploads_follows_and_says_what_runs(api, gateway, tmp_path):
    api.on("POST", "/v1/artifacts", (201, {"artifact": {"id": "a1", "sha256": "ab" * 32, "size": 9}}))
    api.on("POST", "/v1/deployments", (202, {"deployment": a_deployment("pending")}))
    api.on(
        "GET",
        f"/v1/deployments/{ID}",
        (
            200,
            {"deployment": a_deployment(steps=[a_step("boot", "running", 0), a_step("ssh", "pending", 0)])},
        ),
        (503, b"restarting"),
        (200, {"deployment": a_deployment(steps=[a_step("boot", "done", 0), a_step("ssh", "running", 0)])}),
        (
            200,
            {
                "deployment": a_deployment(
                    "succeeded", instances=[INSTANCE], steps=[a_step("boot", "done", 0)]
                )
            },
        ),
    )
    code, out, err = gateway("deploy", service_yaml(tmp_path), "--set", "B=3")
    assert (code, err) == (0, "")
    assert re.findall(r"(boot|ssh) +#0 +(running|done|pending)", out) == [
        ("boot", "running"),
        ("boot", "done"),
        ("ssh", "running"),
    ]
    assert "4.2 s" in out
    assert "hello-0  http://10.0.0.5:8080  on server hello-1 (s-0)" in out
    assert "curl http://10.0.0.5:8080/" in out
    upload, wish = api.asked[0], api.asked[1].json["deployment"]
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(upload.body))) as tar:
        assert tar.getnames() == ["app.py"]
    assert wish == {"service": "hello", "artifact": "a1", "env": {"A": "1", "B": "3"}}


def test_a_failed_deployment_tells_why_with_the_end_of_its_log(api, gateway, tmp_path):
    fault = {
        "step": "start",
        "target": 0,
        "code": "gateway.deploy.exited",
        "message": "app.py exited with 1.",
    }
    log = [{"at": "2026-11-23T15:00:00Z", "step": "start", "target": 0, "text": "ImportError\nbye"}]
    api.on("POST", "/v1/deployments", (202, {"deployment": a_deployment("failed", fault=fault)}))
    api.on("GET", f"/v1/deployments/{ID}/log", (200, {"log": log}))
    code, _, err = gateway("deploy", service_yaml(tmp_path, "service: hello"))
    assert code == 1
    assert err.splitlines() == [
        "  | 15:00:00 start #0: ImportError",
        "  | bye",
        "gateway: hello 1.0.0 failed at start on server #0: app.py exited with 1."
        " (gateway.deploy.exited, request id req-9)",
    ]


def test_ctrl_c_leaves_the_deployment_and_says_how_to_find_it(api, gateway, tmp_path, monkeypatch):
    def interrupted(seconds):
        raise KeyboardInterrupt

    api.on("POST", "/v1/deployments", (202, {"deployment": a_deployment("running")}))
    monkeypatch.setattr(deploy.time, "sleep", interrupted)
    code, out, err = gateway("deploy", service_yaml(tmp_path, "service: hello"))
    assert code == 130
    assert "goes on" in err
    assert "gateway deployment delete 3f0c1d2e" in out


@pytest.mark.parametrize(
    ("name", "found"),
    [(ID, True), ("3f0c1", True), ("hello", True), ("3f0c", False), ("twice", False), ("no", False)],
)
def test_a_deployment_is_named_by_id_prefix_or_service(api, gateway, name, found):
    everything = [
        a_deployment(),
        a_deployment("failed", id="55" + ID[2:]),
        a_deployment(id=OTHER, service="twice"),
        a_deployment(id="77" + OTHER[2:], service="twice"),
    ]
    api.on("GET", "/v1/deployments", (200, {"deployments": everything}))
    api.on("GET", f"/v1/deployments/{ID}", (200, {"deployment": a_deployment()}))
    code, out, _ = gateway("deployment", "show", name, "-f", "value", "-c", "id")
    assert (code, out) == ((0, f"{ID}\n") if found else (1, ""))


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


def test_best_shows_where(api, gateway):
    best = {
        "proto": "http",
        "type": "hello",
        "host": "fd00::5",
        "port": "8080",
        "routes": ["/"],
        "health": "/health",
    }
    api.on("GET", "/registry/service/types/hello/best", (200, best))
    code, out, _ = gateway("registry", "best", "hello", "-f", "value", "-c", "url")
    assert (code, out) == (0, "http://[fd00::5]:8080\n")
