import dataclasses
import time

import pytest

from gateway import errors
from gateway.registry.model import Registration
from gateway.registry.signature import claimed
from gateway.tests import registered


def test_signatures_of_deployments_are_renewed_at_half_of_their_life(tmp_path):
    registry = registered.registry(registered.configuration(tmp_path, signature_lifetime=60))
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    deployed = Registration("auth", "http", "127.0.0.1", 1, deployment_id="d", server_id="s", host_key=key)
    before = registry.register("p", deployed, verify=False)
    own = Registration("auth", "http", "127.0.0.1", 2, signature=registry.mint("p", "auth").text)
    registry.register("p", own, verify=False)
    assert registry.renew_signatures() == 0
    registry._signer._clock = lambda: time.time() + 31
    index = registry.view().index
    assert registry.renew_signatures() == 1  # who registers himself renews it himself
    after = registry.instance("p", "auth", before.ordinal)
    told = {"signature": after.signature, "updated_at": after.updated_at, "index": index + 1}
    assert after == dataclasses.replace(before, **told)
    old, new = claimed(before.signature), claimed(after.signature)
    assert {**new, "iat": 0, "exp": 0} == {**old, "iat": 0, "exp": 0}
    assert new["exp"] - old["exp"] in (31, 32)
    assert registry.view().index == index + 1
    assert registry.renew_signatures() == 0


def test_a_member_mints_for_hosts_where_instances_may_be(tmp_path):
    registry = registered.registry(registered.configuration(tmp_path))
    with pytest.raises(errors.Invalid, match="blocked"):
        registry.mint("p", "auth", "127.0.0.2")
    assert claimed(registry.mint("p", "auth", "::ffff:10.0.0.1", port=80).text)["host"] == "10.0.0.1"
