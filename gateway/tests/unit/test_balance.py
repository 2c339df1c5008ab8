import collections
import itertools
import random

import pytest

from gateway.registry import balance
from gateway.registry.balance import Candidates, Turns


def turns(weights: dict[int, int], count: int, seed: int = 1) -> list[int]:
    made, candidates = Turns(random.Random(seed).random), Candidates(weights)
    return [made.next(candidates) for _ in range(count)]


def random_weights(count: int = 30) -> list[dict[int, int]]:
    numbers = random.Random(7)
    return [
        {ordinal: numbers.randint(1, 100) for ordinal in numbers.sample(range(50), numbers.randint(1, 12))}
        for _ in range(count)
    ]


@pytest.mark.parametrize("weights", random_weights())
def test_turns_are_exact_to_one_or_two_over_every_round(weights):
    whole = sum(weights.values())
    counted = collections.Counter(turns(weights, 3 * whole))
    assert all(abs(counted[ordinal] - 3 * weight) <= 2 for ordinal, weight in weights.items())


@pytest.mark.parametrize("seed", range(20))
def test_turns_lie_evenly(seed):
    made = turns({0: 5, 1: 1, 2: 1}, 700, seed)
    for ordinal, period in ((1, 7), (2, 7)):
        places = [place for place, each in enumerate(made) if each == ordinal]
        assert all(abs(b - a - period) <= 2 for a, b in itertools.pairwise(places))
    runs = [len(list(run)) for each, run in itertools.groupby(made) if each == 0]
    assert max(runs) <= 6


def test_processes_do_not_begin_with_the_same_ones():
    """Two processes, one call each, 400 times: were both to begin with the first, it would have them all."""
    first = collections.Counter(turns({0: 1, 1: 1, 2: 1, 3: 1}, 1, seed)[0] for seed in range(400))
    assert all(70 <= first[ordinal] <= 130 for ordinal in range(4))


@pytest.mark.parametrize("processes", [1, 2, 7])
def test_shares_are_right_however_the_calls_are_spread(processes):
    weights = {0: 1, 3: 2, 7: 5, 9: 12}
    numbers, candidates = random.Random(5), Candidates(weights)
    each = [Turns(random.Random(seed).random) for seed in range(processes)]
    counted = collections.Counter(numbers.choice(each).next(candidates) for _ in range(10_000))
    for ordinal, weight in weights.items():
        assert counted[ordinal] / 10_000 == pytest.approx(weight / 20, rel=0.02)


def test_who_stays_keeps_his_place_when_others_come_and_go():
    numbers = random.Random(3)
    made, counted = Turns(numbers.random), collections.Counter()
    for round_ in range(3000):
        weights = {0: 1, 1: 3} | ({2 + round_ % 5: 2} if round_ % 2 else {})
        counted[made.next(Candidates(weights))] += 1
    assert counted[1] / counted[0] == pytest.approx(3, rel=0.02)


def test_who_has_another_weight_has_another_share():
    made = Turns(random.Random(1).random)
    for weights in ({0: 1, 1: 1}, {0: 1, 1: 4}, {0: 2, 1: 1}):
        candidates = Candidates(weights)
        counted = collections.Counter(made.next(candidates) for _ in range(3000))
        assert counted[1] / 3000 == pytest.approx(weights[1] / sum(weights.values()), abs=0.01)


@pytest.mark.parametrize(
    ("choose", "weighted"), [(balance.random, False), (balance.weighted_random, True)], ids=str
)
def test_draws(choose, weighted):
    numbers, weights = random.Random(1), {0: 1, 3: 2, 7: 5}
    counted = collections.Counter(choose(Candidates(weights), numbers.random()) for _ in range(10_000))
    for ordinal, weight in weights.items():
        share = weight / 8 if weighted else 1 / 3
        assert counted[ordinal] / 10_000 == pytest.approx(share, abs=0.02)
    for draw in (0.0, 0.5, 1 - 2**-53):
        assert choose(Candidates({4: 3}), draw) == 4
        assert choose(Candidates({4: 3, 9: 1}), draw) in (4, 9)


@pytest.mark.parametrize(
    ("latencies", "those"),
    [
        ({}, {0, 1, 2}),  # nothing is known: all alike
        ({0: 0.2, 1: 0.03, 2: 0.5}, {1}),
        ({0: 0.2}, {0}),  # who is not known comes last
        ({0: 0.2, 1: 0.21, 2: 0.3}, {0, 1}),
        ({0: 0.0005, 1: 0.001, 2: 0.003}, {0, 1}),
    ],
)
def test_least_latency(latencies, those):
    numbers, candidates = random.Random(1), Candidates({0: 1, 1: 5, 2: 1})
    chosen = {balance.least_latency(candidates, latencies, numbers.random()) for _ in range(200)}
    assert chosen == those


KEYS = [f"user-{number}" for number in range(4000)]


def test_a_key_stays_with_its_instance():
    weights = {0: 1, 1: 2, 4: 1}
    first = {key: balance.rendezvous(Candidates(weights), key) for key in KEYS}
    assert first == {key: balance.rendezvous(Candidates(weights), key) for key in KEYS}
    counted = collections.Counter(first.values())
    for ordinal, weight in weights.items():
        assert counted[ordinal] / len(KEYS) == pytest.approx(weight / 4, abs=0.03)
    more = {key: balance.rendezvous(Candidates({**weights, 5: 4}), key) for key in KEYS}
    assert {more[key] for key in KEYS if more[key] != first[key]} == {5}  # keys move to the new one alone
    fewer = {key: balance.rendezvous(Candidates({0: 1, 1: 2}), key) for key in KEYS}
    assert all(fewer[key] == first[key] for key in KEYS if first[key] != 4)
