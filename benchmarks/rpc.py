#!/usr/bin/env python3
"""BestInstance by gRPC, with a valid token: calls a second of one gatewayd process on one core.

    devstack/aio/cloud exec env OS_CLOUD=demo .venv/bin/python benchmarks/rpc.py

Needs h2load (Debian's nghttp2-client). The server is pinned to core 0, h2load to core 1; 1,000 instances in
100 types. One answer is looked at before and after, since h2load sees only HTTP/2. The CPU time of a call is
the server's own: it says what a core can do where the machine has other things to do.
"""

import argparse
import configparser
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import grpc
import openstack

from gateway import conf as options
from gateway import vault
from gateway.db import Database, schema
from gateway.registry import registry_pb2 as pb
from gateway.registry.model import Registration
from gateway.registry.registry import Registry
from gateway.registry.signature import Signer
from gateway.registry.store import RegistryStore

_METHOD = "/proto.RegistryService/BestInstance"
_TYPES, _EACH = 100, 10


def configured(folder: pathlib.Path, service_cloud: str, threads: int) -> pathlib.Path:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    auth = openstack.connect(cloud=service_cloud).config.config["auth"]
    config = configparser.RawConfigParser(default_section="")
    config.read_dict(
        {
            "DEFAULT": {"state_path": folder / "state"},
            "rpc": {"port": port, "threads": threads},
            "keystone_authtoken": {"auth_type": "password", "www_authenticate_uri": auth["auth_url"], **auth},
        }
    )
    file = folder / "gateway.conf"
    with file.open("w") as out:
        config.write(out)
    file.chmod(0o600)
    return file


def fill(file: pathlib.Path, project_id: str) -> None:
    """Straight into the database: what is measured is reading."""
    conf = options.load(["--config-file", str(file)])
    pathlib.Path(conf.state_path).mkdir()
    database = Database(conf)
    schema.upgrade(database)
    registry = Registry(conf, RegistryStore(database), Signer(conf, vault.opened(conf), database))
    for number in range(_TYPES * _EACH):
        place = f"10.0.{number // 250}.{number % 250 + 1}"
        wanted = Registration(f"type-{number % _TYPES}", "http", place, 8080, routes=("/a", "/b"))
        registry.register(project_id, wanted, verify=False)


def best(address: str, token: str) -> pb.Service:
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(
            _METHOD, pb.ServiceType.SerializeToString, response_deserializer=pb.Service.FromString
        )
        request = pb.ServiceType(type="type-7")
        return call(request, metadata=[("x-auth-token", token)], timeout=60, wait_for_ready=True)


def load(address: str, token: str, folder: pathlib.Path, connections: int, streams: int, seconds: int) -> str:
    message = pb.ServiceType(type="type-7").SerializeToString()
    body = folder / "body"
    body.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
    headers = ["content-type: application/grpc", "te: trailers", f"x-auth-token: {token}"]
    command = ["taskset", "-c", "1", "h2load", "-c", str(connections), "-m", str(streams), "-D", str(seconds)]
    command += ["-d", str(body), *(f"-H{header}" for header in headers), f"http://{address}{_METHOD}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def cpu_seconds(pid: int) -> float:
    """Of a process and its children, so far."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    children = [child for task in tasks for child in (task / "children").read_text().split()]
    used = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    own = sum(map(int, used)) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu_seconds(int(child)) for child in children)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--service-cloud", default="gateway", help="whom gatewayd validates tokens as")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--streams", type=int, default=1, help="calls under way on one connection")
    parser.add_argument("--threads", type=int, default=8, help="of the server")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    user = openstack.connect(cloud=os.environ.get("OS_CLOUD", "demo"))
    token, folder = user.auth_token, pathlib.Path(tempfile.mkdtemp(prefix="gateway-benchmark-"))
    file = configured(folder, args.service_cloud, args.threads)
    fill(file, user.current_project_id)
    gatewayd = [pathlib.Path(sys.executable).with_name("gatewayd"), "--config-file", file, "--role", "rpc"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(["taskset", "-c", "0", *gatewayd], stdout=log, stderr=log)
    try:
        config = configparser.RawConfigParser(default_section="")
        config.read(file)
        address = f"127.0.0.1:{config['rpc']['port']}"
        assert best(address, token).type == "type-7"
        for _ in range(args.runs):
            before = cpu_seconds(server.pid)
            said = load(address, token, folder, args.connections, args.streams, args.seconds)
            rate = re.search(r"([\d.]+) req/s", said)[1]
            failed = re.search(r"(\d+) failed, (\d+) errored", said)
            times = re.search(r"time for request:.*", said)[0]
            used = (cpu_seconds(server.pid) - before) / int(re.search(r"(\d+) succeeded", said)[1])
            print(
                f"{float(rate):,.0f}/s; {used * 1e6:.0f} us of CPU each, {1 / used:,.0f}/s a core; "
                f"{failed[0]}; {' '.join(times.split())}"
            )
            time.sleep(1)
        assert best(address, token).type == "type-7"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
