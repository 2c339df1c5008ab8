"""Two servers that every @servers scenario may deploy to: booting is what takes time."""

import base64
import io
import time
import uuid

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from harness import clouds
from harness.client import Client

#: What the services of the features listen on, open in these servers' security group.
SERVICE_PORTS = (8080, 8081)
_ACTIVE_IN = 300
_GONE_IN = 120


class SharedServers:
    """Asked of the gateway itself, with ``count``; deleted by it at the end of the run."""

    def __init__(self, client: Client, names: dict[str, str]):
        self._client = client
        self._names = names
        self._group: str | None = None
        self._key = ed25519.Ed25519PrivateKey.generate()
        self._name = f"features-{uuid.uuid4().hex[:8]}"
        self.ids: list[str] = []

    def ask_for(self) -> None:
        """Returns at once: they boot meanwhile."""
        if self.ids:
            return
        self._group = _open_group(self._name)
        self._import_key()
        wish = {key: self._names[key] for key in ("flavor", "image", "network")}
        wish |= {"name": self._name, "count": 2, "security_groups": [self._name], "key_name": self._name}
        answer = self._client.call("a member", "POST", "/v1/servers", json={"server": wish})
        assert answer.status_code == 202, f"no shared servers: {answer.status_code} {answer.text}"
        self.ids = [server["id"] for server in answer.json()["servers"]]

    def _import_key(self) -> None:
        public = self._key.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        clouds.as_user("a member").compute.create_keypair(name=self._name, public_key=public.decode())

    def private_key(self) -> str:
        """The user's own, as OpenSSH writes it."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        ).decode()

    def run(self, address: str, host_key: str, command: str) -> str:
        """``command`` on one of them, over SSH with the user's own key pair; its output. ``host_key`` is what
        the gateway says that it is."""
        kind, data = host_key.split()[:2]
        with paramiko.SSHClient() as ssh:
            ssh.get_host_keys().add(address, kind, paramiko.Ed25519Key(data=base64.b64decode(data)))
            ssh.connect(
                address,
                username=self._names["user"],
                pkey=paramiko.Ed25519Key.from_private_key(io.StringIO(self.private_key())),
                allow_agent=False,
                look_for_keys=False,
                banner_timeout=60,
            )
            _, output, errors = ssh.exec_command(command, timeout=60)
            text = output.read().decode()
            assert output.channel.recv_exit_status() == 0, errors.read().decode()
            return text

    def wait(self) -> list[str]:
        """Their ids, once Nova calls them ACTIVE (sshd comes later: the gateway waits for it)."""
        self.ask_for()
        deadline = time.monotonic() + _ACTIVE_IN
        for server_id in self.ids:
            while (server := clouds.as_user("a member").compute.get_server(server_id)).status != "ACTIVE":
                assert server.status == "BUILD", f"server {server.name} is {server.status}: {server.fault}"
                assert time.monotonic() < deadline, f"server {server.name} is still {server.status}"
                time.sleep(1)
        return self.ids

    def delete(self) -> None:
        """Waits until Nova no longer has them: their security group can go only then."""
        for server_id in self.ids:
            answer = self._client.call("a member", "DELETE", f"/v1/servers/{server_id}")
            assert answer.status_code in (202, 204, 404), f"{answer.status_code} {answer.text}"
        deadline = time.monotonic() + _GONE_IN
        while any(clouds.as_user("a member").compute.find_server(server_id) for server_id in self.ids):
            assert time.monotonic() < deadline, f"of {self.ids} some are still there"
            time.sleep(1)
        self.ids = []
        if self._group:
            clouds.as_user("a member").compute.delete_keypair(self._name)
            clouds.as_user("a member").network.delete_security_group(self._group)


def _open_group(name: str) -> str:
    """The user's own security group for these servers: to log in from here, and for the services on them."""
    network = clouds.as_user("a member").network
    group = network.create_security_group(name=name, description="gateway's features")
    for port in (22, *SERVICE_PORTS):
        network.create_security_group_rule(
            security_group_id=group.id,
            direction="ingress",
            protocol="tcp",
            port_range_min=port,
            port_range_max=port,
        )
    return group.id
