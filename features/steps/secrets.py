"""Secrets that are planted, and all the places where none of them may turn up."""

import base64
import binascii
import contextlib
import os
import pathlib
import re
import uuid
from collections.abc import Iterator

from behave import given, then
from harness import clouds
from harness.names import filled
from harness.own import own_gateway

#: The first bytes of every private key as OpenSSH writes it, also within other base64.
_ANY_KEY = (b"PRIVATE KEY", b"b3BlbnNzaC1rZXktdj", b"openssh-key-v1")


@given("a gateway of the scenario's own that logs all it can, with a password that nobody else has")
def step_gateway(context):
    admin, service = clouds.as_user("an admin").identity, clouds.cloud("gateway")
    password = f"planted-{uuid.uuid4().hex}"
    user = admin.create_user(name=f"gateway-{uuid.uuid4().hex[:8]}", password=password, domain_id="default")
    context.add_cleanup(admin.delete_user, user.id)
    for role in ("service", "admin"):
        found = admin.find_role(role)
        admin.assign_project_role_to_user(service.current_project_id, user.id, found.id)
    login = {"username": user.name, "password": password}
    own_gateway(context, {"DEFAULT": {"debug": True}, "keystone_authtoken": login})
    context.secrets = {"the password of [keystone_authtoken]": password.encode()}


@given("secrets in all places that take them")
def step_secrets(context):
    context.execute_steps("Given the token of an unrestricted application credential of a member's")
    pem = context.shared.private_key()
    context.names["shared_key"] = pem.replace("\n", "\\n")
    context.names["planted_env"] = f"planted-{uuid.uuid4().hex}"
    context.secrets |= {
        "the env's secret": context.names["planted_env"].encode(),
        "the token": context.names["token"].encode(),
        "the usual token": clouds.as_user("a member").auth_token.encode(),
        "the private key": pem.splitlines()[2].encode(),
        "the application credential's secret": context.credential_secret.encode(),
    }


def _check(context, where: str, seen: bytes) -> None:
    """Nor a private key of any kind: the gateway makes some that nobody knows."""
    forms = [*context.secrets.items(), *(("a private key", mark) for mark in _ANY_KEY)]
    for text in (seen, *_decoded(seen)):  # user data goes to Nova in base64
        for name, form in forms:
            at = text.find(form)
            assert at < 0, f"{name} is in {where}: {text[max(at - 200, 0) : at + 40]!r}"


def _decoded(seen: bytes) -> Iterator[bytes]:
    for found in re.finditer(rb"[A-Za-z0-9+/]{40,}={0,2}", seen):
        text = found[0].rstrip(b"=")
        with contextlib.suppress(binascii.Error):
            yield base64.b64decode(text + b"=" * (-len(text) % 4))


@then("no secret is in the daemon's log")
def step_log(context):
    seen = context.gateway.log.read_bytes()
    assert b" DEBUG " in seen, "nothing of debug = true"
    _check(context, "the log", seen)


@then("no secret is in the daemon's files")
def step_files(context):
    """The database with its journal and the pages that it no longer uses, and whatever else is there."""
    seen = [path for path in context.gateway.state.rglob("*") if path.is_file()]
    assert any(path.name == "gateway.db" for path in seen), seen
    for path in seen:
        _check(context, str(path), path.read_bytes())


@then("no secret is in what the gateway answers")
def step_answers(context):
    paths = (
        "/v1/deployments",
        "/v1/deployments/{deployment}",
        "/v1/deployments/{deployment}/log",
        "/v1/servers",
    )
    for path in (*paths, "/registry/service/types", "/v1/artifacts"):
        answer = context.client.call("a member", "GET", filled(path, context.names))
        _check(context, f"GET {path}", answer.content + repr(answer.headers).encode())


@then("no secret is in the processes of this machine")
def step_processes(context):
    seen, own = b"", []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            seen += (process / "cmdline").read_bytes() + b"\n"
            if os.getpgid(int(process.name)) == context.gateway.pid:
                own.append((process / "environ").read_bytes())
        except OSError:  # it has ended
            continue
    assert len(own) > 3, "the daemon's processes are not seen"
    seen += b"\n".join(own)
    _check(context, "a command line, or the daemon's environment", seen)


def _run(context, command: str) -> str:
    """On the server of the deployment's first instance."""
    path = filled("/v1/deployments/{deployment}", context.names)
    instance = context.client.call("a member", "GET", path).json()["deployment"]["instances"][0]
    return context.shared.run(instance["address"], instance["host_key"], command)


@then("no secret is in the processes of its server, as others there see them")
def step_remote_processes(context):
    """Command lines of all; environments as far as another user may read them."""
    seen = _run(
        context,
        "sudo sh -c 'cat /proc/[0-9]*/cmdline' 2>/dev/null | tr '\\0' ' '; echo;"
        "sudo -u nobody sh -c 'cat /proc/[0-9]*/environ' 2>/dev/null | tr '\\0' ' '; true",
    )
    assert "sshd" in seen, seen
    _check(context, "the processes there", seen.encode())


@then("no secret is in the files of its server that others there may read")
def step_remote_files(context):
    # not in a command line, where this very test would find it again
    planted = f"echo {base64.b64encode(context.names['planted_env'].encode()).decode()} | base64 -d"
    folders = "/opt/gateway /etc/systemd /run/systemd /tmp /var/tmp /var/log"
    found = _run(context, f"{planted} | sudo -u nobody grep -rlF -f /dev/stdin {folders} 2>/dev/null; true")
    assert not found.strip(), found
    whose = _run(
        context, f"{planted} | sudo grep -rlF -f /dev/stdin /opt/gateway | xargs sudo stat -c '%a %n'"
    )
    assert whose.strip(), "the service has no secret"
    assert all(line.startswith("600 ") for line in whose.strip().splitlines()), whose
