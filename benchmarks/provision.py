#!/usr/bin/env python3
"""Seconds until a project can log in to a database of its own: through /osb/v2, and by hand.

    devstack/aio/cloud exec env PYTHONPATH=features .venv/bin/python benchmarks/provision.py

The gateway's are a platform's two calls, to have a service and to bind it; by hand it is one connection of
the manager's to the same server, and the same database and login made with it. Who goes first takes turns.
"""

import argparse
import contextlib
import pathlib
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable

import pg8000.native
import pymysql
import redis
from stress.ground import Ground

from gateway.tests.database_servers import PASSWORD, USERNAME, Server


def through_the_gateway(ground: Ground, type: str, name: str) -> None:
    assert ground.platform.provision(name, type).status_code == 201
    assert ground.platform.bind(name, "b", type).status_code == 201


def _mysql(port: int, name: str) -> None:
    login = {"host": "127.0.0.1", "port": port, "user": USERNAME, "password": PASSWORD}
    with contextlib.closing(pymysql.connect(**login)) as session, session.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        cursor.execute(f"CREATE USER {name} IDENTIFIED BY 'a-password'")
        cursor.execute(f"GRANT ALL ON {name}.* TO {name}")


def _postgresql(port: int, name: str) -> None:
    session = pg8000.native.Connection(
        USERNAME, host="127.0.0.1", port=port, password=PASSWORD, database="postgres"
    )
    with contextlib.closing(session):
        session.run(f"CREATE DATABASE {name}")
        session.run(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
        session.run(f"CREATE ROLE {name} LOGIN PASSWORD 'a-password'")
        session.run(f"GRANT ALL ON DATABASE {name} TO {name}")


def _redis(port: int, name: str) -> None:
    with redis.Redis("127.0.0.1", port, username=USERNAME, password=PASSWORD) as session:
        session.acl_setuser(
            name, enabled=True, passwords="+a-password", keys=[f"{name}:*"], categories=["+@all", "-@admin"]
        )
        session.acl_save()


BY_HAND: dict[str, Callable[[int, str], None]] = {
    "mysql": _mysql,
    "postgresql": _postgresql,
    "redis": _redis,
}


def measured(ground: Ground, type: str, server: Server, runs: int) -> tuple[list[float], list[float]]:
    """Seconds of each, through the gateway and by hand."""
    ways = (
        lambda name: through_the_gateway(ground, type, name),
        lambda name: BY_HAND[type](server.port, f"h{name}"),
    )
    laps: tuple[list[float], list[float]] = [], []
    for run in range(runs):
        for way in (0, 1) if run % 2 else (1, 0):
            name, began = uuid.uuid4().hex, time.monotonic()
            ways[way](name)
            laps[way].append(time.monotonic() - began)
    return laps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", "--runs", type=int, default=20)
    asked = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gateway-provision-"))
    with contextlib.ExitStack() as ends:
        ground = Ground(folder, ends)
        heading = ("gateway: min - median - max", "by hand: min - median - max")
        print(f"{'milliseconds':14}{heading[0]:>30}{heading[1]:>30}{'times':>7}")
        for type, server in ground.servers.items():
            laps = measured(ground, type, server, asked.runs)
            cells = [
                " - ".join(f"{1000 * value:.0f}" for value in (min(each), statistics.median(each), max(each)))
                for each in laps
            ]
            times = statistics.median(laps[0]) / statistics.median(laps[1])
            print(f"{type:14}{cells[0]:>30}{cells[1]:>30}{times:7.1f}")
        for each in ground.client.call("an admin", "GET", "/v1/providers").json()["providers"]:
            ground.client.call("an admin", "DELETE", f"/v1/providers/{each['name']}?force=true")


if __name__ == "__main__":
    main()
