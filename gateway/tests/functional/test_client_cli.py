"""The commands that show and make single things."""

import json

import pytest

from gateway.tests.functional import client_stub


def test_a_list_as_json(api, gateway):
    flavor = {"id": "1", "name": "m1.tiny", "vcpus": 1, "ram": 512, "disk": 1}
    api.on("GET", "/v1/flavors", (200, {"flavors": [flavor]}))
    code, out, _ = gateway("flavor", "list", "-f", "json")
    assert code == 0
    assert json.loads(out) == [{"ID": "1", "Name": "m1.tiny", "RAM": 512, "Disk": 1, "VCPUs": 1}]


def test_addresses_are_readable_in_tables_and_whole_in_json(api, gateway):
    address = {"address": "10.0.0.5", "version": 4, "type": "fixed", "network": "shared"}
    server = {
        "id": "s1",
        "name": "a",
        "status": "ACTIVE",
        "addresses": [address],
        "flavor": {"name": "m1"},
        "image": None,
    }
    api.on("GET", "/v1/servers", (200, {"servers": [server]}))
    _, out, _ = gateway("server", "list", "-c", "Addresses")
    assert "| shared=10.0.0.5 |" in out
    _, out, _ = gateway("server", "list", "-f", "json")
    assert json.loads(out)[0]["Addresses"] == [address]


def test_create_server_sends_what_was_given_only(api, gateway, tmp_path):
    built = {"id": "s1", "name": "web", "status": "BUILD", "addresses": []}
    api.on("POST", "/v1/servers", (202, {"servers": [built]}))
    api.on("GET", "/v1/servers/s1", (200, {"server": {**built, "status": "ACTIVE"}}))
    (tmp_path / "init").write_text("#!/bin/sh\n")
    options = ["--flavor", "f", "--image", "i", "--network", "n", "--user-data", "init", "--wait"]
    code, out, _ = gateway("server", "create", "web", *options, "-f", "value", "-c", "Status")
    assert (code, out) == (0, "ACTIVE\n")
    wish = {
        "name": "web",
        "flavor": "f",
        "image": "i",
        "network": "n",
        "count": 1,
        "user_data": "#!/bin/sh\n",
    }
    assert api.asked[0].json == {"server": wish}


def test_an_error_is_one_line_with_its_code_and_request_id(api, gateway):
    api.on(
        "GET", "/v1/flavors/x", (404, client_stub.error(404, "gateway.flavor.not_found", "No flavor 'x'."))
    )
    code, out, err = gateway("flavor", "show", "x")
    assert (code, out) == (3, "")
    assert err == "gateway: No flavor 'x'. (gateway.flavor.not_found, request id req-1)\n"


@pytest.mark.parametrize(
    "argv", [["flavor", "lost"], ["server", "create"], ["--request-timeout", "0", "flavor", "list"]]
)
def test_wrong_usage_is_exit_code_2(api, gateway, argv):
    assert gateway(*argv)[0] == 2
    assert api.asked == []


def test_best_shows_where(api, gateway):
    best = {
        "proto": "http",
        "type": "hello",
        "host": "fd00::5",
        "port": "8080",
        "routes": ["/"],
        "health": "/health",
    }
    api.on("GET", "/registry/service/types/hello/best", (200, best))
    code, out, _ = gateway("registry", "best", "hello", "-f", "value", "-c", "url")
    assert (code, out) == (0, "http://[fd00::5]:8080\n")
