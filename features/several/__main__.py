"""Kills, freezes and cuts off the gateway's processes on several hosts, one after the other: `make several`.

    python -m several [--watched N] [--of apis,monitors] [--database mysql] [--coordinator redis]

Prints what became of it as tables, and exits with 1 where a row is wrong. It must be root, in namespaces of
its own (network, mount, process), as make starts it.
"""

import argparse
import contextlib
import pathlib
import sys
import tempfile

from several.apis import Apis
from several.ground import Ground
from several.monitors import Monitors

_PARTS = {"apis": Apis, "monitors": Monitors}


def _line(cells) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--watched", type=int, default=120, help="services that are checked")
    parser.add_argument("--of", default=",".join(_PARTS), help="the roles that meet faults")
    parser.add_argument("--database", choices=("postgresql", "mysql"), default="postgresql")
    parser.add_argument("--coordinator", choices=("etcd3", "redis"), default="etcd3")
    asked = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gateway-several-"))
    print(f"everything is in {folder}", flush=True)
    good = True
    with contextlib.ExitStack() as ends:
        ground = Ground(folder, ends, asked.watched, asked.database, asked.coordinator)
        for name in asked.of.split(","):
            print()
            for number, row in enumerate(_PARTS[name](ground).rows()):
                if number == 0:
                    print(_line(row.HEAD), _line("---" for _ in row.HEAD), sep="\n")
                print(_line(row.cells()), flush=True)
                good = good and row.good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
