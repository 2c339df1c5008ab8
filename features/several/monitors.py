"""What happens to the checks when a monitor is killed, frozen or cut off: one row a fault."""

import dataclasses
import threading
import time
from collections.abc import Callable

from several.ground import INTERVAL, Ground
from several.hosts import Host, until

LIMIT = 15.0  # seconds until all are checked by exactly one monitor again
_SEEN_WITHIN = LIMIT + 4 * INTERVAL  # seconds until a real death is written
_GIVE_UP = 60.0
_OUTAGE = 12.0  # seconds
_HELD = 8.0  # seconds that a fault goes on after the others have taken over
TYPE = "watched"


@dataclasses.dataclass
class Row:
    fault: str
    taken_over: float = 0.0
    longest_gap: float = 0.0
    death_seen: float = 0.0
    back: float = 0.0
    asked_by_two: int = 0
    false_alarms: int = 0

    HEAD = (
        "a monitor is", "all checked by one again", "longest unchecked", "a real death is told after",
        "has its share again after", "checked by two", "false alarms", "",
    )  # fmt: skip

    @property
    def good(self) -> bool:
        quick = max(self.taken_over, self.longest_gap) <= LIMIT and self.death_seen <= _SEEN_WITHIN
        return quick and not self.asked_by_two and not self.false_alarms

    def cells(self) -> list[str]:
        times = (self.taken_over, self.longest_gap, self.death_seen, self.back)  # 0: not looked at
        counts = (self.asked_by_two, self.false_alarms)
        return [
            self.fault, *(f"{each:.1f} s" if each else "" for each in times), *map(str, counts),
            "ok" if self.good else "WRONG",
        ]  # fmt: skip


class Feed(threading.Thread):
    """Follows the change feed: ``alarms`` are those whose status was told as anything but passing, when."""

    def __init__(self, ground: Ground):
        super().__init__(daemon=True)
        self._ground = ground
        self._index, _ = ground.changes(TYPE, None)
        self.alarms: list[tuple[float, int, str]] = []
        self.start()

    def run(self) -> None:
        while True:
            self._index, changes = self._ground.changes(TYPE, self._index)
            for each in changes:
                service = each["service"]
                if service and service["status"] != "passing":
                    self.alarms.append((time.monotonic(), int(service["port"]), service["status"]))
            time.sleep(0.1)


class Monitors:
    def __init__(self, ground: Ground):
        self._ground = ground
        for port in ground.watched.ports:
            answer = ground.register(TYPE, port, check={"interval": INTERVAL})
            assert answer.status_code == 201, answer.text
        self._addresses = {host.address: host for host in ground.monitors}
        self._feed = Feed(ground)
        until(lambda: self._shared_by(ground.monitors), _GIVE_UP, self._seen())

    def _asked(self, port: int, since: float, end: float = float("inf")) -> list[str]:
        asked = self._ground.watched.askers(port, since, end)
        return [address for address in asked if address in self._addresses]

    def _shared_by(self, wanted: list[Host]) -> bool:
        """Whether by now each is checked by exactly one, of these, and each of these checks some."""
        since = time.monotonic() - 1.5 * INTERVAL
        each = [set(self._asked(port, since)) for port in self._ground.watched.ports]
        return all(len(by) == 1 for by in each) and set().union(*each) == {host.address for host in wanted}

    def _seen(self) -> str:
        return "\n".join(f"== {host.name}\n{host.tail()}" for host in self._ground.monitors)

    def _own(self, host: Host) -> list[int]:
        since = time.monotonic() - 1.5 * INTERVAL
        ports = self._ground.watched.ports
        return [port for port in ports if host.address in self._asked(port, since)]

    def row(self, fault: str, victim: Host, break_: Callable, mend: Callable) -> Row:
        others = [host for host in self._ground.monitors if host is not victim]
        row, began, (dying, *_) = Row(fault), time.monotonic(), self._own(victim)
        alarms = len(self._feed.alarms)
        break_()
        self._ground.watched.dead.add(dying)
        row.taken_over = until(lambda: self._shared_by(others), _GIVE_UP, f"{fault}\n{self._seen()}")
        until(lambda: self._is_told(dying, "critical", alarms), _GIVE_UP, f"the death of {dying} is told")
        row.death_seen = time.monotonic() - began
        self._ground.watched.dead.discard(dying)
        row.asked_by_two += self._twice(_HELD)
        mend()
        self._end(row, began, alarms, dying)
        return row

    def _end(self, row: Row, began: float, alarms: int, dying: int | None) -> None:
        """What came of it since ``began``, once all have their shares again."""
        row.back = until(
            lambda: self._shared_by(self._ground.monitors), _GIVE_UP, f"{row.fault}, healed\n{self._seen()}"
        )
        row.asked_by_two += self._twice(2 * INTERVAL)
        row.longest_gap = self._ground.watched.longest_gap(began)
        row.false_alarms = sum(port != dying for _, port, _ in self._feed.alarms[alarms:])
        statuses = {port: each["status"] for port, each in self._ground.registered(TYPE).items()}
        row.false_alarms += sum(status != "passing" for status in statuses.values())
        row.false_alarms += len(self._ground.watched.ports) - len(statuses)

    def _is_told(self, port: int, status: str, after: int) -> bool:
        return any((p, s) == (port, status) for _, p, s in self._feed.alarms[after:])

    def _twice(self, seconds: float) -> int:
        """How many are asked by more than one monitor while nothing changes."""
        since = time.monotonic()
        time.sleep(seconds)
        return sum(len(set(self._asked(port, since))) > 1 for port in self._ground.watched.ports)

    def outage(self, what: str) -> Row:
        """All are cut off from it for a while, and nobody may take anything over."""
        row, began = Row(f"none is, all are cut off from {what}"), time.monotonic()
        alarms, ports = len(self._feed.alarms), self._ground.ports(what)
        for host in self._ground.monitors:
            host.cut(*ports)
        time.sleep(_OUTAGE)
        for host in self._ground.monitors:
            host.heal()
        self._end(row, began, alarms, dying=None)
        row.longest_gap -= _OUTAGE
        return row

    def rows(self):
        """Each fault meets another monitor."""
        hosts, again = self._ground.monitors, lambda: self._ground.start(hosts[0])
        yield self.row("killed (-9), started again", hosts[0], hosts[0].kill, again)
        yield self.row("frozen (SIGSTOP), goes on", hosts[1], hosts[1].freeze, hosts[1].thaw)
        for number, what in enumerate(("the coordinator", "the database", "both")):
            host = hosts[(2 + number) % 3]
            ports = self._ground.ports(what)
            yield self.row(f"cut off from {what}", host, lambda h=host, p=ports: h.cut(*p), host.heal)
        for what in ("the coordinator", "the database"):
            yield self.outage(what)
