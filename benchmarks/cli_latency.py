#!/usr/bin/env python3
"""How long `gateway flavor list` takes beside `openstack flavor list`, each in a process of its own, login
included.

    devstack/aio/cloud exec env OS_CLOUD=demo GATEWAY_URL=… .venv/bin/python benchmarks/cli_latency.py -n 10

They take turns, so that what else the machine does meets them all; medians, and the best of the runs.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

_BIN = pathlib.Path(sys.executable).parent
_LIST = ["flavor", "list", "-f", "json"]


def commands(openstack: str) -> dict[str, list[str]]:
    """``openstack`` need not be the one that has the plugin."""
    gateway, ours = str(_BIN / "gateway"), str(_BIN / "openstack")
    return {
        "openstack": [openstack, *_LIST],
        "gateway": [gateway, *_LIST],
        "gateway, token cached": [gateway, "--cache-token", *_LIST],
        "openstack gateway": [ours, "gateway", *_LIST],
    }


def seconds(command: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=120)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("-n", type=int, default=10, help="runs of each (10)")
    parser.add_argument("--openstack", default=str(_BIN / "openstack"), help="another OpenStackClient")
    options = parser.parse_args()
    table = commands(options.openstack)
    taken: dict[str, list[float]] = {name: [] for name in table}
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"XDG_CACHE_HOME": cache}
        for run in range(options.n + 1):
            for name, command in table.items():
                took = seconds(command, environment)
                taken[name] += [took] if run else []  # the first compiles, and fills the cache
    whole = statistics.median(taken["openstack"])
    print(f"{'flavor list by':<24} {'median':>8} {'best':>8} {'of openstack':>13}")
    for name, each in taken.items():
        middle = statistics.median(each)
        print(f"{name:<24} {middle:>6.2f} s {min(each):>6.2f} s {middle / whole:>12.0%}")


if __name__ == "__main__":
    main()
