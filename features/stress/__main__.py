"""Has 200 services made and deleted by 16 clients while the gateway is killed: `make broker-stress`.

Half through /osb/v2, half through /v1/services, on real MariaDB, PostgreSQL and Redis. Each client logs in to
what it was given. One service in seven stays; then the servers must have these and nothing else, and nothing
once they are deleted, too. Exits with 1 otherwise.
"""

import argparse
import concurrent.futures
import contextlib
import pathlib
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

from harness import databases
from stress.clients import OfThePlatform, OfTheProject, Trouble
from stress.ground import Ground

_KEPT = 7  # one in so many


class Run:
    def __init__(self, ground: Ground, count: int, clients: int, kills: int):
        self._ground, self._count, self._clients = ground, count, clients
        self._kill_at = [2 * count * (number + 1) // (kills + 1) for number in range(kills)]
        self._lock = threading.Lock()
        self._done = 0  # provisions and deprovisions
        self.killed = 0
        self.trouble = Trouble()
        self.laps: dict[tuple[str, str, str], list[float]] = {}  # seconds, by front, type and what

    def go(self) -> None:
        with concurrent.futures.ThreadPoolExecutor(self._clients) as pool:
            for future in [pool.submit(self._one, number) for number in range(self._count)]:
                future.result()

    def _one(self, number: int) -> None:
        ground, type = self._ground, list(self._ground.servers)[number // 2 % 3]
        kind = OfThePlatform if number % 2 else OfTheProject
        caller = ground.platform if number % 2 else ground.client
        one = kind(caller, self.trouble, str(number), type)
        with self._timed(one.front, type, "provision"):
            credentials = one.provision()
        with databases.client(credentials) as client:
            client.write("here")
            assert client.read() == ["here"], number
        if number % _KEPT:
            with self._timed(one.front, type, "deprovision"):
                one.deprovision()

    @contextlib.contextmanager
    def _timed(self, front: str, type: str, what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        with self._lock:
            self.laps.setdefault((front, type, what), []).append(time.monotonic() - began)
            self._done += 1
            if self._kill_at and self._done >= self._kill_at[0]:
                self._kill_at.pop(0)
                self._ground.gateway.kill()  # the others' calls break off, and theirs that follow
                self.killed += 1
                time.sleep(1)
                self._ground.gateway.start()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=200)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--kills", type=int, default=2)
    asked = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gateway-stress-"))
    with contextlib.ExitStack() as ends:
        ground = Ground(folder, ends)
        run, began = Run(ground, asked.services, asked.clients, asked.kills), time.monotonic()
        run.go()
        took = time.monotonic() - began
        _print_laps(run)
        good = [_compared(ground, "one in seven kept")]
        for name in [each["name"] for each in _listed(ground)]:
            run.trouble.until(name, lambda name=name: _deleted(ground, name))
        good.append(_compared(ground, "all deleted"))
    met = ", ".join(f"{what} ({count} times)" for what, count in sorted(run.trouble.met.items())) or "nothing"
    print(f"\n{asked.services} services, {asked.clients} clients, {run.killed} kills, {took:.0f} s")
    print(f"met: {met}")
    return 0 if all(good) and run.killed == asked.kills else 1


def _listed(ground: Ground) -> list[dict]:
    return ground.client.call("a member", "GET", "/v1/services?limit=1000").json()["services"]


def _deleted(ground: Ground, name: str) -> bool:
    return ground.client.call("a member", "DELETE", f"/v1/services/{name}").status_code in (204, 404)


def _print_laps(run: Run) -> None:
    print(f"{'':14}{'':12}{'':13}{'count':>6}{'median s':>10}{'most s':>8}")
    for (front, type, what), laps in sorted(run.laps.items()):
        print(f"{front:14}{type:12}{what:13}{len(laps):6}{statistics.median(laps):10.2f}{max(laps):8.2f}")


def _compared(ground: Ground, when: str) -> bool:
    services, (made, logins) = ground.services(), ground.on_the_servers()
    wanted = {(type, service) for type, service, _ in services}
    is_good = made == wanted and logins == services
    print(f"\n{when}: {'exact' if is_good else 'WRONG'}")
    print(f"{'':12}{'services':>9}{'on the server':>14}{'bindings':>9}{'logins':>7}")
    for type in ground.servers:
        sizes = [sum(each[0] == type for each in group) for group in (wanted, made, services, logins)]
        print(f"{type:12}{sizes[0]:9}{sizes[1]:14}{sizes[2]:9}{sizes[3]:7}")
    for each in sorted(made ^ wanted) + sorted(logins ^ services):
        print("  not on both sides:", *each)
    return is_good


if __name__ == "__main__":
    sys.exit(main())
