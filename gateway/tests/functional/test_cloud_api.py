"""/v1/flavors … /v1/servers through the whole WSGI pipeline: real middleware, policy, database and sessions;
OpenStack answers over HTTP from requests-mock."""

import base64
import json
import urllib.parse
import uuid

import pytest
import requests
import webob
import yaml
from keystoneauth1 import fixture

from gateway import conf as options
from gateway import daemon
from gateway.api import app as api
from gateway.db import Database, schema
from gateway.tests import databases, described

KEYSTONE = "http://keystone.test/v3"
NOVA = "http://nova.test/v2.1"
GLANCE = "http://glance.test"
NEUTRON = "http://neutron.test"
PROJECT = uuid.uuid4().hex

CONFIG = f"""
[DEFAULT]
state_path = STATE
[keystone_authtoken]
www_authenticate_uri = {KEYSTONE}
auth_type = password
auth_url = {KEYSTONE}
username = gateway
password = secret
project_name = service
user_domain_id = default
project_domain_id = default
[cloud]
boot_timeout = 1
"""

NANO = {"id": "f-nano", "name": "m1.nano", "vcpus": 1, "ram": 256, "disk": 2}
MICRO, THIRD = NANO | {"id": "f-micro", "name": "m1.micro", "ram": 64}, NANO | {"id": "f-3", "name": "m1.x"}
FLAVORS = [NANO, MICRO, THIRD]
IMAGE_ID, SHARED_ID, PUBLIC_ID = (str(uuid.uuid4()) for _ in range(3))
IMAGE = {"id": IMAGE_ID, "name": "debian-12", "status": "active", "size": 1, "min_ram": 256, "min_disk": 2}
IMAGE |= {"visibility": "public", "os_distro": "debian", "container_format": "bare"}
SHARED = {"id": SHARED_ID, "name": "shared", "status": "ACTIVE", "router:external": False, "shared": True}
PUBLIC = {"id": PUBLIC_ID, "name": "public", "status": "ACTIVE", "router:external": True, "shared": False}

WISH = {"name": "web", "flavor": "m1.nano", "image": "debian-12", "network": "shared"}


def token(*roles):
    made = fixture.V3Token(user_id="user", user_name="user", project_id=PROJECT)
    made.set_project_scope(id=PROJECT, name="demo", domain_id="default", domain_name="Default")
    for role in roles:
        made.add_role(name=role)
    for kind, url in (("compute", NOVA), ("image", GLANCE), ("network", NEUTRON), ("identity", KEYSTONE)):
        made.add_service(kind).add_standard_endpoints(public=url, internal=url)
    return made


def validated(request, context):
    """GET /v3/auth/tokens: the token's text is its roles."""
    roles = request.headers["X-Subject-Token"].split("-")[0].split("+")
    context.headers["X-Subject-Token"] = request.headers["X-Subject-Token"]
    return token(*roles)


@pytest.fixture
def keystone(requests_mock):
    requests_mock.get(KEYSTONE, json={"version": fixture.V3Discovery(KEYSTONE)})
    requests_mock.post(f"{KEYSTONE}/auth/tokens", json=token("service"), headers={"X-Subject-Token": "T"})
    requests_mock.get(f"{KEYSTONE}/auth/tokens", json=validated)
    return requests_mock


@pytest.fixture
def openstack(keystone):
    compute = fixture.DiscoveryList(v2=False, v3=False)
    compute.add_nova_microversion(NOVA, id="v2.1", status="CURRENT", min_version="2.1", version="2.93")
    keystone.get(NOVA, json=compute)
    for base, path in ((GLANCE, "v2/"), (NEUTRON, "v2.0/")):
        links = [{"rel": "self", "href": f"{base}/{path}"}]
        version = {"id": path.rstrip("/"), "status": "CURRENT", "links": links}
        keystone.get(base, json={"versions": [version]})
    keystone.get(f"{NOVA}/flavors/detail", json=flavors)
    keystone.get(f"{GLANCE}/v2/images", json=lambda request, _: named("images", [IMAGE], request))
    keystone.get(
        f"{NEUTRON}/v2.0/networks", json=lambda request, _: named("networks", [SHARED, PUBLIC], request)
    )
    keystone.get(f"{NEUTRON}/v2.0/subnets", json={"subnets": []})
    keystone.get(f"{NEUTRON}/v2.0/quotas/{PROJECT}/details", json={"quota": {}})
    keystone.get(f"{NOVA}/limits", json={"limits": {"absolute": limits(10), "rate": []}})
    keystone.get(f"{NOVA}/servers/detail", json={"servers": []})
    return keystone


def limits(instances):
    unlimited = {"maxTotalCores": -1, "totalCoresUsed": 0, "maxTotalRAMSize": -1, "totalRAMUsed": 0}
    return unlimited | {"maxTotalInstances": instances, "totalInstancesUsed": 0}


def flavors(request, _context):
    start = next((n for n, f in enumerate(FLAVORS, 1) if [f["id"]] == request.qs.get("marker")), 0)
    limit = int(request.qs.get("limit", ["1000"])[0])
    return {"flavors": FLAVORS[start : start + limit]}


def named(key, things, request):
    """Also ends the paging: what follows the last is nothing."""
    if "marker" in request.qs:
        return {key: []}
    names = request.qs.get("name")
    return {key: [dict(thing) for thing in things if names in (None, [thing["name"]])]}


@pytest.fixture
def parts(tmp_path, openstack):
    path = tmp_path / "gateway.conf"
    path.write_text(CONFIG.replace("STATE", str(tmp_path)))
    conf = databases.of_the_folder(options.load([], [str(path)]))
    schema.upgrade(Database(conf))
    return daemon.parts(conf)


@pytest.fixture
def call(parts):
    application = api.application(parts)

    def send(method, path, body=None, roles="member+reader", **headers):
        request = webob.Request.blank(path, method=method, headers=headers)
        if roles:
            # keystonemiddleware's in-process cache outlives a test: a token is used by one test only
            request.headers["X-Auth-Token"] = f"{roles}-{id(application)}"
        if body is not None:
            request.content_type, request.body = "application/json", json.dumps(body).encode()
        return described.answered(request, application)

    return send


def error_of(response):
    return response.json["errors"][0]


def post(call, roles="member+reader", **changed):
    return call("POST", "/v1/servers", {"server": WISH | changed}, roles)


def test_no_token(call):
    response = call("GET", "/v1/flavors", roles=None)
    assert (response.status_int, error_of(response)["code"]) == (401, "gateway.auth.token")
    assert response.headers["WWW-Authenticate"].startswith("Keystone uri=")


def test_keystone_away_is_not_a_bad_token(call, openstack):
    openstack.get(f"{KEYSTONE}/auth/tokens", exc=requests.exceptions.ConnectionError)
    response = call("GET", "/v1/flavors")
    assert (response.status_int, error_of(response)["code"]) == (503, "gateway.auth.keystone")
    assert response.headers["Retry-After"] == "5"


def test_reader_looks_and_does_not_boot(call):
    assert call("GET", "/v1/servers", roles="reader").json == {"servers": []}
    assert post(call, roles="reader").status_int == 403
    assert call("DELETE", "/v1/servers/web", roles="reader").status_int == 403


def test_pages(call):
    first = call("GET", "/v1/flavors?limit=2").json
    assert [flavor["name"] for flavor in first["flavors"]] == ["m1.nano", "m1.micro"]
    link = urllib.parse.urlsplit(first["flavors_links"][0]["href"])
    last = call("GET", f"{link.path}?{link.query}").json
    assert [flavor["name"] for flavor in last["flavors"]] == ["m1.x"]
    assert "flavors_links" not in last


def test_launch_options(call):
    found = call("GET", "/v1/launch-options").json
    assert len(found["flavors"]) == 3
    assert found["images"][0]["login_user"] == "debian"
    assert [network["external"] for network in found["networks"]] == [False, True]


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("PUT", "/v1/flavors", 405, "GET"),
        ("POST", "/v1/flavors/m1.nano", 405, "GET"),
        ("PATCH", "/v1/servers", 405, "GET, POST"),
        ("POST", "/v1/servers/web", 405, "DELETE, GET"),
        ("POST", "/v1/servers/web?_method=delete", 405, "DELETE, GET"),
        ("DELETE", "/v1/launch-options", 405, "GET"),
        ("GET", "/v1/launch-options/x", 404, None),
        ("GET", "/v1/flavors/m1.nano/x", 404, None),
        ("GET", "/v1/servers/_parts/conf", 404, None),
        ("GET", "/v1/networks//x", 404, None),
    ],
)
def test_wrong_methods_and_urls(call, method, path, status, allow):
    response = call(method, path)
    assert (response.status_int, response.headers.get("Allow")) == (status, allow)
    assert error_of(response)["status"] == status


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/flavors/m1.micro", 200),
        ("/v1/flavors/f-micro", 200),
        ("/v1/flavors/nope", 404),
        ("/v1/images/debian-12", 200),
        ("/v1/images/nope", 404),
        ("/v1/networks/shared", 200),
        ("/v1/networks/nope", 404),
        ("/v1/servers/nope", 404),
        ("/v1/flavors?limit=0", 400),
        ("/v1/flavors?limit=1&limit=2", 400),
        ("/v1/images?name=x", 400),
    ],
)
def test_one_and_bad_parameters(call, path, status):
    assert call("GET", path).status_int == status


@pytest.mark.parametrize(
    ("changed", "status", "code", "field"),
    [
        ({"flavor": "nope"}, 400, "gateway.flavor.not_found", "server.flavor"),
        ({"image": "nope"}, 400, "gateway.image.not_found", "server.image"),
        ({"network": "nope"}, 400, "gateway.network.not_found", "server.network"),
        ({"flavor": "m1.micro"}, 400, "gateway.flavor.too_small", "server.flavor"),
        ({"network": "public"}, 400, "gateway.network.external", "server.network"),
        ({"count": 11}, 403, "gateway.quota.exceeded", None),
        ({"count": 33}, 400, "gateway.request.invalid", "server.count"),
        ({"count": 0}, 400, "gateway.request.invalid", "server.count"),
        ({"count": True}, 400, "gateway.request.invalid", "server.count"),
        ({"name": " web"}, 400, "gateway.request.invalid", "server.name"),
        ({"user_data": "what"}, 400, "gateway.server.user_data", "user_data"),
        ({"colour": "red"}, 400, "gateway.request.invalid", "server"),
    ],
)
def test_refused_before_anything_is_booted(call, openstack, changed, status, code, field):
    booting = openstack.post(f"{NOVA}/servers", status_code=500)
    response = post(call, **changed)
    error = error_of(response)
    assert (response.status_int, error["code"], error.get("field")) == (status, code, field)
    assert not booting.called


def test_boot_keeps_the_way_in(call, openstack, parts):
    booting = openstack.post(f"{NOVA}/servers", status_code=202, json={"server": {"id": "s-1"}})
    response = post(call, security_groups=["web"], user_data="#!/bin/sh\ntrue")
    assert response.status_int == 202
    assert response.headers["Location"].endswith("/v1/servers/s-1")
    assert response.json["server"]["flavor"] == {"id": "f-nano", "name": "m1.nano"}
    sent = booting.last_request.json()["server"]
    assert (sent["imageRef"], sent["networks"]) == (IMAGE_ID, [{"uuid": SHARED_ID}])
    access = parts.deployments.access(PROJECT, "s-1")
    assert (access.user, access.trust) == ("debian", "injected")
    user_data = base64.b64decode(sent["user_data"]).decode()
    assert "x-shellscript" in user_data
    assert access.private_key not in response.text


def test_the_host_key_kept_is_the_one_sent(call, openstack, parts):
    booting = openstack.post(f"{NOVA}/servers", status_code=202, json={"server": {"id": "s-1"}})
    post(call)
    sent = yaml.safe_load(base64.b64decode(booting.last_request.json()["server"]["user_data"]))
    assert sent["ssh_keys"]["ed25519_public"] == parts.deployments.access(PROJECT, "s-1").host_key


def test_several(call, openstack, parts):
    answers = [{"status_code": 202, "json": {"server": {"id": f"s-{n}"}}} for n in range(2)]
    booting = openstack.post(f"{NOVA}/servers", answers)
    response = post(call, count=2)
    assert [server["name"] for server in response.json["servers"]] == ["web-0", "web-1"]
    keys = {parts.deployments.access(PROJECT, f"s-{n}").private_key for n in range(2)}
    assert len(keys) == 2
    assert booting.call_count == 2


def test_all_or_none_also_when_an_answer_never_came(call, openstack, parts):
    """The second call fails after Nova made the server: it is found by its tag and goes, too."""
    made = {"status_code": 202, "json": {"server": {"id": "s-0"}}}
    booting = openstack.post(f"{NOVA}/servers", [made, {"status_code": 504}])

    def lost(_request, _context):
        metadata = booting.last_request.json()["server"]["metadata"]
        flavor = {"original_name": "m1.nano", "vcpus": 1, "ram": 256, "disk": 2}
        server = {"id": "s-lost", "name": "web-1", "status": "BUILD", "tenant_id": PROJECT}
        return {"servers": [server | {"flavor": flavor, "image": "", "metadata": metadata}]}

    openstack.get(f"{NOVA}/servers/detail", json=lost)
    deletions = [openstack.delete(f"{NOVA}/servers/{id}", status_code=204) for id in ("s-0", "s-lost")]
    response = post(call, count=2)
    assert (response.status_int, error_of(response)["code"]) == (504, "gateway.cloud.timeout")
    assert all(deletion.called for deletion in deletions)
    assert parts.deployments.access(PROJECT, "s-0") is None


def test_delete_forgets_the_way_in(call, openstack, parts):
    server_id = str(uuid.uuid4())
    openstack.post(f"{NOVA}/servers", status_code=202, json={"server": {"id": server_id}})
    post(call)
    flavor = {"original_name": "m1.nano", "vcpus": 1, "ram": 256, "disk": 2}
    server = {"id": server_id, "name": "web", "status": "ACTIVE", "tenant_id": PROJECT, "flavor": flavor}
    openstack.get(f"{NOVA}/servers/{server_id}", json={"server": server | {"image": "", "metadata": {}}})
    deletion = openstack.delete(f"{NOVA}/servers/{server_id}", status_code=204)
    response = call("DELETE", f"/v1/servers/{server_id}")
    assert (response.status_int, response.body) == (204, b"")
    assert deletion.called
    assert parts.deployments.access(PROJECT, server_id) is None


@pytest.mark.parametrize(("status", "ours"), [(500, 502), (503, 503), (401, 401)])
def test_nova_in_trouble(call, openstack, status, ours):
    openstack.get(f"{NOVA}/flavors/detail", status_code=status, json={})
    response = call("GET", "/v1/flavors")
    assert response.status_int == ours
    assert ("Retry-After" in response.headers) == (ours == 503)
