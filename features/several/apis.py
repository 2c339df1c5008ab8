"""What becomes of registrations when an API is killed, frozen or cut off: one row a fault."""

import dataclasses
import itertools
import threading
import time
from collections.abc import Callable

from several.ground import Ground
from several.hosts import Host

LIMIT = 15.0  # seconds without an acknowledgement, at most
_FOR = 6.0  # seconds of the fault, and after it
TYPE = "written"


@dataclasses.dataclass
class Row:
    fault: str
    acknowledged: int
    lost: int
    longest_gap: float

    HEAD = ("an API is", "acknowledged", "of them lost", "longest without one", "")

    @property
    def good(self) -> bool:
        return self.acknowledged > 0 and not self.lost and self.longest_gap <= LIMIT

    def cells(self) -> list[str]:
        verdict = "ok" if self.good else "WRONG"
        return [self.fault, str(self.acknowledged), str(self.lost), f"{self.longest_gap:.1f} s", verdict]


class Writer(threading.Thread):
    """Registers one service after the other through HAProxy, each until it is acknowledged."""

    def __init__(self, ground: Ground, first: int):
        super().__init__(daemon=True)
        self._ground, self._first = ground, first
        self.acknowledged: list[tuple[float, int]] = []
        self._ending = threading.Event()

    def run(self) -> None:
        port = self._first
        while not self._ending.is_set():
            try:
                answer = self._ground.register(TYPE, port, check={"kind": "ttl", "interval": 3600})
            except OSError:
                continue
            if answer.status_code in (201, 409):  # 409: it was stored, and the answer did not arrive
                self.acknowledged.append((time.monotonic(), port))
                port += 1
            time.sleep(0.02)

    def stop(self) -> None:
        self._ending.set()
        self.join(30)


class Apis:
    def __init__(self, ground: Ground):
        self._ground = ground
        self._next = 1

    def row(self, fault: str, break_: Callable, mend: Callable) -> Row:
        writer, began = Writer(self._ground, self._next), time.monotonic()
        writer.start()
        for act in (lambda: None, break_, mend):
            act()
            time.sleep(_FOR)
        writer.stop()
        ports = [port for _, port in writer.acknowledged]
        self._next = max(ports, default=self._next) + 2
        times = [began, *(at for at, _ in writer.acknowledged), time.monotonic()]
        gap = max(b - a for a, b in itertools.pairwise(times))
        lost = set(ports) - self._ground.registered(TYPE).keys()
        return Row(fault, len(ports), len(lost), gap)

    def rows(self):
        first, second = self._ground.apis
        yield self.row("killed (-9), started again", first.kill, lambda: self._ground.start(first))
        yield self.row("frozen (SIGSTOP), goes on", second.freeze, second.thaw)
        yield self._cut(first)

    def _cut(self, host: Host) -> Row:
        ports = self._ground.ports("the database")
        return self.row("cut off from the database", lambda: host.cut(*ports), host.heal)
