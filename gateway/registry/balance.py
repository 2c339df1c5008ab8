"""Which of several instances is next. Pure: a choice depends on the weights, the state and the draw alone.

``weights`` are the candidates: ordinal → weight, above 0. ``state`` is what the last choice of this type
returned, None at first; ``draw`` is a random number in [0, 1). The state is the caller's to keep: every
process balances by itself, and shares stay right however the calls are spread over them.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

State = Any
Choice = tuple[int, State]
Balancer = Callable[[Mapping[int, int], State, float], Choice]


def round_robin(weights: Mapping[int, int], state: int | None, draw: float) -> Choice:
    """One after the other in the order of the ordinals, whoever comes or goes."""
    following = [ordinal for ordinal in weights if state is not None and ordinal > state]
    chosen = min(following or weights)
    return chosen, chosen


def smooth_weighted(weights: Mapping[int, int], state: Mapping[int, int] | None, draw: float) -> Choice:
    """nginx's smooth weighted round robin: exact shares over ``sum(weights)`` choices, never in clumps."""
    current = {ordinal: (state or {}).get(ordinal, 0) + weight for ordinal, weight in weights.items()}
    chosen = max(current, key=current.__getitem__)
    current[chosen] -= sum(weights.values())
    return chosen, current


def random(weights: Mapping[int, int], state: None, draw: float) -> Choice:
    return sorted(weights)[int(draw * len(weights))], None


def weighted_random(weights: Mapping[int, int], state: None, draw: float) -> Choice:
    ordinals = sorted(weights)
    point = draw * sum(weights.values())
    sums = itertools.accumulate(weights[ordinal] for ordinal in ordinals)
    reached = (ordinal for ordinal, total in zip(ordinals, sums, strict=True) if point < total)
    return next(reached, ordinals[-1]), None  # the last, where rounding went up to the very end


#: By the names of ``[registry] balancer``.
BALANCERS: Mapping[str, Balancer] = {
    "RR": round_robin,
    "RND": random,
    "WRR": smooth_weighted,
    "WRND": weighted_random,
}
