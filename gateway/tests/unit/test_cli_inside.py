"""The way into a server, as ssh(1) takes it."""

import pathlib

from gateway.cli import inside

_KNOWN = pathlib.Path("/tmp/known_hosts")
_WAY = {"host": "198.51.100.7", "port": 22, "user": "debian", "host_key": "ssh-ed25519 AAAA", "jump": None}
_JUMP = {"host": "fd00::5", "port": 2222, "user": "gate", "host_keys": ["ssh-ed25519 BBBB", "ssh-rsa CCCC"]}


def test_only_the_pinned_key_is_believed():
    command = inside.ssh_command(_WAY, _KNOWN, None, None, [])
    for option in (
        "HostKeyAlias=gateway-server",
        f"UserKnownHostsFile={_KNOWN}",
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=yes",
    ):
        assert command[command.index(option) - 1] == "-o"
    assert command[-4:] == ["-l", "debian", "--", "198.51.100.7"]
    assert inside.known_hosts(_WAY) == "gateway-server ssh-ed25519 AAAA\n"


def test_key_user_and_command_are_the_callers():
    command = inside.ssh_command(_WAY, _KNOWN, "/k", "root", ["ls", "-l"])
    assert command[-6:] == ["-l", "root", "--", "198.51.100.7", "ls", "-l"]
    assert command[command.index("-i") + 1] == "/k"


def test_a_jump_host_shows_a_key_of_its_own():
    way = {**_WAY, "jump": _JUMP}
    proxy = next(each for each in inside.ssh_command(way, _KNOWN, "/a key", None, []) if "Proxy" in each)
    assert "HostKeyAlias=gateway-jump" in proxy
    assert "-i '/a key' -p 2222 -W '[%h]:%p' -l gate -- fd00::5" in proxy
    assert inside.known_hosts(way).splitlines()[1:] == [
        "gateway-jump ssh-ed25519 BBBB",
        "gateway-jump ssh-rsa CCCC",
    ]
