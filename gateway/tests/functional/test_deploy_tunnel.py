"""Through a jump host: a real sshd on 127.0.0.1, which leads to another one and to a service."""

# ruff: noqa: F401, F811  (pytest finds the fixtures by these names)
import asyncio
import contextlib
import dataclasses
import http.server
import socket
import threading

import pytest

from gateway import errors
from gateway.deploy import guest, ssh, tunnel
from gateway.deploy.model import Access, ExistingServers, Jump, Trust
from gateway.registry.model import Check, Health, Instance, Kind
from gateway.tests import deployed
from gateway.tests.functional import test_deploy_ssh
from gateway.tests.functional.test_deploy_ssh import USER, Sshd, _free_port, conf_for, login, shell, sshd

pytestmark = test_deploy_ssh.pytestmark


@pytest.fixture
def conf(sshd):
    return conf_for(sshd.port)


@pytest.fixture
def jump(sshd, conf):
    with contextlib.closing(ssh.connect(dataclasses.replace(login(sshd), is_jump=True), conf)) as connection:
        yield connection


class Service(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 500)
        self.end_headers()
        self.wfile.write(b"well")

    def log_message(self, *_):
        pass


@pytest.fixture
def port():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_a_server_behind_a_jump_host(tmp_path, jump):
    """Both host keys are the known ones, and only the jump host sees us."""
    inner = Sshd(tmp_path)
    conf = conf_for(inner.port)
    try:
        with contextlib.closing(
            ssh.wait_for_login(login(inner), conf, lambda: None, 0, lambda: jump)
        ) as made:
            assert made.run(shell("echo $SSH_CLIENT")).output.startswith("127.0.0.1 ")
            assert made.host_key() == inner.host_key.public
        wrong = login(inner, host_keys=(guest.key_pair().public,))
        with pytest.raises(ssh.HostKeyMismatch):
            ssh.wait_for_login(wrong, conf, lambda: None, 0, lambda: jump)
    finally:
        inner.stop()


def test_nobody_listens_behind_the_jump_host(jump):
    conf = conf_for(_free_port())
    wanted = ssh.Login("127.0.0.1", USER, guest.key_pair().private, ())
    with pytest.raises(errors.Timeout, match="reachable from the jump host"):
        ssh.wait_for_login(wanted, conf, lambda: None, 0, lambda: jump)


@pytest.mark.parametrize(
    ("check", "ok", "output"),
    [
        (Check("/health"), True, "200 OK"),
        (Check("/health", body="ill"), False, "the body has no 'ill'"),
        (Check("/lost"), False, "500 Internal Server Error"),
        (Check(kind=Kind.TCP), True, "connected"),
    ],
)
def test_a_check_through_the_jump_host(jump, port, check, ok, output):
    reading = tunnel.probe(jump, "http", "127.0.0.1", port, check)
    assert (reading.ok, reading.output) == (ok, output)


def test_a_check_of_nobody(jump, port):
    reading = tunnel.probe(jump, "http", "127.0.0.1", _free_port(), Check())
    assert (reading.ok, reading.output) == (False, "connect failed")
    assert jump.is_open()


def test_a_check_that_gets_no_answer(jump):
    """The backlog of a listener takes the connection, and nobody speaks."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reading = tunnel.probe(jump, "http", "127.0.0.1", silent.getsockname()[1], Check(timeout=0.3))
    assert (reading.ok, reading.output) == (False, "timed out after 0.3 s")


@pytest.fixture
def store(tmp_path):
    return deployed.store(tmp_path)


def behind(store, sshd, **secrets):
    """A deployment whose instance only the sshd reaches, and that instance at a port."""
    way = Jump("gate", "127.0.0.1", USER, (sshd.host_key.public,), Trust.INJECTED)
    servers = ExistingServers(("s-1",), USER, jump=way)
    wanted = deployed.spec(servers, service=f"hello-{len(secrets)}")
    made = deployed.deployment(wanted)
    store.add(made, {"env": {}, **secrets})
    assert store.deployment(made.id).spec == wanted

    def instance(port):
        return Instance(
            project_id=deployed.PROJECT,
            type="hello",
            ordinal=0,
            proto="http",
            host="127.0.0.1",
            port=port,
            http_port=port,
            https_port=0,
            routes=(),
            check=Check("/health", timeout=10, tunnel=True),
            health=Health(),
            weight=1,
            signature="",
            deployment_id=made.id,
        )

    return instance


def test_the_monitors_checks_share_one_connection(store, sshd, conf, port):
    """With a key that the gateway knows since it booted the jump host, or one that came with the wish."""
    store.save_access(
        Access("gate", deployed.PROJECT, USER, sshd.login_key.private, sshd.host_key.public, Trust.INJECTED)
    )
    first, second = behind(store, sshd), behind(store, sshd, jump_private_key=sshd.login_key.private)
    before = sshd.log().count("Accepted publickey")

    async def look(tunnels):
        return await asyncio.gather(*(tunnels.read(each(port)) for each in (first, second, first)))

    with contextlib.closing(tunnel.Tunnels(conf, store)) as tunnels:
        for _ in range(2):
            assert [reading.output for reading in asyncio.run(look(tunnels))] == ["200 OK"] * 3
    assert sshd.log().count("Accepted publickey") == before + 1


def test_a_jump_host_that_is_gone_and_comes_back(store, tmp_path, port, monkeypatch):
    monkeypatch.setattr(tunnel, "_RETRY_AFTER", 0.0)
    (tmp_path / "a").mkdir()
    server = Sshd(tmp_path / "a")
    instance = behind(store, server, jump_private_key=server.login_key.private)
    conf = conf_for(server.port)
    with contextlib.closing(tunnel.Tunnels(conf, store)) as tunnels:

        def output():
            return asyncio.run(tunnels.read(instance(port))).output

        assert output() == "200 OK"
        tunnels._kept[next(iter(tunnels._kept))].close()
        assert output() == "200 OK"
        server.stop()
        tunnels._kept[next(iter(tunnels._kept))].close()
        assert "the jump host 127.0.0.1" in output()
        again = Sshd(tmp_path / "a", server.host_key, server.login_key, server.port)
        try:
            assert output() == "200 OK"
        finally:
            again.stop()


def test_a_deployment_that_is_gone(store, conf, sshd, port):
    instance = dataclasses.replace(behind(store, sshd)(port), deployment_id="gone")
    with contextlib.closing(tunnel.Tunnels(conf, store)) as tunnels:
        reading = asyncio.run(tunnels.read(instance))
    assert not reading.ok
    assert "gone" in reading.output
