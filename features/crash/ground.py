"""Where the crashes happen: a project of their own with a user for each lane, so that what is left in it was
left by them; two guests to deploy to; a lane's daemon, and what OpenStack has of its deployments."""

import base64
import contextlib
import itertools
import pathlib
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence

import openstack
import requests
from crash.rows import KINDS
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from harness import clouds, names
from harness.crashing import Crash

_ACTIVE_IN = 300
_ENDS_IN = 420
_GONE_IN = 120
_OPTIONS = {"api": {"workers": 1}, "deploy": {"healthy_timeout": 120}, "engine": {"heal_interval": 1}}


class Ground:
    """Use it as a context: at its end nothing of it is left, and that is checked."""

    def __init__(self, lanes: int, folder: pathlib.Path):
        self.folder = folder
        self._run = f"crash-{uuid.uuid4().hex[:6]}"
        self.admin = clouds.as_user("an admin")
        self._made = contextlib.ExitStack()
        self.names = names.of_the_cloud({})
        key = ed25519.Ed25519PrivateKey.generate()
        self.private_key = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        ).decode()
        self._public_key = key.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        self.lanes = lanes
        self.ends = float("inf")  # the time (monotonic) after which nothing of a flow is begun any more
        self._stopped = False
        self.guests: list[str] = []  # ids
        self.network: str | None = None
        self.users: list[openstack.connection.Connection] = []

    def __enter__(self) -> "Ground":
        identity = self.admin.identity
        project = identity.create_project(name=self._run, domain_id="default")
        self._made.callback(identity.delete_project, project)
        role = next(identity.roles(name="member"))
        for number in range(self.lanes):
            password = uuid.uuid4().hex
            user = identity.create_user(name=f"{self._run}-{number}", domain_id="default", password=password)
            self._made.callback(identity.delete_user, user)
            identity.assign_project_role_to_user(project, user, role)
            self.users.append(self._connection(user.name, password, project.id))
        self._made.callback(self._delete_default_group)
        return self

    def _connection(self, name: str, password: str, project_id: str) -> openstack.connection.Connection:
        auth = {
            "auth_url": self.admin.config.config["auth"]["auth_url"],
            "username": name,
            "password": password,
            "project_id": project_id,
            "user_domain_id": "default",
        }
        return openstack.connect(
            auth=auth, region_name="RegionOne", interface="public", load_yaml_config=False, load_envvars=False
        )

    def _delete_default_group(self) -> None:
        """Neutron makes it, and leaves it when the project goes."""
        for group in self.admin.network.security_groups(project_id=self.users[0].current_project_id):
            self.admin.network.delete_security_group(group)

    def stop(self) -> None:
        """Nothing is begun any more."""
        self._stopped = True

    @property
    def goes_on(self) -> bool:
        return not self._stopped and time.monotonic() < self.ends

    def boot_guests(self, count: int) -> None:
        """Once for all flows; returns once Nova calls them ACTIVE. The key is ours, as a user's would be."""
        if self.guests:
            return
        conn = self.users[0]
        data = f"#cloud-config\nssh_authorized_keys: ['{self._public_key.decode()}']\n"
        made = [
            conn.compute.create_server(
                name=f"{self._run}-{number}",
                flavor_id=conn.compute.find_flavor(self.names["flavor"]).id,
                image_id=conn.image.find_image(self.names["image"]).id,
                networks=[{"uuid": conn.network.find_network(self.names["network"]).id}],
                user_data=base64.b64encode(data.encode()).decode(),
            )
            for number in range(count)
        ]
        for server in made:
            conn.compute.wait_for_server(server, wait=_ACTIVE_IN, interval=1)
        self.guests = [server.id for server in made]

    def _delete_servers(self) -> None:
        """Also those of flows that broke off."""
        conn = self.users[0]
        for ip in conn.network.ips():
            conn.network.delete_ip(ip)
        servers = list(conn.compute.servers())
        for server in servers:
            conn.compute.delete_server(server)
        for server in servers:
            conn.compute.wait_for_delete(server, wait=_GONE_IN, interval=1)

    def make_network(self) -> None:
        """One of the project's own, behind a router: servers on it are reached by floating IPs alone."""
        if self.network:
            return
        network = self.users[0].network
        made = network.create_network(name=self._run)
        self._made.callback(network.delete_network, made)
        subnet = network.create_subnet(
            network_id=made.id, ip_version=4, cidr="198.18.1.0/24", dns_nameservers=[]
        )
        outside = network.find_network(self.names["floating_network"])
        router = network.create_router(name=self._run, external_gateway_info={"network_id": outside.id})
        self._made.callback(network.delete_router, router)
        network.add_interface_to_router(router, subnet_id=subnet.id)
        self._made.callback(network.remove_interface_from_router, router, subnet_id=subnet.id)
        self.network = made.id

    def __exit__(self, *_) -> None:
        self._made.callback(self._delete_servers)  # the first to go
        self._made.close()


class Lane:
    """A user and his daemon. Every other lane has the guests the other way round."""

    def __init__(self, ground: Ground, name: str, number: int):
        self.ground, self.number = ground, number
        self.guests = ground.guests[:: 1 - number % 2 * 2]
        self.conn = ground.users[number]
        self.port = 8100 + number
        self._service = name.replace("_", "-")
        folder = ground.folder / name
        self.crash = Crash(folder)
        self.daemon = self.crash.gatewayd(folder, _OPTIONS)
        self._http = requests.Session()
        self._http.trust_env = False

    def share(self, kills: Sequence) -> Iterator:
        """His, of those of a flow."""
        return self.until_the_end(kills[self.number :: self.ground.lanes])

    def until_the_end(self, kills: Iterable) -> Iterator:
        """Of the time, or of all that there is to do."""
        return itertools.takewhile(lambda _: self.ground.goes_on, kills)

    def call(self, method: str, path: str, **body) -> requests.Response:
        headers = {"X-Auth-Token": self.conn.auth_token}
        return self._http.request(
            method, self.daemon.url + path, headers=headers, timeout=180, json=body or None
        )

    def deploy(self, version: str, server: dict | None = None, **more) -> str:
        """The id. ``server``: new ones; None: on all guests."""
        wish = {
            "service": self._service,
            "version": version,
            "server": server or self.on(self.guests),
            "files": {"version.txt": version},
            "command": "exec python3 -m http.server $PORT",
            "port": self.port,
            "health": {"path": "/version.txt", "interval": 1, "timeout": 10},
            "update": {"drain": 1, "ramp": 1},
            **more,
        }
        answer = self.call("POST", "/v1/deployments", deployment=wish)
        assert answer.status_code == 202, answer.text
        return answer.json()["deployment"]["id"]

    def on(self, ids: list[str]) -> dict:
        return {"ids": ids, "user": self.ground.names["user"], "private_key": self.ground.private_key}

    def deployment(self, id: str) -> dict | None:
        """None once it is gone."""
        answer = self.call("GET", f"/v1/deployments/{id}")
        assert answer.status_code in (200, 404), answer.text
        return answer.json()["deployment"] if answer.ok else None

    def is_over(self, id: str) -> bool:
        """Also while the daemon is dead or dying: it has not said so."""
        try:
            found = self.deployment(id)
        except requests.RequestException:
            return False
        return found is None or found["status"] in ("succeeded", "failed", "rolled_back")

    def ended(self, id: str) -> dict | None:
        self._wait(id, lambda: self.is_over(id))
        return self.deployment(id)

    def begun(self, id: str) -> None:
        """Waits until something is under way, or has died."""
        self._wait(id, lambda: not self.daemon.running or not self.is_over(id))

    def wait_for_step(self, id: str, step: str, target: int, state: str) -> None:
        wanted = (step, target, state)
        self._wait(
            id,
            lambda: wanted in [(s["name"], s["target"], s["state"]) for s in self.deployment(id)["steps"]],
        )

    def wait_for_line(self, id: str, text: str) -> None:
        """In the deployment's log."""
        self._wait(id, lambda: text in self.call("GET", f"/v1/deployments/{id}/log").text)

    def _wait(self, id: str, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _ENDS_IN
        while not is_so():
            assert time.monotonic() < deadline, f"{self.deployment(id)}\n{self.daemon.tail()}"
            time.sleep(0.2)

    def break_server(self, id: str) -> None:
        """Its network is cut, and Nova calls it dead: quicker than to stop it, which asks the guest first."""
        for port in self.conn.network.ports(device_id=id):
            self.conn.network.update_port(port, admin_state_up=False)
        self.ground.admin.compute.reset_server_state(id, "error")

    def behind_a_floating_ip(self) -> dict:
        """A new server on the network that is reached by these alone."""
        return self.new_server(self.ground.network) | {
            "floating_network": self.ground.names["floating_network"]
        }

    def new_server(self, network: str) -> dict:
        return {"network": network} | {name: self.ground.names[name] for name in ("flavor", "image")}

    def survive(
        self,
        id: str,
        following: tuple[str, int | None, str] | None = None,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> bool:
        """Waits until it has killed itself, and starts it again, to be killed at ``following`` next. False
        when it never came there. ``meanwhile`` it is dead."""
        died = self.crash.has_died(self.daemon, lambda: self.is_over(id))
        self.crash.forget()
        if following:
            self.crash.at(*following)
        if died:
            meanwhile()
            self._start_again()
        return died

    def _start_again(self) -> None:
        """Until it is up, or has died as it was told to."""
        is_to_die = self.crash.is_due
        try:
            self.daemon.start()
        except AssertionError:
            if self.daemon.running or self.crash.is_due or not is_to_die:
                raise

    def undeploy(self, id: str) -> None:
        self.call("DELETE", f"/v1/deployments/{id}")
        self.ended(id)

    def has(self, id: str, booted: set[str]) -> dict[str, int]:
        """What OpenStack has of a deployment and of this user; ``booted``: the ids of its new servers."""
        conn = self.conn
        servers = {s.id for s in conn.compute.servers() if s.metadata.get("gateway_deployment") == id}
        booted = booted | servers
        asked = {"params": {"trustor_user_id": conn.current_user_id}}
        counts = (
            len(servers),
            sum(id in (ip.description or "") for ip in conn.network.ips()),
            sum(port.device_id in booted for port in conn.network.ports()),
            sum(id in group.name for group in conn.network.security_groups()),
            len(list(conn.compute.keypairs())),
            len(conn.identity.get("/OS-TRUST/trusts", **asked).json()["trusts"]),
        )
        return dict(zip(KINDS, counts, strict=True))

    def opened(self, id: str) -> set[int]:
        """The ports that its security group lets anyone come to."""
        rules = (
            group.security_group_rules for group in self.conn.network.security_groups() if id in group.name
        )
        return {rule["port_range_min"] for rule in itertools.chain(*rules) if rule["direction"] == "ingress"}

    def left(self, id: str, booted: set[str]) -> dict[str, int]:
        """The same after its end, for which OpenStack gets some time."""
        deadline = time.monotonic() + _GONE_IN
        while any((found := self.has(id, booted)).values()) and time.monotonic() < deadline:
            time.sleep(1)
        return found

    def instances(self) -> list[dict]:
        """In the registry."""
        answer = self.call("GET", f"/registry/service/types/{self._service}")
        return answer.json()["services"] if answer.ok else []
