"""The engine and TaskFlow on SQLite, up to the guest's door: Nova and Neutron answer from requests-mock, with
what was asked of them before in mind. What happens on a guest is for the features."""

# ruff: noqa: F401, F811  (pytest finds the fixtures by these names)
import contextlib
import dataclasses
import socket
import threading
import time
import uuid

import pytest
import requests
from requests_mock import create_response

from gateway import errors
from gateway.deploy.engine import Engine
from gateway.deploy.model import Status
from gateway.tests import deployed
from gateway.tests.functional.test_cloud_api import (
    IMAGE_ID,
    KEYSTONE,
    NEUTRON,
    NOVA,
    PROJECT,
    SHARED_ID,
    keystone,
    limits,
    openstack,
    parts,
)

NEW = deployed.NewServers("f-nano", IMAGE_ID, SHARED_ID, None, "debian")


class Cloud:
    """A little of Nova and Neutron: what is made is there until it is deleted. ``status``: of new servers."""

    def __init__(self, mocked):
        self.servers, self.groups, self.status, self.booted = {}, {}, "BUILD", 0
        self.trusts = {"trust-1"}
        mocked.post(f"{NOVA}/servers", json=self._boot, status_code=202)
        mocked.get(f"{NOVA}/servers/detail", json=lambda *_: {"servers": list(self.servers.values())})
        mocked.add_matcher(self._server(f"{NOVA}/servers/"))
        groups = f"{NEUTRON}/v2.0/security-groups"
        mocked.get(groups, json=self._found_groups)
        mocked.post(groups, json=self._make_group, status_code=201)
        mocked.post(f"{NEUTRON}/v2.0/security-group-rules", json=self._make_rule, status_code=201)
        self._mocked, self._groups_url = mocked, groups
        mocked.delete(f"{KEYSTONE}/OS-TRUST/trusts/trust-1", status_code=204, json=self._delete_trust)

    def _boot(self, request, _context):
        self.booted += 1
        wanted, id = request.json()["server"], str(uuid.uuid4())
        flavor = {"original_name": "m1.nano", "vcpus": 1, "ram": 256, "disk": 2}
        self.servers[id] = {
            "id": id,
            "name": wanted["name"],
            "status": self.status,
            "tenant_id": PROJECT,
            "flavor": flavor,
            "image": "",
            "metadata": wanted["metadata"],
            "fault": {"message": "No valid host was found."},
            "addresses": {"shared": [{"addr": "127.0.0.1", "version": 4, "OS-EXT-IPS:type": "fixed"}]},
        }
        return {"server": {"id": id}}

    def _server(self, start):
        def answer(request):
            id = request.url.removeprefix(start)
            if not request.url.startswith(start) or id == "detail" or request.method == "POST":
                return None
            if id not in self.servers:
                return create_response(request, status_code=404, json={"itemNotFound": {"message": "no"}})
            if request.method == "DELETE":
                del self.servers[id]
                return create_response(request, status_code=204)
            return create_response(request, json={"server": self.servers[id]})

        return answer

    def _found_groups(self, request, _context):
        names = request.qs.get("name", list(self.groups))
        return {"security_groups": [group for name, group in self.groups.items() if name in names]}

    def _make_group(self, request, _context):
        group = request.json()["security_group"] | {"id": uuid.uuid4().hex, "security_group_rules": []}
        self.groups[group["name"]] = group
        url = f"{self._groups_url}/{group['id']}"
        self._mocked.delete(url, status_code=204, json=lambda *_: self.groups.pop(group["name"]) and None)
        return {"security_group": group}

    def _make_rule(self, request, _context):
        wanted = request.json()["security_group_rule"]
        rule = wanted | {"id": uuid.uuid4().hex}
        group = next(g for g in self.groups.values() if g["id"] == wanted["security_group_id"])
        group["security_group_rules"].append(rule)
        url = f"{NEUTRON}/v2.0/security-group-rules/{rule['id']}"
        gone = group["security_group_rules"].remove
        self._mocked.delete(url, status_code=204, json=lambda *_: gone(rule))
        return {"security_group_rule": rule}

    def open_ports(self, group):
        return sorted({rule["port_range_min"] for rule in self.groups[group]["security_group_rules"]})

    def _delete_trust(self, _request, _context):
        self.trusts.clear()

    @property
    def left(self):
        return [*self.servers, *self.groups, *self.trusts]


@pytest.fixture
def cloud(openstack):
    return Cloud(openstack)


@pytest.fixture
def store(parts):
    parts.conf.set_override("poll_interval", 0.05, "engine")
    parts.conf.set_override("boot_timeout", 20, "cloud")
    return parts.deployments


@contextlib.contextmanager
def engine(parts, board=None):
    """As the daemon runs it, and ended as by SIGTERM."""
    stop = threading.Event()
    made = Engine(parts.conf, parts.deployments, parts.sessions, parts.registry, board)
    thread = threading.Thread(target=made.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def until(look, seconds=60):
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def asked_for(store, **changed):
    made = deployed.deployment(deployed.spec(NEW, **changed), project_id=PROJECT)
    store.add(made, {"env": {"PASSWORD": "planted-secret"}})
    return made.id


def ended(store, id):
    return until(lambda: (d := store.deployment(id)).status in (Status.FAILED, Status.SUCCEEDED) and d)


def states(deployment):
    return {flow_step.name: str(flow_step.state) for flow_step in deployment.steps}


def test_no_quota(parts, store, openstack, cloud):
    openstack.get(f"{NOVA}/limits", json={"limits": {"absolute": limits(0), "rate": []}})
    id = asked_for(store)
    with engine(parts):
        found = ended(store, id)
    assert (found.status, found.fault.step, found.fault.code) == ("failed", "quota", "gateway.quota.exceeded")
    assert states(found)["quota"] == "failed"
    assert states(found)["boot"] == "pending"
    assert found.trust_id is None
    assert (cloud.booted, cloud.left) == (0, [])


def test_a_server_that_nova_cannot_boot(parts, store, cloud):
    cloud.status = "ERROR"
    id = asked_for(store)
    with engine(parts):
        found = ended(store, id)
    assert (found.fault.step, found.fault.target, found.fault.code) == ("active", 0, "gateway.server.error")
    assert "No valid host" in found.fault.message
    assert [states(found)[name] for name in ("quota", "security_group", "boot", "active", "ssh")] == [
        "reverted",
        "reverted",
        "reverted",
        "failed",
        "pending",
    ]
    assert (cloud.booted, cloud.left) == (1, [])
    said = [(line.step, line.target) for line in store.read_log(id) if "is deleted" in line.text]
    assert said == [("boot", 0)]


def test_of_two_servers_one_fails_and_both_go(parts, store, cloud):
    """The other one would wait for 20 seconds more."""
    id = asked_for(store, replicas=2)
    with engine(parts):
        until(lambda: len(cloud.servers) == 2)
        next(iter(cloud.servers.values()))["status"] = "ERROR"
        found = ended(store, id)
    assert found.fault.code == "gateway.server.error"
    assert sorted(step.state for step in found.steps if step.name == "active") == ["failed", "reverted"]
    assert cloud.left == []


def test_deleted_while_it_runs(parts, store, cloud):
    id = asked_for(store)
    with engine(parts):
        until(lambda: cloud.servers)
        assert store.move(id, Status.DELETING, [Status.RUNNING])
        with pytest.raises(errors.NotFound):
            until(lambda: store.status(id) is None)
    assert (cloud.booted, cloud.left) == (1, [])


def test_the_next_engine_goes_on_where_the_last_one_stopped(parts, store, cloud):
    """Its end does not wait for the step under way, which is the last; there is one server, and no step that
    was done is done again."""
    id = asked_for(store)
    parts.conf.set_override("drain_timeout", 0, "engine")
    with engine(parts):
        until(lambda: states(store.deployment(id))["active"] == "running")
    for server in cloud.servers.values():
        server["status"] = "ACTIVE"
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith("deployment")])
    before = store.deployment(id)
    assert (before.status, states(before)["active"], states(before)["ssh"]) == ("running", "done", "pending")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        parts.conf.set_override("port", closed.getsockname()[1], "ssh")
    parts.conf.set_override("ready_timeout", 1, "ssh")
    with engine(parts):
        found = ended(store, id)
    assert (found.fault.step, found.fault.code) == ("ssh", "gateway.ssh.unreachable")
    started = {step.name: step.started_at for step in before.steps if step.started_at}
    assert {step.name: step.started_at for step in found.steps if step.name in started} == started
    assert (cloud.booted, cloud.left) == (1, [])


def test_a_deletion_is_tried_again(parts, store, cloud, openstack, monkeypatch):
    monkeypatch.setattr("gateway.deploy.engine._RETRY_FIRST", 0.1)
    cloud.status = "ERROR"
    id = asked_for(store)
    openstack.get(
        f"{NEUTRON}/v2.0/security-groups",
        [{"status_code": 500}, {"status_code": 500}, {"json": cloud._found_groups}],
    )
    store.move(id, Status.DELETING, [Status.PENDING])
    with engine(parts), pytest.raises(errors.NotFound):
        until(lambda: store.status(id) is None)
    assert cloud.left == []


def test_a_server_whose_booting_was_never_answered(parts, store, cloud, openstack):
    """It is found and taken, instead of another one beside it."""

    def lost(request, context):
        cloud._boot(request, context)
        raise requests.ConnectionError("Connection reset by peer")

    openstack.post(f"{NOVA}/servers", json=lost)
    id = asked_for(store)
    with engine(parts):
        until(lambda: states(store.deployment(id))["active"] == "running")
        assert store.target(id, 0).server_id in cloud.servers
        store.move(id, Status.DELETING, [Status.RUNNING])
        with pytest.raises(errors.NotFound):
            until(lambda: store.status(id) is None)
    assert (cloud.booted, cloud.left) == (1, [])


def test_a_trust_that_went_unseen_is_not_needed_any_more(parts, store, cloud, openstack, monkeypatch):
    """The engine ends, or loses the answer, just when Keystone has deleted the trust: all that it was for is
    gone by then, so nothing is asked in its name again."""
    monkeypatch.setattr("gateway.deploy.engine._RETRY_FIRST", 0.1)

    def lost(request, context):
        cloud._delete_trust(request, context)
        for url in (f"{NOVA}/servers/detail", f"{NEUTRON}/v2.0/security-groups"):
            openstack.get(url, status_code=401)
        raise requests.ConnectionError("Connection reset by peer")

    url = f"{KEYSTONE}/OS-TRUST/trusts/trust-1"
    openstack.register_uri("DELETE", url, [{"json": lost}, {"status_code": 404}])
    cloud.status = "ERROR"
    id = asked_for(store)
    with engine(parts):
        found = ended(store, id)
    assert (found.trust_id, found.retired_trusts, cloud.left) == (None, (), [])


@pytest.mark.parametrize(
    ("reached", "ended_as", "port"), [("finishing", "succeeded", 9090), ("reverting", "rolled_back", 8080)]
)
def test_the_port_of_the_release_that_does_not_run_is_closed(parts, store, cloud, reached, ended_as, port):
    made = deployed.deployment(deployed.spec(NEW, port=8080), project_id=PROJECT, status=Status.FINISHING)
    store.add(made, {"env": {}})
    store.succeed(made.id, 5)
    before = store.deployment(made.id)
    wanted = deployed.release(dataclasses.replace(before.spec, port=9090), number=2)
    following = dataclasses.replace(before, release=wanted, before=before.release, status=Status(reached))
    assert store.begin(following, {"env": {}})
    group = f"gateway-{made.id}"
    parts.sessions.trust("trust-1").ensure_security_group(group, "of a test", [22, 8080, 9090])
    with engine(parts):
        until(lambda: store.status(made.id) == ended_as)
    assert cloud.open_ports(group) == [22, port]
