"""Every endpoint has a command, and every command is one of OpenStackClient's, too."""

import configparser
import pathlib
import urllib.parse

import pytest

from gateway.cli.commands import COMMANDS
from gateway.tests import url_table
from gateway.tests.functional import client_stub

_ROOT = pathlib.Path(__file__).parents[3]
_ID = "3f0c1d2e-0000-4000-8000-000000000000"
_FILE = "{service: hello, version: '1', command: x, port: 1, server: {ids: [a]}}"

#: Each command: how it may be typed; those that need it, with what is answered to (method, path).
_TYPED = {
    "version list": "",
    "version show": "",
    "openapi": "",
    "health": "",
    "flavor list": "",
    "flavor show": "f",
    "image list": "",
    "image show": "i",
    "network list": "",
    "network show": "n",
    "launch option list": "",
    "server create": "s --flavor f --image i --network n",
    "server list": "",
    "server show": "s",
    "server delete": "s",
    "init": "new",
    "deploy": "service.yaml --no-wait",
    "deployment list": "",
    "deployment show": _ID,
    "deployment log": _ID,
    "deployment cancel": f"{_ID} --no-wait",
    "deployment rollback": f"{_ID} --no-wait",
    "deployment delete": f"{_ID} --no-wait",
    "logs": _ID,
    "ssh": f"{_ID} -- true",
    "artifact create": ".",
    "provider list": "",
    "provider show": "p",
    "provider create": "p --type mysql",
    "provider update": "p",
    "provider delete": "p",
    "service list": "",
    "service show": "s",
    "service create": "mysql --plan free",
    "service update": "s --plan big",
    "service delete": "s",
    "service rotate": "s --no-wait",
    "service binding list": "s",
    "service binding show": "s b",
    "service binding create": "s",
    "service binding delete": "s b",
    "registry list": "",
    "registry show": "t 0",
    "registry best": "t",
    "registry register": "t 10.0.0.5 80",
    "registry update": "t-0 --weight 2",
    "registry replace": "t-0 10.0.0.5 80",
    "registry remove": "t-0",
    "registry maintenance on": "t-0",
    "registry maintenance off": "t-0",
    "registry types": "",
    "registry type show": "t",
    "registry targets": "",
    "registry readings": "t-0",
    "registry heartbeat": "t-0",
    "registry watch": "--json",
    "registry sign": "t",
    "registry keys": "",
    "registry subscription list": "",
    "registry subscription show": "u",
    "registry subscription create": "http://10.0.0.5/",
    "registry subscription delete": "u",
    "registry delivery list": "u",
    "registry delivery resend": "u",
}
#: Of commands that ask in more than one way.
_MORE = [("registry show", "t-0"), ("registry delivery resend", "u 7")]


#: What is found first of what commands look for before they do what they are for.
_FOUND = {
    f"/v1/deployments/{_ID}": {
        "deployment": {"id": _ID, "service": "hello", "version": "1", "instances": []}
    },
    "/v1/servers/s": {"server": {"id": "s", "name": "s"}},
    "/v1/providers/p": {"provider": {"name": "p"}},
}


def test_each_command_is_tried():
    assert set(_TYPED) == set(COMMANDS)


def test_each_endpoint_has_a_command(api, gateway, tmp_path):
    (tmp_path / "service.yaml").write_text(_FILE)
    for path, answer in _FOUND.items():
        api.on("GET", path, (200, answer))
    now = {"index": 1, "changes": []}
    api.on("GET", "/registry/changes", (200, now), (410, client_stub.error(410, "gateway.registry.gone")))
    for name, arguments in [*_TYPED.items(), *_MORE]:
        gateway(*name.split(), *arguments.split())
    called = [(asked.method, urllib.parse.urlsplit(asked.path).path) for asked in api.asked]
    untouched = [each for each in url_table.untouched(called) if each.is_for_people]
    assert not untouched, "no command for: " + ", ".join(map(str, untouched))


def test_openstackclient_has_the_same_commands():
    setup = configparser.ConfigParser()
    setup.read(_ROOT / "setup.cfg")
    lines = setup["options.entry_points"]["openstack.gateway.v1"].strip().splitlines()
    theirs = dict(line.split(" = ") for line in lines)
    assert theirs == {f"gateway_{name.replace(' ', '_')}": place for name, place in COMMANDS.items()}


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help(gateway, name):
    code, out, _ = gateway(*name.split(), "--help")
    assert code == 0
    assert f"usage: gateway {name}" in out
