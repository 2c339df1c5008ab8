"""Which of several instances is next. Pure but for the turns that ``Turns`` remembers.

Candidates are those that may be chosen, by ordinal, with weights above 0. Draws are in [0, 1).
"""

import bisect
import functools
import hashlib
import heapq
import itertools
import math
from collections.abc import Callable, Mapping

#: Round robin, random, both by weight too, least latency, rendezvous hash of a key.
BALANCERS = ("RR", "RND", "WRR", "WRND", "LL", "HASH")

_ABOUT_AS_QUICK = 1.1, 0.001  # times the least latency, and seconds more


class Candidates:
    """What is worked out from the weights once is kept with them."""

    def __init__(self, weights: Mapping[int, int]):
        self.weights = weights

    @functools.cached_property
    def ordinals(self) -> list[int]:
        return sorted(self.weights)

    @functools.cached_property
    def sums(self) -> list[int]:
        """Of the weights up to each of ``ordinals``."""
        return list(itertools.accumulate(self.weights[ordinal] for ordinal in self.ordinals))

    @functools.cached_property
    def alike(self) -> "Candidates":
        """With the same weight for each."""
        return Candidates(dict.fromkeys(self.weights, 1))


class Turns:
    """Smooth weighted round robin, as earliest deadline first: each comes up once in 1/weight, so that its
    share is exact to one turn and its turns lie evenly, at the cost of a heap's root.

    Everyone starts at a random point of his own first period: processes that balance the same instances, each
    by itself, do not begin with the same ones. Who stays keeps his place when others come and go. Not for
    several threads at once.
    """

    def __init__(self, draw: Callable[[], float]):
        self._draw = draw
        self._candidates: Candidates | None = None
        self._heap: list[tuple[float, int, int]] = []  # deadline, ordinal, weight
        self._now = 0.0

    def next(self, candidates: Candidates) -> int:
        if candidates is not self._candidates:
            self._follow(candidates)
        deadline, ordinal, weight = self._heap[0]
        heapq.heapreplace(self._heap, (deadline + 1 / weight, ordinal, weight))
        self._now = deadline
        return ordinal

    def _follow(self, candidates: Candidates) -> None:
        weights = candidates.weights
        stay = [turn for turn in self._heap if weights.get(turn[1]) == turn[2]]
        known = {ordinal for _, ordinal, _ in stay}
        come = [
            (self._now + self._draw() / weight, ordinal, weight)
            for ordinal, weight in weights.items()
            if ordinal not in known
        ]
        self._heap = stay + come
        heapq.heapify(self._heap)
        self._candidates = candidates


def random(candidates: Candidates, draw: float) -> int:
    return candidates.ordinals[int(draw * len(candidates.ordinals))]


def weighted_random(candidates: Candidates, draw: float) -> int:
    point = draw * candidates.sums[-1]
    found = bisect.bisect_right(candidates.sums, point)
    return candidates.ordinals[min(found, len(candidates.ordinals) - 1)]  # rounding may reach the very end


def least_latency(candidates: Candidates, latencies: Mapping[int, float], draw: float) -> int:
    """``latencies``: seconds by ordinal; who has none comes last."""
    seconds = {ordinal: latencies.get(ordinal, math.inf) for ordinal in candidates.weights}
    times, more = _ABOUT_AS_QUICK
    enough = min(seconds.values()) * times + more
    quick = {ordinal: candidates.weights[ordinal] for ordinal, each in seconds.items() if each <= enough}
    return weighted_random(Candidates(quick), draw)


def rendezvous(candidates: Candidates, key: str) -> int:
    """The highest score of all (Thaler and Ravishankar, weighted as by Schindelhauer and Schomaker)."""

    def score(ordinal: int) -> float:
        digest = hashlib.blake2b(f"{ordinal} {key}".encode(), digest_size=8).digest()
        point = (int.from_bytes(digest) + 1) / (2**64 + 2)  # between 0 and 1
        return -candidates.weights[ordinal] / math.log(point)

    return max(candidates.ordinals, key=score)
