"""Checks by a command on the server: a real sshd on 127.0.0.1."""

# ruff: noqa: F401, F811  (pytest finds the fixtures by these names)
import asyncio
import contextlib
import dataclasses

import pytest

from gateway.deploy import command_check, ssh
from gateway.deploy.model import Access, ExistingServers, Trust
from gateway.registry.model import Check, Health, Instance, Kind
from gateway.tests import deployed
from gateway.tests.functional import test_deploy_ssh
from gateway.tests.functional.test_deploy_ssh import _free_port, conf_for, login, sshd

pytestmark = test_deploy_ssh.pytestmark


def check(command: str, timeout: float = 20) -> Check:
    return Check(kind=Kind.SSH, command=command, timeout=timeout)


@pytest.fixture
def connection(sshd):
    with contextlib.closing(ssh.connect(login(sshd), conf_for(sshd.port))) as made:
        yield made


@pytest.mark.parametrize(
    ("command", "ok", "output"),
    [
        ("echo well; echo and good >&2", True, "well\nand good"),
        ("true", True, "exit status 0"),
        ("echo 'full disk'; exit 3", False, "full disk"),
        ("exit 3", False, "exit status 3"),
        ("printf 'a\\000b'", True, "ab"),
        ("no-such-command 2>/dev/null", False, "exit status 127"),
    ],
)
def test_what_a_command_says(connection, command, ok, output):
    reading = command_check.probe(connection, check(command))
    assert (reading.ok, reading.output) == (ok, output)


def test_a_command_that_does_not_end(connection):
    reading = command_check.probe(connection, check("sleep 60", timeout=0.5))
    assert (reading.ok, reading.output) == (False, "timed out after 0.5 s")


def test_output_is_cut(connection):
    assert len(command_check.probe(connection, check("yes | head -c 100000")).output) == 4096


@pytest.fixture
def instance(tmp_path, sshd):
    """Of a deployment whose server is the sshd, and the store that knows it."""
    store = deployed.store(tmp_path)
    made = deployed.deployment(deployed.spec(ExistingServers(("s-1",), None)))
    store.add(made, {"env": {}})
    store.set_target(made.id, 0, server_id="s-1", address="127.0.0.1", host_key=sshd.host_key.public)
    return store, Instance(
        project_id=deployed.PROJECT,
        type="hello",
        ordinal=0,
        proto="http",
        host="127.0.0.1",
        port=1,
        http_port=0,
        https_port=0,
        routes=(),
        check=check("echo $SSH_CLIENT"),
        health=Health(),
        weight=1,
        signature="",
        deployment_id=made.id,
        server_id="s-1",
    )


def test_the_monitors_checks_keep_their_connection(sshd, instance):
    store, instance = instance
    way = login(sshd)

    def access(deployment, number):
        assert (deployment.id, number) == (instance.deployment_id, 0)
        return Access("s-1", deployed.PROJECT, way.user, way.private_key, None, Trust.GIVEN)

    with contextlib.closing(command_check.Commands(conf_for(sshd.port), store, access)) as commands:
        first, second = (asyncio.run(commands.read(instance)) for _ in range(2))
        assert (first.ok, first.output) == (True, second.output)  # the same port of ours
    with contextlib.closing(command_check.Commands(conf_for(_free_port()), store, access)) as commands:
        refused = asyncio.run(commands.read(instance))
    assert (refused.ok, refused.output) == (False, "sshd on 127.0.0.1: Connection refused.")
    gone = dataclasses.replace(instance, server_id="s-2")
    with contextlib.closing(command_check.Commands(conf_for(sshd.port), store, access)) as commands:
        assert "no way into server s-2" in asyncio.run(commands.read(gone)).output
