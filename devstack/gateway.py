#!/usr/bin/env python3
"""A gatewayd left running for one machine's user: `make up` starts it, `make down` stops it.

    devstack/gateway.py up CLOUD | down | status

CLOUD, of clouds.yaml, is whom it validates tokens as and who gets the trusts: a service user with the role
``service``, or, for a gateway of one's own, oneself.
"""

import configparser
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

import openstack.config

HOME = (
    pathlib.Path(os.environ.get("GATEWAY_STATE", pathlib.Path(__file__).parent.parent / ".state"))
    / "gatewayd"
)
CONFIG, LOG, PID = HOME / "gateway.conf", HOME / "gatewayd.log", HOME / "pid"
URL = os.environ.get("GATEWAY_URL", "http://127.0.0.1:8790")
_UP, _DOWN = 60, 60  # seconds
#: devstack/aio's service user, and its networks: instances may be anywhere in them, also on this machine.
_AIO = "gateway"
_AIO_NETWORKS = ("198.51.100.0/24", "198.18.0.0/24", "203.0.113.0/24")


def up(cloud: str) -> int:
    if _answers():
        print(f"gateway: already up at {URL}")
        return 0
    HOME.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write_config(cloud)
    with LOG.open("ab") as log:
        command = [pathlib.Path(sys.executable).with_name("gatewayd"), "--config-file", CONFIG]
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    PID.write_text(str(process.pid))
    end = time.monotonic() + _UP
    while time.monotonic() < end and process.poll() is None:
        if _answers():
            print(f"gateway: up at {URL} (log: {LOG})")
            return 0
        time.sleep(0.1)
    print(f"gateway: did not come up; the end of {LOG}:", *LOG.read_text().splitlines()[-10:], sep="\n")
    return 1


def _write_config(cloud: str) -> None:
    region = openstack.config.OpenStackConfig().get_one(cloud)
    auth = {name: str(value) for name, value in region.get_auth_args().items() if value}
    config = configparser.RawConfigParser(default_section="")
    config["DEFAULT"] = {"state_path": str(HOME / "state")}
    port = int(URL.rpartition(":")[2].strip("/"))
    config["api"] = {"port": str(port)}
    config["rpc"] = {"port": str(port + 1)}
    config["cloud"] = {"region_name": region.region_name} if region.region_name else {}
    if cloud == _AIO:
        config["registry"] = {"allowed_networks": ",".join(_AIO_NETWORKS)}
    config["keystone_authtoken"] = {
        "auth_type": region.config.get("auth_type", "password"),
        "www_authenticate_uri": auth["auth_url"],
        **auth,
    }
    CONFIG.touch(mode=0o600)
    with CONFIG.open("w") as file:
        config.write(file)


def _answers() -> bool:
    try:
        with urllib.request.urlopen(f"{URL}/healthcheck", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def down() -> int:
    """Ends the gateway that ``up`` started, and forgets its state; any other is left alone."""
    pid = _pid()
    if pid is None:
        print("gateway: not up")
    else:
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + _DOWN
        while _pid() is not None and time.monotonic() < end:
            time.sleep(0.1)
        if _pid() is not None:
            os.killpg(pid, signal.SIGKILL)
        print("gateway: down")
    shutil.rmtree(HOME, ignore_errors=True)
    return 0


def _pid() -> int | None:
    """Of the gateway that ``up`` started, while it runs."""
    try:
        pid = int(PID.read_text())
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if b"gatewayd" in command else None


def status() -> int:
    print(f"gateway: {'up at ' + URL if _answers() else 'down'}")
    return 0 if _answers() else 3


def main() -> int:
    match sys.argv[1:]:
        case ["up", cloud]:
            return up(cloud)
        case ["down"]:
            return down()
        case ["status"]:
            return status()
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main())
