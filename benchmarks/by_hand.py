"""The deployment done by hand: python-novaclient, openstacksdk and Paramiko, without a gateway."""

import contextlib
import dataclasses
import hashlib
import io
import socket
import time
from collections.abc import Callable

import openstack.connection
import paramiko
import requests
from novaclient import client as novaclient
from novaclient import exceptions as nova_exceptions

from gateway.cli import clouds
from gateway.deploy import guest, recipe
from gateway.deploy.model import NewServers, Spec
from gateway.registry.model import Check

PAUSE = 0.25  # seconds between looks
PATIENCE = 900.0  # seconds for any one wait
COMMAND = 300.0
PORT = 8080


@dataclasses.dataclass(frozen=True)
class Wish:
    """What both deploy, ids resolved; ``name`` is unique: by it everything is found again and removed."""

    name: str
    flavor: str
    image: str
    network: str
    user: str
    artifact: bytes


class Laps:
    """Seconds by phase, on one clock."""

    def __init__(self):
        self.seconds: dict[str, float] = {}
        self.last = time.monotonic()

    def lap(self, phase: str) -> None:
        now = time.monotonic()
        self.seconds[phase] = now - self.last
        self.last = now


def until(look: Callable[[], object]) -> object:
    """Looks each 0.25 s until there is something; raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"still waiting after {PATIENCE:g} s")
        time.sleep(PAUSE)
    return found


def sshd_answers(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), 2) as connection:
            connection.settimeout(2)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


class Direct:
    def __init__(self, cloud: clouds.Cloud, wish: Wish):
        self._wish = wish
        self._network = openstack.connection.Connection(
            session=cloud.session, region_name=cloud.region_name, interface=cloud.interface
        ).network
        self._nova = novaclient.Client(
            "2.60", session=cloud.session, region_name=cloud.region_name, endpoint_type=cloud.interface
        )

    def run(self) -> dict[str, float]:
        host_key, login_key = guest.key_pair(), guest.key_pair()
        laps = Laps()
        self._open_security_group()
        laps.lap("security group")
        server_id = self._boot(guest.user_data(host_key, login_key.public))
        address = until(lambda: self._address(server_id))
        laps.lap("create → ACTIVE")
        until(lambda: sshd_answers(address))
        laps.lap("ACTIVE → sshd answers")
        ssh = until(lambda: self._logged_in(address, host_key, login_key))
        laps.lap("sshd answers → logged in")
        with contextlib.closing(ssh):
            self._deploy(ssh, laps)
            until(lambda: _is_well(address))
            laps.lap("started → answers 200")
        return laps.seconds

    def _open_security_group(self) -> None:
        group = self._network.create_security_group(name=self._wish.name)
        for port in (22, PORT):
            for ether_type in ("IPv4", "IPv6"):
                self._network.create_security_group_rule(
                    security_group_id=group.id,
                    direction="ingress",
                    ether_type=ether_type,
                    protocol="tcp",
                    port_range_min=port,
                    port_range_max=port,
                )

    def _boot(self, user_data: str) -> str:
        wish = self._wish
        return self._nova.servers.create(
            wish.name,
            wish.image,
            wish.flavor,
            nics=[{"net-id": wish.network}],
            userdata=user_data,
            security_groups=[wish.name],
        ).id

    def _address(self, server_id: str) -> str | None:
        server = self._nova.servers.get(server_id)
        if server.status == "ERROR":
            raise RuntimeError(f"Nova: {server.fault['message']}")
        if server.status != "ACTIVE":
            return None
        return next(a["addr"] for each in server.addresses.values() for a in each if a["version"] == 4)

    def _logged_in(
        self, address: str, host_key: guest.KeyPair, login_key: guest.KeyPair
    ) -> paramiko.SSHClient | None:
        ssh = paramiko.SSHClient()
        ssh.set_missing_host_key_policy(paramiko.RejectPolicy())
        pinned = paramiko.Ed25519Key.from_private_key(io.StringIO(host_key.private))
        ssh.get_host_keys().add(address, pinned.get_name(), pinned)
        key = paramiko.Ed25519Key.from_private_key(io.StringIO(login_key.private))
        try:
            ssh.connect(
                address,
                username=self._wish.user,
                pkey=key,
                timeout=10,
                banner_timeout=30,
                auth_timeout=30,
                allow_agent=False,
                look_for_keys=False,
            )
            return ssh
        except (paramiko.SSHException, OSError, EOFError):
            ssh.close()
            return None

    def _deploy(self, ssh: paramiko.SSHClient, laps: Laps) -> None:
        wish = self._wish
        layout = recipe.Layout("/opt/gateway", wish.name, "1")
        digest = hashlib.sha256(wish.artifact).hexdigest()
        _run(ssh, recipe.prepare(layout, wish.user, (), COMMAND))
        _run(ssh, recipe.unpack(layout, digest, 1, COMMAND), wish.artifact)
        _run(ssh, recipe.place(layout, _spec(wish), {}, wish.user, COMMAND))
        laps.lap("upload")
        _run(ssh, recipe.facts(layout, (), COMMAND))
        laps.lap("cloud-init done")
        _run(ssh, recipe.start(layout, COMMAND))
        laps.lap("start")

    def remove(self) -> None:
        found = [server for server in self._nova.servers.list() if server.name == self._wish.name]
        for server in found:
            server.delete()
            until(lambda id=server.id: self._is_gone(id))
        for group in list(self._network.security_groups(name=self._wish.name)):
            self._network.delete_security_group(group.id)

    def _is_gone(self, server_id: str) -> bool:
        try:
            self._nova.servers.get(server_id)
        except nova_exceptions.NotFound:
            return True
        return False


def _run(ssh: paramiko.SSHClient, command: recipe.Command, stdin: bytes = b"") -> None:
    channel = ssh.get_transport().open_session(timeout=COMMAND)
    channel.set_combine_stderr(True)
    channel.settimeout(command.timeout)
    channel.exec_command(command.line())
    channel.sendall(stdin or command.stdin)
    if not command.held:
        channel.shutdown_write()
    output = b"".join(iter(lambda: channel.recv(32768), b""))
    if channel.recv_exit_status() != 0:
        raise RuntimeError(f"{command.title} failed: {output.decode(errors='replace')}")


def _is_well(address: str) -> bool:
    try:
        return requests.get(f"http://{address}:{PORT}/health", timeout=5).status_code == 200
    except requests.RequestException:
        return False


def _spec(wish: Wish) -> Spec:
    return Spec(
        service=wish.name,
        version="1",
        replicas=1,
        server=NewServers(wish.flavor, wish.image, wish.network, None, wish.user),
        command="python3 app.py",
        port=PORT,
        proto="http",
        health=Check(path="/health"),
    )
