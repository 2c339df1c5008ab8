"""What is marked is known again, and what is not marked is nobody's."""

import pytest

from gateway.deploy import marks
from gateway.tests import deployed


@pytest.mark.parametrize("number", [None, 0, 31])
def test_a_description_tells_whose_it_is(number):
    assert marks.described(marks.description("owner-1", "d-1", number)) == ("owner-1", "d-1")


@pytest.mark.parametrize(
    "text",
    [None, "", "gateway", "gateway deployment d-1", "my gateway o deployment d", "Default security group"],
)
def test_other_descriptions_tell_nothing(text):
    assert marks.described(text) is None


def test_metadata_tell_whose_a_server_is():
    assert marks.marked(marks.tags("owner-1", "d-1", 2)) == ("owner-1", "d-1")


@pytest.mark.parametrize(
    "metadata",
    [{}, {"gateway_request": "req-1"}, {"gateway_deployment": "d-1"}, {"gateway_owner": "owner-1"}],
)
def test_a_users_own_server_is_nobodys(metadata):
    assert marks.marked(metadata) is None


def test_each_database_is_another_gateway_for_good(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    one, other = deployed.store(tmp_path / "one"), deployed.store(tmp_path / "other")
    assert one.owner != other.owner
    assert deployed.store(tmp_path / "one").owner == one.owner
