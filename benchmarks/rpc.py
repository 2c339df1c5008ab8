#!/usr/bin/env python3
"""BestInstance by gRPC, with a valid token: calls a second of one gatewayd process on one core.

    devstack/aio/cloud exec env OS_CLOUD=demo .venv/bin/python benchmarks/rpc.py

Needs h2load (Debian's nghttp2-client). The server is pinned to core 0, h2load to core 1; 1,000 instances in
100 types. One answer is looked at before and after, since h2load sees only HTTP/2. The CPU time of a call is
the server's own: it says what a core can do where the machine has other things to do. Beside it, in the same
run, a bare grpcio server that gives the same answer to anyone.
"""

import argparse
import concurrent.futures
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


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def configured(folder: pathlib.Path, service_cloud: str, port: int, threads: int) -> pathlib.Path:
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


def serve_bare(port: int) -> None:
    """What grpcio itself costs: the same answer, always, to anyone."""
    answer = best_answer().SerializeToString()
    handler = grpc.unary_unary_rpc_method_handler(lambda request, context: answer)
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
    name, method = _METHOD.strip("/").split("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {method: handler}),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


def best_answer() -> pb.Service:
    return pb.Service(proto="http", type="type-7", host="10.0.0.8", port=8080, routes=["/a", "/b"], weight=1)


def measured(name: str, command: list, address: str, token: str, folder: pathlib.Path, args) -> None:
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(["taskset", "-c", "0", *command], stdout=log, stderr=log)
    try:
        assert best(address, token).type == "type-7"
        for _ in range(args.runs):
            before = cpu_seconds(server.pid)
            said = load(address, token, folder, args.connections, args.streams, args.seconds)
            used = (cpu_seconds(server.pid) - before) / int(re.search(r"(\d+) succeeded", said)[1])
            failed = re.search(r"(\d+) failed, (\d+) errored", said)
            rate = float(re.search(r"([\d.]+) req/s", said)[1])
            print(f"{name:9} {rate:8,.0f}/s {used * 1e6:6.0f} us {1 / used:8,.0f}/s a core; {failed[0]}")
            time.sleep(1)
        assert best(address, token).type == "type-7"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--service-cloud", default="gateway", help="whom gatewayd validates tokens as")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--streams", type=int, default=1, help="calls under way on one connection")
    parser.add_argument("--threads", type=int, default=8, help="of the server")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--serve-bare", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve_bare:
        serve_bare(args.serve_bare)
    user = openstack.connect(cloud=os.environ.get("OS_CLOUD", "demo"))
    token, folder = user.auth_token, pathlib.Path(tempfile.mkdtemp(prefix="gateway-benchmark-"))
    ports = free_port(), free_port()
    file = configured(folder, args.service_cloud, ports[0], args.threads)
    fill(file, user.current_project_id)
    gatewayd = [pathlib.Path(sys.executable).with_name("gatewayd"), "--config-file", file, "--role", "rpc"]
    bare = [sys.executable, __file__, "--serve-bare", str(ports[1])]
    print("                rate  CPU each   in a whole core")
    for name, command, port in (("gatewayd", gatewayd, ports[0]), ("grpcio", bare, ports[1])):
        measured(name, command, f"127.0.0.1:{port}", token, folder, args)
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
