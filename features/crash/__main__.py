"""Kills gatewayd at every step of every flow, on the real cloud: `make crash`, `make crash FLOW="new"`.

Prints a row as each is known and the whole table at the end; exits with 1 when anything is not as it should.
"""

import argparse
import concurrent.futures
import functools
import itertools
import pathlib
import signal
import sys
import tempfile
import time
import traceback

from crash.flows import FLOWS
from crash.ground import Ground, Lane
from crash.rows import KINDS, Row

_HEADINGS = ("flow", "step", "killed", "ended as", *KINDS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("flows", nargs="*", help=f"of {', '.join(FLOWS)}; all without any")
    parser.add_argument("--lanes", type=int, default=3, help="daemons, and guests that boot, side by side")
    parser.add_argument(
        "--minutes",
        type=float,
        default=60,
        help="after these no other kill is begun; each flow gets its share",
    )
    asked = parser.parse_args()
    chosen = asked.flows or list(FLOWS)
    if unknown := set(chosen) - set(FLOWS):
        parser.error(f"no flow {', '.join(unknown)}")
    began, rows = time.monotonic(), []
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gateway-crash-"))
    try:
        with Ground(asked.lanes, folder) as ground:
            end = began + asked.minutes * 60
            for number in (signal.SIGINT, signal.SIGTERM):  # whoever ends us, we clear away
                signal.signal(number, lambda *_: ground.stop())
            for position, name in enumerate(chosen):
                left = max(0.0, end - time.monotonic())
                ground.ends = time.monotonic() + left / (len(chosen) - position)
                rows += run_flow(ground, name)
    finally:
        _print_table(rows)
    print(f"\n{len(rows)} kills in {time.monotonic() - began:.0f} s; logs in {folder}")
    return 0 if rows and all(row.is_good for row in rows) else 1


def run_flow(ground: Ground, name: str) -> list[Row]:
    """Its kills shared out between the lanes."""
    if not ground.goes_on:
        return []
    if name in ("new", "heal", "cancel_new"):
        ground.make_network()
    elif name != "refused":
        ground.boot_guests(2)
    with concurrent.futures.ThreadPoolExecutor(ground.lanes) as pool:
        in_lane = functools.partial(_in_lane, ground, name)
        return list(itertools.chain(*pool.map(in_lane, range(ground.lanes))))


def _in_lane(ground: Ground, name: str, number: int) -> list[Row]:
    """What breaks off is a row, too: the other flows go on."""
    lane, rows = Lane(ground, f"{name}-{number}", number), []
    lane.daemon.start()
    try:
        for row in FLOWS[name](lane):
            rows.append(row)
            print(" | ".join(row.cells()), flush=True)
    except Exception:
        traceback.print_exc()
        print(lane.daemon.tail(), file=sys.stderr)
        rows.append(Row(name, ("all", None, "that follow"), f"WRONG: broken off, see {lane.daemon.log}"))
    finally:
        lane.daemon.stop()
    return rows


def _print_table(rows: list[Row]) -> None:
    order = list(FLOWS)
    lines = [_HEADINGS, ("---",) * len(_HEADINGS)]
    lines += [row.cells() for row in sorted(rows, key=lambda row: order.index(row.flow.split()[0]))]
    print()
    for line in lines:
        print("| " + " | ".join(line) + " |")


if __name__ == "__main__":
    sys.exit(main())
