"""The last readings of each instance, on a real database."""

import pytest

from gateway.db import Database, schema
from gateway.registry.model import Key, Reading
from gateway.registry.readings import KEPT, Readings
from gateway.tests.registered import configuration

ONE, OTHER = Key("p", "auth", 0), Key("p", "auth", 1)


@pytest.fixture
def database(tmp_path):
    made = Database(configuration(tmp_path))
    schema.upgrade(made)
    return made


@pytest.fixture
def readings(database):
    return Readings(database)


def at(time: float, ok: bool = True) -> Reading:
    return Reading(ok, f"at {time:g}", time, latency=time / 100)


def test_the_last_ones_are_kept(readings):
    readings.write([(ONE, at(n)) for n in range(4)])
    readings.write([(OTHER, at(7))])
    readings.write([(ONE, at(n)) for n in range(4, 25)])  # more at once than are kept
    assert readings.last(ONE, 0) == [at(n) for n in reversed(range(25 - KEPT, 25))]
    assert readings.last(OTHER, 0) == [at(7)]
    assert readings.last(ONE, 23) == [at(24), at(23)]


def test_another_process_goes_on_with_the_oldest(database, readings):
    readings.write([(ONE, at(n)) for n in range(13)])
    Readings(database).write([(ONE, at(13)), (ONE, at(14))])
    assert readings.last(ONE, 0) == [at(n) for n in reversed(range(5, 15))]


def test_what_is_gone_is_forgotten(readings):
    readings.write([(ONE, at(1)), (OTHER, at(1))])
    readings.beat(ONE, at(2))
    assert readings.known() == {ONE, OTHER}
    readings.forget([ONE])
    assert (readings.last(ONE, 0), readings.beats(0), readings.known()) == ([], [], {OTHER})


def test_the_mean_latency_of_those_that_passed(readings):
    readings.write([(ONE, at(1)), (ONE, at(3)), (ONE, at(90, ok=False)), (OTHER, at(5, ok=False))])
    assert readings.latencies("p", "auth") == {0: pytest.approx(0.02)}
    assert readings.latencies("q", "auth") == {}


def test_the_last_heartbeat_counts(readings):
    readings.beat(ONE, Reading(True, "well", 1.0))
    readings.beat(OTHER, Reading(True, "well", 2.0))
    readings.beat(ONE, Reading(False, "ill", 3.0))
    assert readings.beats(0) == [(OTHER, Reading(True, "well", 2.0)), (ONE, Reading(False, "ill", 3.0))]
    assert [key for key, _ in readings.beats(2.0)] == [ONE]
