"""The sweep over a real database and OpenStack's HTTP: it deletes only what all have answered about."""

# ruff: noqa: F401, F811  (pytest finds the fixtures by these names)
import pytest
import sqlalchemy as sa

from gateway import errors
from gateway.db import owner
from gateway.deploy import marks
from gateway.deploy.sweeper import Sweeper
from gateway.tests import deployed
from gateway.tests.unit.test_cloud_calls import KEYSTONE, NEUTRON, NOVA, cloud_api, raw_server, sessions

OTHER = "another-project"


@pytest.fixture
def store(tmp_path):
    return deployed.store(tmp_path)


@pytest.fixture
def sweeper(store, sessions):
    return Sweeper(sessions._conf, store, sessions)


@pytest.fixture
def cloud(cloud_api, store):
    """A server, a floating IP, a group and a trust of a lost deployment in another project; a known one's
    server and trusts, of which one was made in vain; another gateway's and a user's own. ``deleted``: the
    ids, in order."""
    known = deployed.deployment(trust_id="t-known")
    store.add(known, {"env": {}})
    servers = [
        raw_server("lost", project_id=OTHER, metadata=marks.tags(store.owner, "d-1", 0)),
        raw_server("known", project_id=OTHER, metadata=marks.tags(store.owner, known.id, 0)),
        raw_server("theirs", project_id=OTHER, metadata=marks.tags("owner-2", "d-2", 0)),
        raw_server("users", project_id=OTHER, metadata={"gateway_request": "req-1"}),
    ]
    deleted = []
    listed = {
        f"{NOVA}/servers/detail": ("servers", servers),
        f"{NEUTRON}/v2.0/floatingips": ("floatingips", [
            {"id": "f-1", "floating_ip_address": "203.0.113.5", "project_id": OTHER,
             "description": marks.description(store.owner, "d-1", 0)}]),
        f"{NEUTRON}/v2.0/security-groups": ("security_groups", [
            {"id": "g-1", "name": "gateway-d-1", "project_id": OTHER,
             "description": marks.description(store.owner, "d-1")},
            {"id": "g-2", "name": "default", "project_id": OTHER, "description": "Default security group"}]),
        f"{NEUTRON}/v2.0/ports": ("ports", [
            {"id": "p-1", "security_groups": ["g-1", "g-2"]}, {"id": "p-2", "security_groups": ["g-2"]}]),
        f"{KEYSTONE}/OS-TRUST/trusts": ("trusts", [
            {"id": id, "trustor_user_id": f"of {id}", "project_id": OTHER, **mark} for id, mark in (
                ("t-known", {"description": marks.description(store.owner, known.id)}),
                ("t-lost", {"description": marks.description(store.owner, "d-1")}),
                ("t-vain", {"description": marks.description(store.owner, known.id)}),
                ("t-theirs", {"description": marks.description("owner-2", "d-2")}),
                ("t-users", {}))]),
    }  # fmt: skip
    for url, (name, things) in listed.items():
        cloud_api.get(url, json={name: things})

    def delete(url, id):
        def answer(_request, _context):
            deleted.append(id)

        cloud_api.delete(f"{url}/{id}", status_code=204, json=answer)

    for server in servers:
        delete(f"{NOVA}/servers", server["id"])
        cloud_api.get(f"{NOVA}/servers/{server['id']}", status_code=404, json={"itemNotFound": {}})
    delete(f"{NEUTRON}/v2.0/floatingips", "f-1")
    for id in ("g-1", "g-2"):
        delete(f"{NEUTRON}/v2.0/security-groups", id)
    for id in ("t-lost", "t-vain"):
        delete(f"{KEYSTONE}/OS-TRUST/trusts", id)
    cloud_api.put(f"{NEUTRON}/v2.0/ports/p-1", json={"port": {"id": "p-1"}})
    cloud_api.deleted, cloud_api.lost = deleted, servers[0]["id"]
    return cloud_api


def test_what_is_seen_twice_goes_in_order_in_whatever_project(sweeper, cloud):
    assert sweeper.sweep() == {}
    assert cloud.deleted == []
    told = sweeper.sweep()
    assert [thing.id for thing in told] == ["f-1", cloud.lost, "g-1", "t-lost", "t-vain"]
    assert cloud.deleted == ["f-1", cloud.lost, "t-lost", "t-vain", "g-1"]
    assert set(told.values()) == {None}
    asked = [request for request in cloud.request_history if request.path.endswith("/servers/detail")]
    assert all(request.qs["all_tenants"] == ["true"] for request in asked)
    changed = [request for request in cloud.request_history if request.method == "PUT"]
    assert [(r.path, r.json()) for r in changed] == [
        ("/v2.0/ports/p-1", {"port": {"security_groups": ["g-2"]}})
    ]


def test_without_the_admin_role_its_own_project_is_swept(sweeper, cloud):
    every = cloud.get(f"{NOVA}/servers/detail?all_tenants=true", status_code=403, json={"forbidden": {}})
    sweeper.sweep()
    assert len(sweeper.sweep()) == 5
    assert every.call_count == 2


@pytest.mark.parametrize(
    "url",
    [f"{NOVA}/servers/detail", f"{NEUTRON}/v2.0/floatingips", f"{NEUTRON}/v2.0/security-groups",
     f"{KEYSTONE}/OS-TRUST/trusts"],
)  # fmt: skip
def test_nothing_goes_unless_all_have_answered(sweeper, cloud, url):
    """And what was seen before counts no more."""
    sweeper.sweep()
    cloud.get(url, status_code=500, json={})
    with pytest.raises(errors.CloudError):
        sweeper.sweep()
    cloud._adapter._matchers.pop()  # it answers again as before
    assert sweeper.sweep() == {}
    assert cloud.deleted == []
    assert len(sweeper.sweep()) == 5


def test_another_database_in_its_place_is_not_believed(sweeper, store, cloud):
    sweeper.sweep()
    with store._database.write() as connection:
        connection.execute(owner._gateway.update().values(owner="restored"))
    with pytest.raises(errors.Conflict):
        sweeper.sweep()
    with store._database.write() as connection:
        connection.execute(owner._gateway.delete())
    with pytest.raises(sa.exc.NoResultFound):
        sweeper.sweep()
    assert cloud.deleted == []


def test_what_cannot_be_deleted_is_told_and_tried_again(sweeper, cloud):
    cloud.delete(f"{NOVA}/servers/{cloud.lost}", [{"status_code": 500}, {"status_code": 204}])
    sweeper.sweep()
    told = sweeper.sweep()
    assert ["HTTP 500" in (why or "") for why in told.values()] == [False, True, False, False, False]
    assert set(sweeper.sweep().values()) == {None}


def test_a_credential_that_no_deployment_has(sweeper, sessions, store, cloud):
    """It stands for a trust, and is known by the gateway's database alone."""
    for id in ("c-known", "c-lost"):
        sessions._credentials.add(id, "user-1", "planted-secret")
    store.add(deployed.deployment(trust_id="c-known"), {"env": {}})
    gone = cloud.delete(f"{KEYSTONE}/users/user-1/application_credentials/c-lost", status_code=204)
    sweeper.sweep()
    assert [thing.id for thing in sweeper.sweep()][-1] == "c-lost"
    assert gone.called
    assert [each.id for each in sessions.credentials()] == ["c-known"]
