"""/v1/deployments and /v1/artifacts through the whole WSGI pipeline; OpenStack answers from requests-mock."""

# ruff: noqa: F401, F811  (pytest finds the fixtures by these names)
import dataclasses
import io
import json
import tarfile
import uuid

import pytest
import webob

from gateway import errors
from gateway.api import app as api
from gateway.deploy import guest, marks
from gateway.deploy.model import Access, Artifact, Status, Trust
from gateway.tests import deployed, described
from gateway.tests.functional.test_cloud_api import (
    KEYSTONE,
    NOVA,
    PROJECT,
    call,
    error_of,
    keystone,
    openstack,
    parts,
)

NEW = {"flavor": "m1.nano", "image": "debian-12", "network": "shared"}
WISH = {"service": "hello", "version": "1.0.0", "server": NEW, "command": "python3 app.py", "port": 8080}
SERVER, STRANGE = str(uuid.uuid4()), str(uuid.uuid4())
KEY = guest.key_pair()


@pytest.fixture
def trusts(openstack):
    return openstack.post(
        f"{KEYSTONE}/OS-TRUST/trusts", status_code=201, json={"trust": {"id": "trust-made"}}
    )


@pytest.fixture
def servers(openstack, parts):
    """Two in Nova; the gateway booted the first of them."""
    flavor = {"original_name": "m1.nano", "vcpus": 1, "ram": 256, "disk": 2}
    raw = {"status": "ACTIVE", "tenant_id": PROJECT, "flavor": flavor, "image": "", "metadata": {}}
    address = {"addr": "198.51.100.7", "version": 4, "OS-EXT-IPS:type": "fixed"}
    raw |= {"addresses": {"shared": [address]}}
    made = [raw | {"id": SERVER, "name": "web"}, raw | {"id": STRANGE, "name": "strange"}]
    openstack.get(f"{NOVA}/servers/detail", json={"servers": made})
    for each in made:
        openstack.get(f"{NOVA}/servers/{each['id']}", json={"server": each})
    host_key = guest.key_pair().public
    parts.deployments.save_access(Access(SERVER, PROJECT, "debian", "PEM", host_key, Trust.INJECTED))


def deploy(call, roles="member+reader", without=(), **changed):
    wish = {name: value for name, value in (WISH | changed).items() if name not in without}
    return call("POST", "/v1/deployments", {"deployment": wish}, roles)


def refusal(response):
    error = error_of(response)
    return response.status_int, error["code"], error.get("field")


INVALID = "gateway.request.invalid"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        *(({"service": name}, "service") for name in ("", "Hello", "a b", "-a", "a" * 49, "hello\n", 5)),
        *(({"version": version}, "version") for version in ("", "..", "a/b", "1\n", 1.0)),
        *(({"replicas": count}, "replicas") for count in (0, -1, True, "2", 1.5, 2.0)),
        *(({"port": port}, "port") for port in (0, 65536, "80", 8080.0, True, None)),
        *(({"proto": proto}, "proto") for proto in ("ftp", "HTTP", "")),
        *(({"command": text}, "command") for text in ("", "a\0b", ["python3"], "x" * 262_145)),
        *(({"setup": text}, "setup") for text in ("a\0b", 5)),
        *(({part: {"A-B": "x"}}, part) for part in ("env", "secrets")),
        *(({part: {"A\n": "x"}}, part) for part in ("env", "secrets")),
        *(({part: {"A": value}}, f"{part}.A") for part in ("env", "secrets") for value in (1, None, "\0")),
        *(({"files": {path: ""}}, "files") for path in ("/etc/passwd", "../a", "a/../../b", "", "a\n/../b")),
        ({"files": {"a": 1}}, "files.a"),
        *(({"packages": [name]}, "packages.0") for name in ("-y", "a;b", "a b", "", "sudo-", "git\n")),
        ({"packages": "git"}, "packages"),
        ({"routes": ["a"]}, "routes.0"),
        *(({"health": {"path": path}}, "health.path") for path in ("health", "/a b", "/a\r\nX: y", "/a\n")),
        *(({"health": {"interval": value}}, "health.interval") for value in (0, -1, 3601, "10")),
        *(({"health": {"timeout": value}}, "health.timeout") for value in (0, 3601)),
        *(
            ({"health": {name: value}}, f"health.{name}")
            for name in ("success_before_passing", "failures_before_critical")
            for value in (0, 101, 1.5)
        ),
        ({"health": {"colour": "red"}}, "health"),
        *(({"weight": weight}, "weight") for weight in (-1, 65536, "1")),
        ({"artifact": "not-an-id"}, "artifact"),
        ({"colour": "red"}, None),
        ({"server": {}}, "server"),
        ({"server": {**NEW, "ids": [SERVER]}}, "server"),
        ({"server": {**NEW, "private_key": KEY.private}}, "server"),
        ({"server": {**NEW, "user": "a b"}}, "server.user"),
        ({"server": {"ids": []}}, "server.ids"),
        ({"server": {"ids": [SERVER, SERVER]}}, "server.ids"),
        ({"server": {"ids": [SERVER], "private_key": KEY.private}}, "server"),
        ({"server": {"ids": [SERVER], "trust_on_first_use": "yes"}}, "server.trust_on_first_use"),
    ],
)
def test_a_bad_field_is_named_and_nothing_is_stored(call, trusts, parts, changed, field):
    response = deploy(call, **changed)
    assert refusal(response) == (400, INVALID, f"deployment.{field}" if field else "deployment")
    assert parts.deployments.deployments(PROJECT, 10) == []
    assert not trusts.called


@pytest.mark.parametrize("name", sorted(WISH))
def test_a_missing_field_is_named(call, trusts, name):
    response = deploy(call, without=[name])
    assert refusal(response) == (400, INVALID, "deployment")
    assert name in error_of(response)["detail"]
    assert not trusts.called


@pytest.mark.parametrize(
    ("changed", "status", "code", "field"),
    [
        ({"server": {**NEW, "flavor": "x"}}, 400, "gateway.flavor.not_found", "deployment.server.flavor"),
        ({"server": {**NEW, "image": "x"}}, 400, "gateway.image.not_found", "deployment.server.image"),
        ({"server": {**NEW, "network": "x"}}, 400, "gateway.network.not_found", "deployment.server.network"),
        (
            {"server": {**NEW, "floating_network": "x"}},
            400,
            "gateway.network.not_found",
            "deployment.server.floating_network",
        ),
        (
            {"server": {**NEW, "flavor": "m1.micro"}},
            400,
            "gateway.flavor.too_small",
            "deployment.server.flavor",
        ),
        (
            {"server": {**NEW, "network": "public"}},
            400,
            "gateway.network.external",
            "deployment.server.network",
        ),
        ({"artifact": str(uuid.uuid4())}, 400, "gateway.artifact.not_found", "deployment.artifact"),
        ({"replicas": 33}, 400, "gateway.deployment.replicas", "deployment.replicas"),
        ({"replicas": 11}, 403, "gateway.quota.exceeded", None),
        ({"server": {"ids": ["no"]}}, 400, "gateway.server.not_found", "deployment.server.ids"),
        (
            {"server": {"ids": [STRANGE]}},
            400,
            "gateway.deployment.private_key",
            "deployment.server.private_key",
        ),
        ({"server": {"ids": ["web"]}, "replicas": 2}, 400, "gateway.deployment.replicas", None),
        ({"server": {"ids": ["web", SERVER]}}, 400, "gateway.deployment.server", "deployment.server.ids"),
        ({"server": {"ids": ["web"], "host_key": "ssh-ed25519 AAAA"}}, 400, "gateway.ssh.host_key", None),
        (
            {"server": {"ids": [STRANGE], "user": "debian", "private_key": "PEM"}},
            400,
            "gateway.ssh.private_key",
            None,
        ),
    ],
)
def test_what_does_not_exist_or_does_not_go_together(
    call, trusts, parts, servers, changed, status, code, field
):
    response = deploy(call, **changed)
    found = refusal(response)
    assert found == (status, code, field or found[2])
    assert parts.deployments.deployments(PROJECT, 10) == []
    assert not trusts.called


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"command": "echo \ud800"}, "command"),
        ({"files": {"a": "\udfff"}}, "files.a"),
        ({"files": {"\ud800": ""}}, "files"),
        ({"secrets": {"A": "\ud800"}}, "secrets.A"),
    ],
)
def test_text_that_is_no_text(call, trusts, changed, field):
    """Half of a surrogate pair is good JSON, and cannot be written to any file."""
    assert refusal(deploy(call, **changed)) == (400, INVALID, f"deployment.{field}")
    assert not trusts.called


def test_a_body_of_nothing_but_brackets(call, parts):
    request = webob.Request.blank("/v1/deployments", method="POST")
    application = api.application(parts)
    request.headers["X-Auth-Token"] = f"member-{id(application)}"
    request.content_type, request.body = "application/json", b"[" * 100_000
    assert refusal(request.get_response(application))[:2] == (400, "gateway.request.json")


def test_deploy(call, trusts, parts):
    response = deploy(call, replicas=2, secrets={"PASSWORD": "planted-secret"}, health={"path": "/health"})
    assert response.status_int == 202, response.text
    made = response.json["deployment"]
    assert response.headers["Location"].endswith(f"/v1/deployments/{made['id']}")
    assert (made["status"], made["replicas"], len(made["instances"])) == ("pending", 2, 2)
    assert made["steps"][0]["name"] == "quota"
    assert "planted-secret" not in response.text
    assert "planted-secret" not in call("GET", f"/v1/deployments/{made['id']}").text
    mark = marks.description(parts.deployments.owner, made["id"])
    assert trusts.last_request.json()["trust"]["description"] == mark
    kept = parts.deployments.deployment(made["id"], PROJECT)
    assert (kept.trust_id, kept.spec.secrets) == ("trust-made", ("PASSWORD",))
    assert parts.deployments.secrets(made["id"], 1) == {"env": {"PASSWORD": "planted-secret"}}
    assert [d["id"] for d in call("GET", "/v1/deployments").json["deployments"]] == [made["id"]]


def test_onto_a_server_that_the_gateway_booted(call, trusts, parts, servers):
    response = deploy(call, server={"ids": ["web"]})
    assert response.status_int == 202, response.text
    assert parts.deployments.deployment(response.json["deployment"]["id"]).spec.server.ids == (SERVER,)


def test_onto_a_server_with_a_key_of_its_own(call, trusts, parts, servers):
    server = {"ids": ["strange"], "user": "debian", "private_key": KEY.private, "host_key": KEY.public}
    response = deploy(call, server=server)
    assert response.status_int == 202, response.text
    assert "PRIVATE KEY" not in response.text
    kept = parts.deployments.secrets(response.json["deployment"]["id"], 1)
    assert kept == {"env": {}, "private_key": KEY.private}


def test_where_keystone_refuses_a_trust(call, openstack, parts):
    openstack.post(f"{KEYSTONE}/OS-TRUST/trusts", status_code=403, json={})
    assert refusal(deploy(call))[:2] == (403, "gateway.trust.refused")
    assert parts.deployments.deployments(PROJECT, 10) == []


def test_a_reader_looks_and_does_not_deploy(call, trusts, parts):
    made = deployed.deployment(project_id=PROJECT)
    parts.deployments.add(made, {"env": {}})
    assert call("GET", f"/v1/deployments/{made.id}", roles="reader").status_int == 200
    assert deploy(call, roles="reader").status_int == 403
    assert call("DELETE", f"/v1/deployments/{made.id}", roles="reader").status_int == 403
    assert parts.deployments.status(made.id) is Status.PENDING


@pytest.mark.parametrize("project", ["another", None])
def test_what_is_not_the_projects_is_not_there(call, parts, project):
    made = deployed.deployment(project_id="another")
    if project:
        parts.deployments.add(made, {"env": {}})
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/log"), ("GET", "/journal")):
        response = call(method, f"/v1/deployments/{made.id}{path}")
        assert refusal(response)[:2] == (404, "gateway.deployment.not_found")
    assert call("GET", "/v1/deployments").json == {"deployments": []}
    if project:
        assert parts.deployments.status(made.id) is Status.PENDING


def test_another_projects_artifact(call, trusts, parts):
    kept = Artifact(str(uuid.uuid4()), "another", "00" * 32, 1, 1.0)
    parts.deployments.add_artifact(kept)
    assert refusal(deploy(call, artifact=kept.id))[:2] == (400, "gateway.artifact.not_found")


def test_delete_is_for_the_engine_to_do_and_may_be_repeated(call, parts):
    made = dataclasses.replace(deployed.deployment(project_id=PROJECT), status=Status.SUCCEEDED)
    parts.deployments.add(made, {"env": {}})
    for _ in range(2):
        response = call("DELETE", f"/v1/deployments/{made.id}")
        assert (response.status_int, response.json["deployment"]["status"]) == (202, "deleting")


def settled(parts, id):
    """As the engine leaves it."""
    parts.deployments.move(id, Status.FINISHING, [Status.PENDING])
    assert parts.deployments.succeed(id, 5)


def test_once_more_is_the_next_release(call, trusts, parts):
    id = deploy(call).json["deployment"]["id"]
    assert refusal(deploy(call, version="2"))[:2] == (409, "gateway.deployment.in_progress")
    settled(parts, id)
    response = deploy(call, version="2", replicas=3)
    assert response.status_int == 202, response.text
    made = response.json["deployment"]
    assert (made["id"], made["release"], made["status"]) == (id, 2, "pending")
    assert [(r["number"], r["state"], r["folder"]) for r in made["releases"]] == [
        (2, "deploying", "2-2"),
        (1, "current", "1.0.0-1"),
    ]
    assert [each["aim"] for each in made["instances"]] == ["update", "add", "add"]
    assert {step["request_id"] for step in made["steps"]} == {made["request_id"]}
    assert len(call("GET", "/v1/deployments").json["deployments"]) == 1


def test_more_servers_of_the_same_leave_the_others_alone(call, trusts, parts):
    settled(parts, deploy(call).json["deployment"]["id"])
    made = deploy(call, replicas=2).json["deployment"]
    assert [each["aim"] for each in made["instances"]] == ["keep", "add"]
    assert made["releases"][0]["folder"] == made["releases"][1]["folder"]
    settled(parts, made["id"])
    other = deploy(call, replicas=2, secrets={"A": "x"}).json["deployment"]
    assert [each["aim"] for each in other["instances"]] == ["update", "update"]


def test_what_a_release_cannot_change(call, trusts, parts, servers):
    settled(parts, deploy(call).json["deployment"]["id"])
    for server in ({**NEW, "user": "root"}, {"ids": [SERVER]}):
        code = refusal(deploy(call, server=server))
        assert code[:2] == (409, "gateway.deployment.server_changed")
    assert parts.deployments.live(PROJECT, "hello").release.number == 1


def test_a_key_that_came_before_need_not_come_again(call, trusts, parts, servers):
    server = {"ids": ["strange"], "user": "debian", "private_key": KEY.private, "host_key": KEY.public}
    id = deploy(call, server=server).json["deployment"]["id"]
    settled(parts, id)
    response = deploy(call, version="2", server={"ids": ["strange"]})
    assert response.status_int == 202, response.text
    assert parts.deployments.secrets(id, 2) == parts.deployments.secrets(id, 1)
    assert parts.deployments.deployment(id).spec.server.host_key == KEY.public


JUMP = {"server": "strange", "user": "debian", "private_key": KEY.private, "host_key": KEY.public}


def test_the_key_of_a_jump_host_need_not_come_again(call, trusts, parts, servers):
    id = deploy(call, server={**NEW, "jump": JUMP}).json["deployment"]["id"]
    settled(parts, id)
    response = deploy(call, version="2", server={**NEW, "jump": {"server": "strange"}})
    assert response.status_int == 202, response.text
    assert "PRIVATE KEY" not in response.text
    assert parts.deployments.secrets(id, 2) == {"env": {}, "jump_private_key": KEY.private}
    jump = parts.deployments.deployment(id).spec.server.jump
    assert (jump.user, jump.host_keys, jump.trust) == ("debian", (KEY.public,), Trust.GIVEN)
    settled(parts, id)
    other = guest.key_pair()
    changed = {"server": "strange", "user": "root", "private_key": other.private, "host_key": other.public}
    assert deploy(call, version="3", server={**NEW, "jump": changed}).status_int == 202
    assert parts.deployments.secrets(id, 3)["jump_private_key"] == other.private
    settled(parts, id)
    assert call("POST", f"/v1/deployments/{id}/rollback", {"release": 1}).status_int == 202
    assert parts.deployments.secrets(id, 4)["jump_private_key"] == other.private


def test_the_key_of_one_jump_host_is_none_of_anothers(call, trusts, parts, servers):
    """Neither of another server, nor where no release has brought one."""
    refused = (400, "gateway.deployment.private_key", "deployment.server.jump.private_key")
    settled(parts, deploy(call, server={**NEW, "jump": {"server": "web"}}).json["deployment"]["id"])
    without = {**NEW, "jump": {"server": "strange"}}
    assert refusal(deploy(call, version="2", server=without)) == refused
    elsewhere = {"server": {**NEW, "jump": JUMP}, "service": "other"}
    settled(parts, deploy(call, **elsewhere).json["deployment"]["id"])
    parts.deployments.delete_access(PROJECT, SERVER)
    assert refusal(deploy(call, service="other", server={**NEW, "jump": {"server": "web"}})) == refused


def test_the_same_key_is_the_same_call(call, trusts, parts):
    def again(**changed):
        return call("POST", "/v1/deployments", {"deployment": WISH | changed}, "member+reader", **key)

    key = {"Idempotency-Key": "once"}
    first, second = again(), again()
    assert (first.status_int, second.status_int) == (202, 202)
    assert first.json["deployment"]["id"] == second.json["deployment"]["id"]
    assert first.headers["Location"] == second.headers["Location"]
    assert trusts.call_count == 1
    assert refusal(again(version="2"))[:2] == (409, "gateway.request.idempotency_key")
    for bad in ("", "a" * 256, "\x7f"):
        key["Idempotency-Key"] = bad
        assert refusal(again())[:2] == (400, "gateway.request.idempotency_key")


def test_back_to_an_earlier_release(call, trusts, parts):
    id = deploy(call, secrets={"A": "first"}).json["deployment"]["id"]
    url = f"/v1/deployments/{id}/rollback"
    assert refusal(call("POST", url, {}))[:2] == (409, "gateway.deployment.in_progress")
    settled(parts, id)
    assert refusal(call("POST", url, {}))[:2] == (409, "gateway.deployment.no_release")
    settled(parts, deploy(call, version="2", replicas=2).json["deployment"]["id"])
    assert refusal(call("POST", url, {"release": 2}))[:2] == (409, "gateway.deployment.no_release")
    made = call("POST", url, {}).json["deployment"]
    assert (made["release"], made["version"], made["replicas"]) == (3, "1.0.0", 2)
    assert made["releases"][0]["folder"] == "1.0.0-1"
    assert parts.deployments.secrets(id, 3) == {"env": {"A": "first"}}


def test_cancel(call, trusts, parts):
    id = deploy(call).json["deployment"]["id"]
    url = f"/v1/deployments/{id}/cancel"
    for _ in range(2):
        response = call("POST", url)
        assert (response.status_int, response.json["deployment"]["status"]) == (202, "reverting")
    assert response.json["deployment"]["fault"]["code"] == "gateway.deployment.canceled"
    parts.deployments.fail(id)
    assert refusal(call("POST", f"/v1/deployments/{id}/cancel"))[:2] == (
        409,
        "gateway.deployment.not_running",
    )
    assert deploy(call).json["deployment"]["id"] != id  # nothing is left of the first


@pytest.mark.parametrize("part", ["cancel", "rollback"])
def test_a_reader_changes_nothing(call, trusts, parts, part):
    id = deploy(call).json["deployment"]["id"]
    assert call("POST", f"/v1/deployments/{id}/{part}", {}, "reader").status_int == 403


def test_the_log(call, parts):
    made = deployed.deployment(project_id=PROJECT)
    parts.deployments.add(made, {"env": {}})
    parts.deployments.write_log(made.id, "setup", 0, "ñ")
    [line] = call("GET", f"/v1/deployments/{made.id}/log").json["log"]
    assert (line["step"], line["target"], line["text"]) == ("setup", 0, "ñ")


def test_the_journal_is_members_and_of_what_the_gateway_has_been_on(call, parts):
    made = deployed.deployment(project_id=PROJECT)
    parts.deployments.add(made, {"env": {}})
    url = f"/v1/deployments/{made.id}/journal"
    assert refusal(call("GET", url)) == (409, "gateway.deployment.not_running", None)
    assert refusal(call("GET", f"{url}?instance=9"))[:2] == (404, "gateway.deployment.instance_not_found")
    for query in ("lines=0", "lines=1001", "lines=all", "instance=-1", "since=1"):
        assert call("GET", f"{url}?{query}").status_int == 400
    assert call("GET", url, roles="reader").status_int == 403


def test_so_many_journals_at_a_time(call, parts):
    made = deployed.deployment(project_id=PROJECT)
    parts.deployments.add(made, {"env": {}})
    parts.conf.set_override("max_journals", 1, "api")
    for _ in range(3):  # what could not be read gives its place back
        assert call("GET", f"/v1/deployments/{made.id}/journal?follow=true").status_int == 409


def test_the_way_in_names_the_host_key_and_no_key_of_the_gateways(call, parts):
    made = deployed.deployment(project_id=PROJECT)
    parts.deployments.add(made, {"env": {}})
    url = f"/v1/deployments/{made.id}"
    assert call("GET", url).json["deployment"]["instances"][0]["ssh"] is None
    parts.deployments.set_target(made.id, 0, address="198.51.100.7", host_key=KEY.public)
    way = {"host": "198.51.100.7", "port": 22, "user": "debian", "host_key": KEY.public, "jump": None}
    assert call("GET", url).json["deployment"]["instances"][0]["ssh"] == way


# Artifacts


def archive(*members, mode="w:gz"):
    """A tar of (name or TarInfo, bytes)."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode=mode) as tar:
        for name, data in members:
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return whole.getvalue()


def special(name, kind, linkname=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, linkname
    return member


@pytest.fixture
def upload(parts):
    parts.conf.set_override("max_artifact", 4096, "deploy")
    application = api.application(parts)

    def send(data, content_type="application/gzip", chunked=False, roles="member"):
        request = webob.Request.blank("/v1/artifacts", method="POST")
        request.headers["X-Auth-Token"] = f"{roles}-{id(application)}"
        request.body_file = io.BytesIO(data)
        request.content_length = None if chunked else len(data)
        if chunked:
            request.headers["Transfer-Encoding"] = "chunked"
            request.environ["wsgi.input_terminated"] = True
        if content_type:
            request.content_type = content_type
        return described.answered(request, application)

    return send


def kept_files(parts):
    folder = parts.deployments.artifact_path("x").parent
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


GOOD = archive(("app.py", b"print()"), (special("lib", tarfile.SYMTYPE, "app.py"), b""))


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("content_type", ["application/gzip", "application/octet-stream"])
def test_an_artifact(upload, parts, chunked, content_type):
    response = upload(GOOD, content_type, chunked)
    assert response.status_int == 201, response.text
    made = response.json["artifact"]
    assert made["size"] == len(GOOD)
    assert parts.deployments.artifact(made["id"], PROJECT).sha256 == made["sha256"]
    assert parts.deployments.artifact_path(made["id"]).read_bytes() == GOOD


NOISE = bytes((n * n * 7919 >> 5) % 256 for n in range(3000))
LONG = archive(("noise", NOISE))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not_tar_gz"),
        (b"hello", "not_tar_gz"),
        (archive(("a", b"a"), mode="w")[:4096], "not_tar_gz"),
        (archive(("a", b"a"), mode="w:xz"), "not_tar_gz"),
        (GOOD[:-20], "not_tar_gz"),
        (LONG[: len(LONG) // 2], "not_tar_gz"),
        (LONG[:-8] + b"\0" * 8, "not_tar_gz"),
        (archive(("../a", b"a")), "unsafe"),
        (archive(("a/../../b", b"a")), "unsafe"),
        (archive((special("etc", tarfile.SYMTYPE, "/etc"), b"")), "unsafe"),
        (archive((special("up", tarfile.SYMTYPE, "../../x"), b"")), "unsafe"),
        (archive((special("hard", tarfile.LNKTYPE, "../x"), b"")), "unsafe"),
        (archive((special("null", tarfile.CHRTYPE), b"")), "unsafe"),
        (archive((special("pipe", tarfile.FIFOTYPE), b"")), "unsafe"),
    ],
)
def test_what_is_no_artifact(upload, parts, data, code):
    response = upload(data)
    assert refusal(response)[:2] == (400, f"gateway.artifact.{code}")
    assert kept_files(parts) == []


@pytest.mark.parametrize("chunked", [False, True])
def test_too_large(upload, parts, chunked):
    response = upload(b"\0" * 4097, chunked=chunked)
    assert refusal(response)[:2] == (413, "gateway.artifact.too_large")
    assert "4096" in error_of(response)["detail"]
    assert kept_files(parts) == []


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", None])
def test_a_wrong_content_type(upload, parts, content_type):
    assert refusal(upload(GOOD, content_type))[:2] == (400, "gateway.request.content_type")
    assert kept_files(parts) == []


def test_a_reader_uploads_nothing(upload, parts):
    assert upload(GOOD, roles="reader").status_int == 403
    assert kept_files(parts) == []


def test_an_artifact_is_its_projects_own(upload, parts):
    made = upload(GOOD).json["artifact"]
    with pytest.raises(errors.NotFound):
        parts.deployments.artifact(made["id"], "another")
