"""What is seen and done on a guest itself, over SSH with the user's own key."""

import shlex
import time

import paramiko
from behave import given, then, when
from harness.names import filled

_SEEN_IN = 60  # seconds
_STAYS = 5  # seconds, of several checks

_OTHER_KEY = """
set -e
cd /etc/ssh
cp -p ssh_host_ed25519_key ssh_host_ed25519_key.kept
ssh-keygen -q -t ed25519 -N "" -f /run/other_key
cat /run/other_key.pub
"""
_USE_OTHER_KEY = "cp /run/other_key /etc/ssh/ssh_host_ed25519_key; systemctl restart ssh; sleep 1; date +%s"
_PUT_BACK = """
rm -f /run/other_key /run/other_key.pub
[ -e /etc/ssh/ssh_host_ed25519_key.kept ] || exit 0
mv /etc/ssh/ssh_host_ed25519_key.kept /etc/ssh/ssh_host_ed25519_key
systemctl restart ssh
"""


def _guest(context) -> tuple[str, str]:
    """(address, host key) of the deployment's first server, as the gateway says."""
    path = filled("/v1/deployments/{deployment}", context.names)
    deployment = context.client.call("a member", "GET", path).json()["deployment"]
    return deployment["instances"][0]["address"], deployment["instances"][0]["host_key"]


def _as_root(context, guest, script: str) -> str:
    return context.shared.run(*guest, f"sudo sh -c {shlex.quote(script)}")


def _running(context, command: str) -> str:
    return context.shared.run(*context.guest, f"pgrep -fx {shlex.quote(command)} || true")


@when('"{command}" runs on server {number:d}')
def step_runs(context, command, number):
    context.guest = _guest(context)
    deadline = time.monotonic() + _SEEN_IN
    while not _running(context, command):
        assert time.monotonic() < deadline, f"{command} does not run"
        time.sleep(0.5)


@then('nothing of "{command}" runs on server {number:d}')
def step_runs_no_more(context, command, number):
    seen = _running(context, command)
    assert not seen, f"{command} still runs: {seen}"


@given("the sshd of its server has got another host key")
def step_other_host_key(context):
    address, host_key = _guest(context)
    other = _as_root(context, (address, host_key), _OTHER_KEY).strip()
    context.add_cleanup(_put_back, context, address, (other, host_key))
    context.since = _as_root(context, (address, host_key), _USE_OTHER_KEY).strip()
    context.guest = address, other
    context.own_host_key = host_key


@when("that sshd gets its own host key back")
def step_own_host_key(context):
    """The scenario's end does it, too, in any case."""
    _put_back(context, context.guest[0], (context.guest[1], context.own_host_key))


def _put_back(context, address, host_keys):
    for host_key in host_keys:
        try:
            _as_root(context, (address, host_key), _PUT_BACK)
            return
        except paramiko.BadHostKeyException:
            continue
    raise AssertionError(f"the host key of {address} could not be put back")


@then("nobody but us has logged in there since")
def step_no_login(context):
    """The look itself is a login."""
    script = f"journalctl -u ssh -o cat --since @{context.since} | grep '^Accepted publickey'"
    seen = _as_root(context, context.guest, script).strip().splitlines()
    assert len(seen) == 1, seen


@then("the monitor finds {instance:S} passing")
def step_monitor_passes(context, instance):
    """With an answer that it has seen itself, for several checks."""
    deadline, since = time.monotonic() + _SEEN_IN, None
    while since is None or time.monotonic() < since + _STAYS:
        found = context.client.call("a member", "GET", f"/registry/service/{instance}").json()
        passes = found["status"] == "passing" and found["output"].startswith("200")
        since = (since or time.monotonic()) if passes else None
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


@when('its server does "{command}"')
def step_does(context, command):
    _as_root(context, _guest(context), command)
