"""Sessions and Cloud against OpenStack's HTTP: Keystone by its own fixtures, the others as they answer."""

import base64
import json
import uuid

import pytest
import requests
from keystoneauth1 import fixture

from gateway import conf as options
from gateway import errors
from gateway.cloud.model import Grant, ServerSpec
from gateway.tests.sessions import opened

KEYSTONE = "http://keystone.test/v3"
NOVA = "http://nova.test/v2.1"
GLANCE = "http://glance.test"
NEUTRON = "http://neutron.test"
PROJECT = uuid.uuid4().hex

CONFIG = f"""
[keystone_authtoken]
auth_type = password
auth_url = {KEYSTONE}
username = gateway
password = secret
project_name = service
user_domain_id = default
project_domain_id = default
[cloud]
boot_timeout = 1
delete_timeout = 1
"""


def token(project_id=PROJECT, **kwargs):
    made = fixture.V3Token(user_id="user", project_id=project_id, **kwargs)
    made.set_project_scope(id=project_id)
    for kind, url in (("compute", NOVA), ("image", GLANCE), ("network", NEUTRON), ("identity", KEYSTONE)):
        made.add_service(kind).add_standard_endpoints(public=url)
    return made


@pytest.fixture
def cloud_api(requests_mock):
    """The discovery documents and logins that every call needs."""
    requests_mock.get(KEYSTONE, json={"version": fixture.V3Discovery(KEYSTONE)})
    requests_mock.post(f"{KEYSTONE}/auth/tokens", json=token(), headers={"X-Subject-Token": "T"})
    compute = fixture.DiscoveryList(v2=False, v3=False)
    compute.add_nova_microversion(NOVA, id="v2.1", status="CURRENT", min_version="2.1", version="2.93")
    requests_mock.get(NOVA, json=compute)
    glance = {"id": "v2.15", "status": "CURRENT", "links": [{"rel": "self", "href": f"{GLANCE}/v2/"}]}
    requests_mock.get(GLANCE, json={"versions": [glance]})
    neutron = {"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": f"{NEUTRON}/v2.0/"}]}
    requests_mock.get(NEUTRON, json={"versions": [neutron]})
    return requests_mock


@pytest.fixture
def sessions(tmp_path):
    path = tmp_path / "gateway.conf"
    path.write_text(CONFIG)
    return opened(options.load(["--state_path", str(tmp_path)], [str(path)]))


@pytest.fixture
def cloud(cloud_api, sessions):
    return sessions.trust("trust-1")


def raw_server(name="web", status="ACTIVE", project_id=PROJECT, metadata=(), **more):
    flavor = {"original_name": "m1.nano", "vcpus": 1, "ram": 256, "disk": 2}
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_DNS, name)),
        "name": name,
        "status": status,
        "tenant_id": project_id,
        "flavor": flavor,
        "image": "",
        "metadata": dict(metadata),
        **more,
    }


def queries(requests_mock, path):
    return [request.qs for request in requests_mock.request_history if request.path == path]


def test_trust_logs_in_without_a_scope_of_its_own(cloud_api, cloud):
    assert cloud.project_id == PROJECT
    login = next(r for r in cloud_api.request_history if r.path == "/v3/auth/tokens").json()
    assert login["auth"]["scope"] == {"OS-TRUST:trust": {"id": "trust-1"}}
    assert login["auth"]["identity"]["password"]["user"]["name"] == "gateway"


def test_a_trusts_cloud_is_kept_until_the_trust_is_deleted(cloud_api, sessions):
    cloud_api.delete(f"{KEYSTONE}/OS-TRUST/trusts/trust-1", status_code=204)
    kept = sessions.trust("trust-1")
    assert sessions.trust("trust-1") is kept
    sessions.delete_trust("trust-1")
    assert sessions.trust("trust-1") is not kept


def test_trusts_say_what_they_are_for(cloud_api, sessions, cloud):
    trust = {"id": "t-1", "trustor_user_id": "user", "project_id": PROJECT, "description": "a mark"}
    made = cloud_api.post(f"{KEYSTONE}/OS-TRUST/trusts", status_code=201, json={"trust": trust})
    users = {"id": "t-2", "trustor_user_id": "user", "project_id": None}
    listed = cloud_api.get(f"{KEYSTONE}/OS-TRUST/trusts", json={"trusts": [trust, users]})
    assert sessions.create_trust(cloud._session.auth, "user", PROJECT, ["member"], "a mark") == "t-1"
    assert made.last_request.json()["trust"]["description"] == "a mark"
    assert sessions.trusts() == [Grant("t-1", "user", PROJECT, "a mark"), Grant("t-2", "user")]
    assert listed.last_request.qs == {"trustee_user_id": ["user"]}


def test_a_keystone_that_takes_no_description_of_a_trust(cloud_api, sessions, cloud):
    refusal = {"status_code": 400, "json": {"error": {"message": "Additional properties are not allowed"}}}
    made = {"status_code": 201, "json": {"trust": {"id": "t-1"}}}
    asked = cloud_api.post(f"{KEYSTONE}/OS-TRUST/trusts", [refusal, made])
    assert sessions.create_trust(cloud._session.auth, "user", PROJECT, ["member"], "a mark") == "t-1"
    assert "description" not in asked.last_request.json()["trust"]


@pytest.mark.parametrize("status", [403, 404])
def test_create_trust_refused(cloud_api, sessions, cloud, status):
    cloud_api.post(f"{KEYSTONE}/OS-TRUST/trusts", status_code=status, json={"error": {"message": "no"}})
    auth = cloud._session.auth
    with pytest.raises(errors.Forbidden, match="password") as raised:
        sessions.create_trust(auth, "user", PROJECT, ["member"], "a mark")
    assert raised.value.code == "gateway.trust.refused"


def test_trust_that_no_longer_works_is_deleted_by_the_service_user(cloud_api, sessions):
    refusal = {"status_code": 401, "json": {"error": {"message": "no"}}}
    accepted = {"json": token(), "headers": {"X-Subject-Token": "T"}}
    cloud_api.post(
        f"{KEYSTONE}/auth/tokens",
        [refusal, accepted],  # as the trustor, who is disabled; then as the gateway
    )
    deletion = cloud_api.delete(f"{KEYSTONE}/OS-TRUST/trusts/trust-1", status_code=204)
    sessions.delete_trust("trust-1")
    assert deletion.called


def test_missing_trust_is_fine(cloud_api, sessions):
    missing = {"error": {"message": "no"}}
    cloud_api.delete(f"{KEYSTONE}/OS-TRUST/trusts/trust-1", status_code=404, json=missing)
    sessions.delete_trust("trust-1")


def test_find_servers_reads_every_page(cloud_api, cloud):
    link = {"servers_links": [{"rel": "next", "href": "…"}]}
    mine = {"gateway": "d1"}
    first = [raw_server("a", metadata=mine), raw_server("b", metadata={"gateway": "d2"})]
    second = [raw_server("c", "ERROR", metadata={**mine, "other": "x"})]
    pages = [{"json": {"servers": first, **link}}, {"json": {"servers": second}}]
    cloud_api.get(f"{NOVA}/servers/detail", pages)
    assert [server.name for server in cloud.find_servers(mine)] == ["a", "c"]
    assert queries(cloud_api, "/v2.1/servers/detail")[1] == {"marker": [first[1]["id"]]}


def test_another_projects_server_is_not_found_even_for_an_admin(cloud_api, cloud):
    theirs = raw_server(project_id="another")
    cloud_api.get(f"{NOVA}/servers/{theirs['id']}", json={"server": theirs})
    cloud_api.get(f"{NOVA}/servers/detail", json={"servers": []})
    with pytest.raises(errors.NotFound):
        cloud.server(theirs["id"])


def test_servers_of_one_name_are_ambiguous(cloud_api, cloud):
    listing = [raw_server("web"), raw_server("web") | {"id": "2"}, raw_server("web2")]
    cloud_api.get(f"{NOVA}/servers/detail", json={"servers": listing})
    with pytest.raises(errors.Conflict, match="2 servers are named web") as raised:
        cloud.server("web")
    assert raised.value.code == "gateway.server.ambiguous"


def test_names_of_deleted_images_are_asked_for_once(cloud_api, cloud):
    here, gone = str(uuid.uuid4()), str(uuid.uuid4())
    listing = [raw_server("a", image={"id": here}), raw_server("b", image={"id": gone})]
    cloud_api.get(f"{NOVA}/servers/detail", json={"servers": listing})
    flavor = {"id": "f", "name": "m1.nano", "vcpus": 1, "ram": 256, "disk": 2}
    cloud_api.get(f"{NOVA}/flavors/detail", json={"flavors": [flavor]})
    images = [
        cloud_api.get(f"{GLANCE}/v2/images/{here}", json={"id": here, "name": "debian"}),
        cloud_api.get(f"{GLANCE}/v2/images/{gone}", status_code=404),
    ]
    for _ in range(2):
        servers = cloud.servers()
        assert [server.image.name for server in servers] == ["debian", None]
        assert {server.flavor.id for server in servers} == {"f"}
    assert [image.call_count for image in images] == [1, 1]


def test_boot_sends_one_server(cloud_api, cloud):
    asked = cloud_api.post(f"{NOVA}/servers", status_code=202, json={"server": {"id": "s1"}})
    spec = ServerSpec("web", "f", "i", "n", user_data="#!/bin/sh", security_groups=("g",), tags={"k": "v"})
    assert cloud.boot(spec).id == "s1"
    body = asked.last_request.json()["server"]
    assert body["networks"] == [{"uuid": "n"}]
    assert body["metadata"] == {"k": "v"}
    assert body["security_groups"] == [{"name": "g"}]
    assert (body["min_count"], body["max_count"]) == (1, 1)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_wait_active_outlasts_a_nova_that_is_away(cloud_api, cloud, status):
    building = {"json": {"server": raw_server(status="BUILD")}}
    away = {"status_code": status}
    cloud_api.get(f"{NOVA}/servers/s1", [building, away, {"json": {"server": raw_server()}}])
    looks = []
    assert cloud.wait_active("s1", lambda: looks.append(1)).status == "ACTIVE"
    assert len(looks) == 2


def test_wait_active_ends_when_told_so(cloud_api, cloud):
    def stop():
        raise errors.Conflict("gateway.deployment.deleted", "stop")

    cloud_api.get(f"{NOVA}/servers/s1", json={"server": raw_server(status="BUILD")})
    with pytest.raises(errors.Conflict, match="stop"):
        cloud.wait_active("s1", stop)


def test_wait_active_says_why_nova_could_not(cloud_api, cloud):
    failed = raw_server(status="ERROR", fault={"message": "No valid host was found."})
    cloud_api.get(f"{NOVA}/servers/s1", json={"server": failed})
    with pytest.raises(errors.CloudError, match=r"No valid host was found") as raised:
        cloud.wait_active("s1")
    assert raised.value.code == "gateway.server.error"


def test_wait_active_has_an_end(cloud_api, cloud):
    cloud_api.get(f"{NOVA}/servers/s1", json={"server": raw_server(status="BUILD")})
    with pytest.raises(errors.Timeout, match="BUILD"):
        cloud.wait_active("s1")


def test_wait_deleted(cloud_api, cloud):
    cloud_api.get(f"{NOVA}/servers/s1", status_code=404, json={"itemNotFound": {"message": "no"}})
    cloud_api.get(f"{NOVA}/servers/s2", json={"server": raw_server()})
    cloud.wait_deleted(["s1"])
    with pytest.raises(errors.Timeout, match="s2"):
        cloud.wait_deleted(["s1", "s2"])


def test_delete_server_that_is_gone(cloud_api, cloud):
    cloud_api.delete(f"{NOVA}/servers/s1", status_code=404, json={"itemNotFound": {"message": "no"}})
    cloud.delete_server("s1")


def test_security_group_gets_the_rules_it_lacks(cloud_api, cloud):
    rule = {"direction": "ingress", "protocol": "tcp", "ethertype": "IPv4", "remote_ip_prefix": None}
    rule |= {"port_range_min": 22, "port_range_max": 22}
    group = {"id": "g1", "name": "n", "security_group_rules": [rule]}
    cloud_api.get(f"{NEUTRON}/v2.0/security-groups", json={"security_groups": [group]})
    refusal = {"NeutronError": {"message": "Security group rule already exists."}}
    exists = {"status_code": 409, "json": refusal}
    made = {"status_code": 201, "json": {"security_group_rule": {}}}
    rules = cloud_api.post(f"{NEUTRON}/v2.0/security-group-rules", [made, exists, made])
    assert cloud.ensure_security_group("n", "d", [22, 80]) == "g1"
    bodies = [json.loads(request.text)["security_group_rule"] for request in rules.request_history]
    asked = [(body["port_range_min"], body["ethertype"]) for body in bodies]
    assert asked == [(22, "IPv6"), (80, "IPv4"), (80, "IPv6")]


def test_closing_a_port_leaves_the_other_rules(cloud_api, cloud):
    """Those of other ports, and what the user has added himself: for others' addresses, or in bulk."""
    rule = {"direction": "ingress", "protocol": "tcp", "ethertype": "IPv4", "remote_ip_prefix": "0.0.0.0/0"}
    rule |= {"id": "r1", "port_range_min": 80, "port_range_max": 80}
    others = [
        rule | {"id": "other port", "port_range_min": 22, "port_range_max": 22},
        rule | {"id": "range", "port_range_max": 90},
        rule | {"id": "source", "remote_ip_prefix": "198.51.100.0/24"},
        rule | {"id": "udp", "protocol": "udp"},
        rule | {"id": "egress", "direction": "egress"},
    ]
    ipv6 = rule | {"id": "r2", "ethertype": "IPv6", "remote_ip_prefix": None}
    group = {"id": "g1", "name": "n", "security_group_rules": [*others, rule, ipv6]}
    cloud_api.get(f"{NEUTRON}/v2.0/security-groups", json={"security_groups": [group]})
    gone = cloud_api.delete(f"{NEUTRON}/v2.0/security-group-rules/r1", status_code=404)
    deleted = cloud_api.delete(f"{NEUTRON}/v2.0/security-group-rules/r2", status_code=204)
    cloud.close_port("n", 80)
    assert (gone.call_count, deleted.call_count) == (1, 1)


def lost(_request, _context):
    raise requests.ConnectionError("Connection reset by peer")


def test_security_group_whose_making_was_never_answered(cloud_api, cloud):
    group = {"id": "g1", "name": "n", "security_group_rules": []}
    found = [{"json": {"security_groups": []}}, {"json": {"security_groups": [group]}}]
    cloud_api.get(f"{NEUTRON}/v2.0/security-groups", found)
    made = cloud_api.post(f"{NEUTRON}/v2.0/security-groups", json=lost)
    assert cloud.ensure_security_group("n", "d", []) == "g1"
    assert made.call_count == 1


def test_security_group_of_a_port_that_another_one_changes_at_the_same_time(cloud_api, cloud):
    """What the other one has added stays: Neutron refuses to change what was not seen."""
    group = {"id": "g1", "name": "n", "security_group_rules": []}
    cloud_api.get(f"{NEUTRON}/v2.0/security-groups", json={"security_groups": [group]})
    seen = {"id": "p1", "revision_number": 7, "security_groups": ["default"]}
    changed = seen | {"revision_number": 8, "security_groups": ["default", "another"]}
    cloud_api.get(f"{NEUTRON}/v2.0/ports", json={"ports": [seen]})
    cloud_api.get(f"{NEUTRON}/v2.0/ports/p1", json={"port": changed})
    refused = {"status_code": 412, "json": {"NeutronError": {"message": "Constrained to revision 7"}}}
    asked = cloud_api.put(f"{NEUTRON}/v2.0/ports/p1", [refused, {"json": {"port": changed}}])
    cloud.add_security_group("s1", "n")
    first, second = asked.request_history
    assert first.headers["if-match"] == "revision_number=7"
    assert second.headers["if-match"] == "revision_number=8"
    assert second.json()["port"]["security_groups"] == ["another", "default", "g1"]
    cloud_api.get(f"{NEUTRON}/v2.0/ports", json={"ports": [changed]})
    cloud.remove_security_group("s1", "n")
    assert len(asked.request_history) == 2


def test_floating_ip_that_is_there_is_taken(cloud_api, cloud):
    cloud_api.get(f"{NEUTRON}/v2.0/ports", json={"ports": [{"id": "p1"}]})
    ip = {"id": "i1", "floating_ip_address": "203.0.113.5", "port_id": "p1"}
    listing = cloud_api.get(f"{NEUTRON}/v2.0/floatingips", json={"floatingips": [ip]})
    assert cloud.ensure_floating_ip("s1", "net", "gateway d1/0") == "203.0.113.5"
    assert listing.last_request.qs == {"description": ["gateway d1/0"], "project_id": [PROJECT]}


def test_floating_ip_whose_making_was_never_answered(cloud_api, cloud):
    cloud_api.get(f"{NEUTRON}/v2.0/ports", json={"ports": [{"id": "p1"}]})
    ip = {"id": "i1", "floating_ip_address": "203.0.113.5", "port_id": "p1"}
    found = [{"json": {"floatingips": []}}, {"json": {"floatingips": [ip]}}]
    cloud_api.get(f"{NEUTRON}/v2.0/floatingips", found)
    made = cloud_api.post(f"{NEUTRON}/v2.0/floatingips", json=lost)
    assert cloud.ensure_floating_ip("s1", "net", "gateway d1/0") == "203.0.113.5"
    assert made.call_count == 1


def test_floating_ip_that_was_not_made(cloud_api, cloud):
    cloud_api.get(f"{NEUTRON}/v2.0/ports", json={"ports": [{"id": "p1"}]})
    cloud_api.get(f"{NEUTRON}/v2.0/floatingips", json={"floatingips": []})
    cloud_api.post(f"{NEUTRON}/v2.0/floatingips", json=lost)
    with pytest.raises(errors.Unavailable):
        cloud.ensure_floating_ip("s1", "net", "gateway d1/0")


def test_floating_ip_from_a_network_that_is_not_reached(cloud_api, cloud):
    cloud_api.get(f"{NEUTRON}/v2.0/ports", json={"ports": [{"id": "p1"}]})
    cloud_api.get(f"{NEUTRON}/v2.0/floatingips", json={"floatingips": []})
    message = "External network net is not reachable from subnet sub."
    refusal = {"NeutronError": {"type": "ExternalGatewayForFloatingIPNotFound", "message": message}}
    asked = cloud_api.post(f"{NEUTRON}/v2.0/floatingips", status_code=404, json=refusal)
    with pytest.raises(errors.Invalid, match="not reachable"):
        cloud.ensure_floating_ip("s1", "net", "gateway d1/0")
    assert asked.last_request.json()["floatingip"]["description"] == "gateway d1/0"


def test_nothing_is_deleted_by_an_empty_mark(cloud):
    for delete in (cloud.delete_floating_ips, cloud.delete_security_groups):
        with pytest.raises(ValueError, match="gateway's"):
            delete("")


def test_kernels_are_not_images_to_boot(cloud_api, cloud):
    kernel = {"id": "k", "name": "kernel", "container_format": "aki"}
    disk = {"id": "d", "name": "debian", "container_format": "bare", "os_distro": "debian"}
    pages = [{"json": {"images": [kernel, disk]}}, {"json": {"images": []}}]
    cloud_api.get(f"{GLANCE}/v2/images", pages)
    assert [(image.name, image.login_user) for image in cloud.images()] == [("debian", "debian")]


def test_quota_of_neutron_that_may_not_be_seen_is_left_to_neutron(cloud_api, cloud):
    absolute = {"maxTotalInstances": 10, "totalInstancesUsed": 1, "maxTotalCores": 5, "totalCoresUsed": 1}
    absolute |= {"maxTotalRAMSize": -1, "totalRAMUsed": 256}
    cloud_api.get(f"{NOVA}/limits", json={"limits": {"absolute": absolute, "rate": []}})
    cloud_api.get(f"{NEUTRON}/v2.0/quotas/{PROJECT}/details", status_code=403, json={})
    found = cloud.allowances()
    assert set(found) == {"instances", "cores", "ram"}
    assert found["ram"].left() == float("inf")


CREDENTIALS = f"{KEYSTONE}/users/user/application_credentials"


@pytest.fixture
def by_credential(cloud_api, cloud):
    """The plugin of a token that an application credential gave."""
    made = token()
    made["token"]["application_credential"] = {"id": "theirs", "restricted": False}
    cloud_api.post(f"{KEYSTONE}/auth/tokens", json=made, headers={"X-Subject-Token": "T"})
    return cloud._session.auth


def test_an_application_credential_stands_for_a_trust(cloud_api, sessions, by_credential):
    body = {"application_credential": {"id": "ours", "secret": "planted-secret"}}
    asked = cloud_api.post(CREDENTIALS, status_code=201, json=body)
    deletion = cloud_api.delete(f"{CREDENTIALS}/ours", [{"status_code": 204}, {"status_code": 404}])
    assert sessions.create_trust(by_credential, "user", PROJECT, ["member"], "a mark") == "ours"
    wanted = asked.last_request.json()["application_credential"]
    assert (wanted["roles"], "unrestricted" in wanted) == ([{"name": "member"}], False)
    assert wanted["description"] == "a mark"
    assert sessions.trust("ours").project_id == PROJECT
    login = [r for r in cloud_api.request_history if r.path == "/v3/auth/tokens"][-1].json()
    assert login["auth"]["identity"]["application_credential"] == {"id": "ours", "secret": "planted-secret"}
    sessions.delete_trust("ours")
    assert deletion.call_count == 1
    assert sessions._credentials.secret("ours") is None


def test_a_kept_credential_that_is_gone_is_forgotten(cloud_api, sessions):
    sessions._credentials.add("ours", "user", "planted-secret")
    cloud_api.delete(f"{CREDENTIALS}/ours", status_code=404, json={"error": {"message": "no"}})
    sessions.delete_trust("ours")
    assert sessions._credentials.user_id("ours") is None


def test_a_kept_credential_that_cannot_be_deleted_stays_known(cloud_api, sessions):
    sessions._credentials.add("ours", "user", "planted-secret")
    cloud_api.delete(f"{CREDENTIALS}/ours", status_code=403, json={"error": {"message": "no"}})
    with pytest.raises(errors.Forbidden):
        sessions.delete_trust("ours")
    assert sessions._credentials.secret("ours") == "planted-secret"


def test_a_restricted_application_credential_is_refused(cloud_api, sessions, by_credential):
    cloud_api.post(CREDENTIALS, status_code=403, json={"error": {"message": "no"}})
    with pytest.raises(errors.Forbidden, match="--unrestricted") as raised:
        sessions.create_trust(by_credential, "user", PROJECT, ["member"], "a mark")
    assert raised.value.code == "gateway.trust.refused"


@pytest.mark.parametrize(
    "limits",
    [
        {
            "restricted": False,
            "access_rules": [{"service": "compute", "method": "GET", "path": "/v2.1/servers"}],
        },
        {"restricted": True},
    ],
)
def test_one_that_is_limited_is_refused(cloud_api, sessions, cloud, limits):
    """What the gateway would be given has no rules; and Keystone may forget the restriction."""
    made = token()
    made["token"]["application_credential"] = {"id": "theirs", **limits}
    cloud_api.post(f"{KEYSTONE}/auth/tokens", json=made, headers={"X-Subject-Token": "T"})
    with pytest.raises(errors.Forbidden, match="access rules"):
        sessions.create_trust(cloud._session.auth, "user", PROJECT, ["member"], "a mark")


def test_what_cannot_be_kept_is_deleted_again(cloud_api, sessions, by_credential):
    body = {"application_credential": {"id": "ours", "secret": "planted-secret"}}
    cloud_api.post(CREDENTIALS, status_code=201, json=body)
    deletion = cloud_api.delete(f"{CREDENTIALS}/ours", status_code=204)
    sessions._credentials.add("ours", "user", "taken")
    with pytest.raises(Exception, match="UNIQUE"):
        sessions.create_trust(by_credential, "user", PROJECT, ["member"], "a mark")
    assert deletion.called


def test_user_data_is_in_no_log_also_with_debug(cloud_api, cloud, sessions, caplog):
    """In it is the private key of the host."""
    for pair in sessions._conf.default_log_levels:
        name, _, level = pair.partition("=")
        caplog.set_level(level, logger=name)
    caplog.set_level("DEBUG")
    cloud_api.post(f"{NOVA}/servers", json={"server": {"id": str(uuid.uuid4())}}, status_code=202)
    cloud.boot(ServerSpec("web", "f", "i", "n", user_data="planted-secret"))
    sent = cloud_api.last_request.json()["server"]["user_data"]
    assert base64.b64decode(sent) == b"planted-secret"
    assert sent not in caplog.text
    assert "planted-secret" not in caplog.text
