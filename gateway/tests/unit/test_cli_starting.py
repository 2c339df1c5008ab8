"""A first service.yaml."""

import pathlib

import pytest
import yaml

from gateway.cli import starting

_EXAMPLE = (pathlib.Path(__file__).parents[3] / "examples/hello/service.yaml").read_text()


def an_image(name, created="2026-01-01", status="active", user="debian", **more):
    least = {"min_ram": 0, "min_disk": 2}
    return (
        {"id": f"id-{name}", "name": name, "status": status, "login_user": user, "created_at": created}
        | least
        | more
    )


def a_flavor(name, ram, disk=10, vcpus=1):
    return {"id": f"id-{name}", "name": name, "ram": ram, "disk": disk, "vcpus": vcpus}


def a_network(name, shared=False, external=False, subnets=("10.0.0.0/24",)):
    return {"id": f"id-{name}", "name": name, "shared": shared, "external": external, "subnets": subnets}


OPTIONS = {
    "images": [
        an_image("cirros", "2026-04-01", user="cirros"),
        an_image("old"),
        an_image("new", "2026-02-01"),
        an_image("queued", "2026-03-01", status="queued"),
        an_image("nobody", "2026-03-01", user=None),
    ],
    "flavors": [
        a_flavor("large", 4096),
        a_flavor("nano", 64),
        a_flavor("flat", 512, 1),
        a_flavor("tiny", 512),
    ],
    "networks": [
        a_network("mine"),
        a_network("public", external=True),
        a_network("bare", subnets=()),
        a_network("shared", shared=True),
    ],
}


@pytest.mark.parametrize(
    ("kind", "image", "names"),
    [
        ("image", None, ["new", "old", "cirros"]),
        ("flavor", an_image("any"), ["tiny", "large"]),
        ("flavor", an_image("any", min_ram=1024), ["large"]),
        ("flavor", an_image("any", min_disk=20), []),
        ("network", None, ["shared", "mine"]),
    ],
)
def test_what_fits_and_the_most_sensible_first(kind, image, names):
    assert [each["name"] for each in starting.fitting(kind, OPTIONS, image)] == names


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("tiny", 3), ("id-nano", 1), ("1", 0), ("4", 3), ("5", None), ("0", None), ("²", None), ("none", None)],
)
def test_one_is_chosen_by_number_name_or_id(wanted, found):
    flavors = OPTIONS["flavors"]
    assert starting.named(wanted, flavors) is (None if found is None else flavors[found])


def test_a_name_that_two_have_is_none():
    twins = [an_image("twin"), an_image("twin", id="other")]
    assert starting.named("twin", twins) is None
    assert starting.reference(twins[1], twins) == "other"


def test_the_example_with_values_is_a_deployment_that_keeps_its_comments():
    values = {"service": "shop", "flavor": "a: b", "image": "123", "network": "n #1", "port": 80, "path": "/"}
    text = starting.written(_EXAMPLE, {**values, "command": 'sh -c "exec ./run"'})
    wish = yaml.safe_load(text)["deployment"]
    assert wish["server"] == {"flavor": "a: b", "image": "123", "network": "n #1"}
    assert (wish["service"], wish["port"], wish["health"]["path"]) == ("shop", 80, "/")
    assert wish["command"] == 'sh -c "exec ./run"'
    assert text.count("#") >= _EXAMPLE.count("#")
