"""The pure parts of gateway.cloud: what fits, what OpenStack's answers mean, which error is which."""

import dataclasses

import pytest
import requests
from keystoneauth1 import exceptions as keystoneauth
from novaclient import exceptions as novaclient
from openstack import exceptions as openstacksdk

from gateway import errors
from gateway.cloud import fit, wire
from gateway.cloud.faults import translated
from gateway.cloud.model import Address, Allowance, Flavor, Image, Network, Reference
from gateway.cloud.names import Names

SMALL = Flavor(id="1", name="m1.small", vcpus=2, ram=1024, disk=4)
DEBIAN = Image(id="d", name="debian", status="active", size=100, min_disk=2, min_ram=256, visibility="public")


def allowances(**limit_and_used):
    return {name: Allowance(name, limit, used) for name, (limit, used) in limit_and_used.items()}


@pytest.mark.parametrize(
    ("count", "floating_ips", "has", "short"),
    [
        (1, 0, {"instances": (10, 9), "cores": (20, 18), "ram": (4096, 3072)}, []),
        (2, 0, {"instances": (10, 9), "cores": (20, 16)}, ["instances: 2 needed, 1 left of 10"]),
        (2, 0, {"instances": (-1, 500), "cores": (4, 1)}, ["cores: 4 needed, 3 left of 4"]),
        (1, 0, {"instances": (0, 0)}, ["instances: 1 needed, 0 left of 0"]),
        (1, 0, {"ram": (512, 600)}, ["ram: 1024 needed, 0 left of 512"]),  # a quota lowered below its use
        (1, 0, {"floating_ips": (0, 0)}, []),  # none wanted
        (1, 1, {"floating_ips": (5, 5), "ports": (3, 3)}, ["ports: 1 needed", "floating_ips: 1 needed"]),
        (9, 9, {}, []),  # nobody counts
    ],
)
def test_quota(count, floating_ips, has, short):
    wanted = fit.needed(SMALL, count, floating_ips)
    found = fit.shortfalls(allowances(**has), wanted)
    assert len(found) == len(short)
    assert all(line.startswith(start) for line, start in zip(found, short, strict=True))


def test_quota_error_names_all_that_is_short():
    with pytest.raises(errors.QuotaExceeded, match=r"instances: 3 .*; cores: 6 needed, 1 left") as raised:
        fit.check_quota(allowances(instances=(1, 0), cores=(1, 0)), fit.needed(SMALL, 3))
    assert raised.value.code == "gateway.quota.exceeded"


@pytest.mark.parametrize(
    ("flavor", "image", "code"),
    [
        ({}, {}, None),
        ({"ram": 128}, {}, "gateway.flavor.too_small"),
        ({"disk": 1}, {}, "gateway.flavor.too_small"),
        ({"disk": 0}, {"min_disk": 100}, None),  # 0: as large as the image
        ({"disk": 2}, {"size": 2 * 1024**3 + 1}, "gateway.flavor.too_small"),
        ({"disk": 2}, {"size": 2 * 1024**3}, None),
        ({}, {"size": None, "status": "queued"}, "gateway.image.not_active"),
    ],
)
def test_image_into_flavor(flavor, image, code):
    arguments = dataclasses.replace(SMALL, **flavor), dataclasses.replace(DEBIAN, **image)
    if code is None:
        fit.check_image(*arguments)
    else:
        with pytest.raises(errors.Invalid) as raised:
            fit.check_image(*arguments)
        assert raised.value.code == code


@pytest.mark.parametrize(("external", "shared", "refused"), [(0, 0, 0), (0, 1, 0), (1, 1, 0), (1, 0, 1)])
def test_server_on_network(external, shared, refused):
    network = Network("n", "public", "ACTIVE", external=bool(external), shared=bool(shared))
    if refused:
        with pytest.raises(errors.Invalid, match="public is external"):
            fit.check_network(network)
    else:
        fit.check_network(network)


@pytest.mark.parametrize(
    ("admin_user", "distro", "version", "user"),
    [
        ("me", "debian", None, "me"),
        (None, "debian", "12", "debian"),
        (None, "Ubuntu22.04", None, "ubuntu"),
        (None, "centos7", None, "centos"),
        (None, "centos", "9", "cloud-user"),
        (None, "centos-stream9", None, "cloud-user"),
        (None, "cirros", "0.6.2", "cirros"),
        (None, "plan9", None, None),
        (None, None, None, None),
    ],
)
def test_login_user(admin_user, distro, version, user):
    assert wire.login_user(admin_user, distro, version) == user


RAW = {
    "id": "s1",
    "name": "web",
    "status": "ERROR",
    "tenant_id": "p1",
    "flavor": {"original_name": "m1.small", "vcpus": 2, "ram": 1024, "disk": 4, "ephemeral": 0},
    "image": {"id": "d", "links": []},
    "addresses": {
        "private": [
            {"version": 4, "addr": "10.0.0.5", "OS-EXT-IPS:type": "fixed"},
            {"version": 4, "addr": "203.0.113.9", "OS-EXT-IPS:type": "floating"},
        ]
    },
    "security_groups": [{"name": "default"}, {"name": "default"}],
    "metadata": {"a": "b"},
    "fault": {"message": "No valid host was found. ", "code": 500},
}


def test_server():
    server = wire.server(RAW, {("m1.small", 2, 1024, 4): "1"}, {"d": "debian"})
    assert server.flavor == Reference("1", "m1.small")
    assert server.image == Reference("d", "debian")
    assert server.addresses[1] == Address("203.0.113.9", 4, "floating", "private")
    assert server.address() == "203.0.113.9"
    assert server.security_groups == ("default",)
    assert server.fault.startswith("No valid host")


def test_server_whose_flavor_was_made_anew_with_other_sizes():
    server = wire.server({**RAW, "image": ""}, {("m1.small", 2, 2048, 4): "1"}, {})
    assert server.flavor == Reference(None, "m1.small")
    assert server.image is None


def answered(status, details):
    response = requests.Response()
    response.status_code = status
    kinds = {404: openstacksdk.NotFoundException, 409: openstacksdk.ConflictException}
    return kinds.get(status, openstacksdk.HttpException)("x", response=response, details=details)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (novaclient.BadRequest(400, "Invalid key_name"), errors.Invalid, "gateway.server.invalid"),
        (novaclient.Forbidden(403, "Policy says no"), errors.Forbidden, "gateway.server.forbidden"),
        (
            novaclient.Forbidden(403, "Quota exceeded for cores"),
            errors.QuotaExceeded,
            "gateway.quota.exceeded",
        ),
        (
            novaclient.Forbidden(403, "Maximum number of ports exceeded"),
            errors.QuotaExceeded,
            "gateway.quota.exceeded",
        ),
        (novaclient.OverLimit(413, "Over limit"), errors.QuotaExceeded, "gateway.quota.exceeded"),
        (novaclient.RateLimit(429, "Slow", retry_after=7), errors.Unavailable, "gateway.cloud.busy"),
        (novaclient.ClientException(500, "Unexpected"), errors.CloudError, "gateway.cloud.failed"),
        (answered(404, "gone"), errors.NotFound, "gateway.server.not_found"),
        (answered(409, "in use"), errors.Conflict, "gateway.server.conflict"),
        (
            answered(409, "Quota exceeded for resources: ['port']."),
            errors.QuotaExceeded,
            "gateway.quota.exceeded",
        ),
        (answered(503, "down"), errors.Unavailable, "gateway.cloud.busy"),
        (keystoneauth.Unauthorized("expired"), errors.Unauthorized, "gateway.auth.token"),
        (keystoneauth.ConnectTimeout("slow"), errors.Timeout, "gateway.cloud.timeout"),
        (keystoneauth.ConnectFailure("refused"), errors.Unavailable, "gateway.cloud.unreachable"),
        (keystoneauth.GatewayTimeout("slow"), errors.Timeout, "gateway.cloud.timeout"),
        (keystoneauth.EndpointNotFound("no compute"), errors.CloudError, "gateway.cloud.failed"),
    ],
)
def test_library_errors_become_ours(error, kind, code):
    with pytest.raises(errors.GatewayError) as raised, translated("server"):
        raise error
    assert (type(raised.value), raised.value.code) == (kind, code)
    assert raised.value.__cause__ is error


def test_words_without_html_and_request_ids():
    with pytest.raises(errors.Invalid) as raised, translated("image"):
        raise novaclient.BadRequest(400, "No image<br /><br />\n found (HTTP 400) (Request-ID: req-1)")
    assert raised.value.message == "No image found"


def test_names_are_forgotten_in_time_and_when_there_are_too_many():
    now = [0.0]
    names = Names(lifetime=10, size=2, clock=lambda: now[0])
    names.put("a", 1)
    now[0] = 9.9
    assert names.get("a") == 1
    now[0] = 10
    assert names.get("a") is None
    for key in "bcd":
        names.put(key, key)
    assert [names.get(key) for key in "bcd"] == [None, "c", "d"]
