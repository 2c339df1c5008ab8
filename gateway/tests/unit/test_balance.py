import collections
import random

import pytest

from gateway.registry.balance import BALANCERS, round_robin, smooth_weighted


def choices(name: str, weights: dict[int, int], count: int) -> list[int]:
    numbers, state, made = random.Random(1), None, []
    for _ in range(count):
        chosen, state = BALANCERS[name](weights, state, numbers.random())
        made.append(chosen)
    return made


def random_weights(count: int = 30) -> list[dict[int, int]]:
    numbers = random.Random(7)
    return [
        {ordinal: numbers.randint(1, 100) for ordinal in numbers.sample(range(50), numbers.randint(1, 12))}
        for _ in range(count)
    ]


@pytest.mark.parametrize("weights", random_weights())
def test_smooth_weighted_is_exact_over_every_round(weights):
    whole = sum(weights.values())
    counted = collections.Counter(choices("WRR", weights, 3 * whole))
    assert counted == {ordinal: 3 * weight for ordinal, weight in weights.items()}


def test_smooth_weighted_does_not_clump():
    assert choices("WRR", {0: 5, 1: 1, 2: 1}, 7) == [0, 0, 1, 0, 2, 0, 0]  # as nginx's own example


@pytest.mark.parametrize(("name", "weighted"), [("RR", False), ("RND", False), ("WRR", True), ("WRND", True)])
def test_shares_are_within_two_percent(name, weighted):
    weights = {0: 1, 3: 2, 7: 5}
    counted = collections.Counter(choices(name, weights, 10_000))
    total = sum(weights.values())
    for ordinal, weight in weights.items():
        share = weight / total if weighted else 1 / len(weights)
        assert counted[ordinal] / 10_000 == pytest.approx(share, abs=0.02)


def test_round_robin_goes_on_when_some_leave_and_come():
    made, state = [], None
    for weights in ({0: 1, 1: 1, 2: 1}, {0: 1, 1: 1, 2: 1}, {0: 1, 2: 1}, {0: 1, 2: 1, 3: 1}, {0: 1, 1: 1}):
        chosen, state = round_robin(weights, state, 0.0)
        made.append(chosen)
    assert made == [0, 1, 2, 3, 0]


def test_smooth_weighted_forgets_those_that_left():
    _, state = smooth_weighted({0: 1, 1: 1000}, None, 0.0)
    chosen, state = smooth_weighted({0: 1}, state, 0.0)
    assert (chosen, set(state)) == (0, {0})


@pytest.mark.parametrize("name", sorted(BALANCERS))
@pytest.mark.parametrize("draw", [0.0, 0.5, 1 - 2**-53])
def test_any_draw_finds_one(name, draw):
    assert BALANCERS[name]({4: 3}, None, draw)[0] == 4
    assert BALANCERS[name]({4: 3, 9: 1}, None, draw)[0] in (4, 9)
