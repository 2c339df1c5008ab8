"""The container image, alone and as docker-compose.yaml has it."""

import fnmatch
import json
import shutil
import time

from behave import given, then, when
from harness import container
from harness.client import Client
from harness.clouds import cloud
from harness.composed import Composed
from harness.gatewayd import free_port
from harness.own import contained_gateway

from gateway.tests import databases
from gateway.tests.database_servers import PostgreSQL
from gateway.tests.etcd import Etcd

_ROLES = ("api", "engine", "monitor", "rpc")
_HEALTH = ("python3", "-m", "gateway.healthcheck")
_UP = 300  # seconds
# Ends at once, and leaves a process to the container's first one that ends a moment later.
_ORPHAN = "import os, time\nif not os.fork():\n    time.sleep(0.5)"
_ZOMBIES = "import glob; print(sum(') Z ' in open(path).read() for path in glob.glob('/proc/[0-9]*/stat')))"


@then("the image is smaller than {size:d} MB")
def step_size(context, size):
    found = container.image()["Size"] / 1e6
    assert found < size, found


@then("its user is {user}, and its ports are {one:d} and {other:d}")
def step_config(context, user, one, other):
    config = container.image()["Config"]
    assert config["User"] == user, config
    assert set(config["ExposedPorts"]) == {f"{one}/tcp", f"{other}/tcp"}, config


@then("there is none of this in it")
def step_none(context):
    ended = container.run_once("find", "/", "-xdev", user="0")
    assert ended.returncode == 0, ended.stderr
    paths = ended.stdout.splitlines()
    assert "/opt/gateway/bin/gatewayd" in paths, paths[:20]
    found = [path for row in context.table for path in fnmatch.filter(paths, row["path"])]
    assert not found, found


@then("no program in it gives its user another's rights")
def step_no_setuid(context):
    ended = container.run_once("find", "/", "-xdev", "-type", "f", "-perm", "/6000", user="0")
    assert ended.stdout == "", ended.stdout


@then('its health command fails where no daemon runs and says "{text}"')
def step_unwell(context, text):
    command = container.image()["Healthcheck"]["Test"]
    assert command == ["CMD", *_HEALTH], command
    ended = container.run_once(*_HEALTH)
    assert ended.returncode == 1, ended
    assert text in ended.stderr, ended


@given("a gateway in a container, as who may write nothing but its volume")
def step_contained(context):
    container.image()
    contained_gateway(context)
    ended = context.gateway.run_inside("touch", "/tmp/here")
    assert "Read-only" in ended.stderr, ended


@then("its health command succeeds")
def step_well(context):
    ended = context.gateway.run_inside(*_HEALTH)
    assert ended.returncode == 0, ended


@given("PostgreSQL and etcd on this machine, and a file of secrets that names a port of the API, too")
def step_secrets(context):
    server = PostgreSQL().start()
    context.add_cleanup(server.stop)
    etcd = Etcd(server.folder / "etcd").start()
    context.add_cleanup(etcd.stop)
    folder = context.folder / "compose"
    folder.mkdir()
    context.add_cleanup(shutil.rmtree, folder)
    login = cloud("gateway").config.config["auth"]
    secrets = folder / "gateway.conf"
    secrets.touch(0o400)
    secrets.write_text(
        f"[database]\nconnection = {databases.made('gateway', server.url)}\n"
        f"[keystone_authtoken]\npassword = {login['password']}\n[api]\nport = {free_port()}\n"
    )
    shutil.chown(secrets, 10001)
    port = free_port()
    variables = {
        "GATEWAY_AUTH_URL": login["auth_url"],
        "GATEWAY_COORDINATION": etcd.url,
        "GATEWAY_API_PORT": str(port),
        "GATEWAY_RPC_PORT": str(free_port()),
        "GATEWAY_LOG_JSON": "true",
    }
    context.composed = Composed(folder, variables)
    context.composed_url = f"http://127.0.0.1:{port}"


@when("I bring the service {service:w} of docker-compose.yaml up")
def step_up(context, service):
    container.image()
    context.add_cleanup(context.composed.run, "down", "--volumes")
    context.composed.run("up", "--detach", service)


@when("I bring its roles up")
def step_roles_up(context):
    context.composed.run("up", "--detach", "--no-deps", *_ROLES)
    context.client = Client(context.composed_url, context.called)


def _inspected(context, service: str) -> dict:
    return json.loads(container.done("container", "inspect", context.composed.container(service)))[0]


def _inside(context, service: str, *command: str):
    return container.podman("exec", context.composed.container(service), *command)


@then("it makes the database, and ends with 0")
def step_migrated(context):
    deadline = time.monotonic() + _UP
    while (state := _inspected(context, "migrate")["State"])["Running"]:
        assert time.monotonic() < deadline, state
        time.sleep(0.5)
    assert (state["ExitCode"], "schema is at" in _log(context, "migrate")) == (0, True), state


@then("the health command of each role succeeds, soon")
def step_roles_well(context):
    deadline = time.monotonic() + _UP
    for role in _ROLES:
        while (ended := _inside(context, role, *_health(context, role))).returncode:
            assert time.monotonic() < deadline, (role, ended.stderr, _log(context, role))
            time.sleep(0.5)


def _log(context, service: str) -> str:
    ended = container.podman("logs", context.composed.container(service))
    return ended.stdout + ended.stderr


def _health(context, role: str) -> list[str]:
    kind, *command = _inspected(context, role)["Config"]["Healthcheck"]["Test"]
    assert kind == "CMD", kind
    return command


@then("that of the role {role:w} fails in the container of the role {other:w}")
def step_role_unwell(context, role, other):
    ended = _inside(context, other, *_health(context, role))
    assert ended.returncode == 1, ended
    assert f"no process of the role {role}" in ended.stderr, ended


@then("none of them may write to its root, or has any capability")
def step_confined(context):
    for role in _ROLES:
        ended = _inside(context, role, "touch", "/var/here")
        assert "Read-only" in ended.stderr, ended
        status = _inside(context, role, "cat", "/proc/1/status").stdout
        assert "NoNewPrivs:\t1" in status, status
        assert "CapBnd:\t0000000000000000" in status, status


@then("all that each printed is JSON")
def step_json(context):
    for role in _ROLES:
        lines = _log(context, role).splitlines()
        assert lines, role
        for line in lines:
            assert "message" in json.loads(line), line


@then("a process that nobody waits for is gone once it has ended")
def step_reaped(context):
    ended = _inside(context, "api", "python3", "-c", _ORPHAN)
    assert ended.returncode == 0, ended
    deadline = time.monotonic() + 30
    time.sleep(1)  # it has ended then; a zombie would stay
    while (ended := _inside(context, "api", "python3", "-c", _ZOMBIES)).stdout != "0\n":
        assert time.monotonic() < deadline, ended
        time.sleep(0.5)


@when("I stop them")
def step_stop(context):
    context.composed.run("stop")


@then("each role has ended with 0")
def step_ended(context):
    for role in _ROLES:
        state = _inspected(context, role)["State"]
        assert (state["Running"], state["ExitCode"]) == (False, 0), (role, state, _log(context, role))
