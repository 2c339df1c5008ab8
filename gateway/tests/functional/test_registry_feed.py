"""Random registers, updates, readings and removals in several processes on one database: who follows the feed
knows the state at all times, and sees each change once, in the order of the commits.

It runs on SQLite, or where GATEWAY_TEST_DATABASE says.
"""

import dataclasses
import itertools
import multiprocessing
import pathlib
import threading
import time
import uuid

import hypothesis
import pytest
from hypothesis import strategies

from gateway import errors
from gateway.db import Database, schema
from gateway.registry.changes import Feed, Page
from gateway.registry.model import Change, Key, Reading, Registration
from gateway.registry.query import Query
from gateway.registry.registry import Registry
from gateway.registry.snapshot import Snapshot
from gateway.registry.store import RegistryStore
from gateway.tests import registered

_PROCESSES = 3
_EVERYTHING = 100_000
_ports = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class Done:
    """A change that its process has seen committed: with ``index``, some time between the two (monotonic)."""

    began: float
    ended: float
    index: int


# What the processes do: (name, type, number)

_TYPES = strategies.sampled_from(["mail", "web-app"])
_DOING = strategies.tuples(
    strategies.sampled_from(["register", "register", "register", "weigh", "pass", "fail", "remove"]),
    _TYPES,
    strategies.integers(0, 5),
)
_PLANS = strategies.lists(
    strategies.lists(_DOING, min_size=1, max_size=12), min_size=_PROCESSES, max_size=_PROCESSES
)


def _work(state_path: str, pipe) -> None:
    """A process: does what it is sent, until it is sent None."""
    registry = registered.registry(registered.configuration(pathlib.Path(state_path)))
    pipe.send(None)
    for plan in iter(pipe.recv, None):
        project_id, number, doings = plan
        done = [_timed(registry, project_id, number, doing) for doing in doings]
        pipe.send([each for each in done if each is not None])


def _timed(registry: Registry, project_id: str, process: int, doing: tuple) -> Done | None:
    began = time.monotonic()
    index = _do(registry, project_id, process, *doing)
    return Done(began, time.monotonic(), index) if index else None


def _do(registry: Registry, project_id: str, process: int, name: str, type_: str, number: int) -> int | None:
    """The index of what it changed, where the registry tells it."""
    if name == "register":
        wanted = Registration(type_, "http", f"192.0.2.{process + 1}", next(_ports))
        return registry.register(project_id, wanted, verify=False).index
    known = registry.find(project_id, Query(type=type_))
    if not known:
        return None
    key = known[number % len(known)].key
    if name == "remove":
        return registry.deregister(*key)
    if name == "weigh":
        return _weigh(registry, key, number)
    registered.record(registry, key, Reading(name == "pass", f"{name} {number}", time.time()))
    return None


def _weigh(registry: Registry, key: Key, weight: int) -> int | None:
    try:
        instance, is_another = registry.update(
            *key, lambda before: dataclasses.replace(before, weight=weight)
        )
    except errors.NotFound:  # removed by another process meanwhile
        return None
    return instance.index if is_another else None


# Who follows


class _Follower(threading.Thread):
    """Follows the feed from ``index`` while others write, and notes what it is told."""

    def __init__(self, feed: Feed, project_id: str, index: int):
        super().__init__()
        self._feed = feed
        self._interest = (project_id, None)
        self._over = threading.Event()
        self.pages: list[Page] = []
        self.index = index

    def run(self) -> None:
        while not self._over.is_set():
            self.follow()
            time.sleep(0.001)

    def follow(self) -> None:
        self._feed.refresh()
        page = self._feed.after(self._interest, self.index, limit=3)
        self.index = page.index
        if page.changes:
            self.pages.append(page)

    def finish(self) -> list[tuple]:
        """Everything that it was told."""
        self._over.set()
        self.join()
        last = self._feed.refresh()
        while self.index < last:
            self.follow()
        return [change for page in self.pages for change in page.changes]


def _replayed(told: list[tuple]) -> dict[Key, object]:
    """What is registered, to who believes what he is told."""
    state: dict[Key, object] = {}
    for entry, instance in told:
        known = entry.key in state
        assert known == (entry.change is not Change.CREATED), f"{entry} while it is {known} that it is there"
        if entry.change is Change.REMOVED:
            del state[entry.key]
        else:
            state[entry.key] = instance
    return state


@pytest.fixture(scope="module")
def conf(tmp_path_factory):
    return registered.configuration(tmp_path_factory.mktemp("feed"))


@pytest.fixture(scope="module")
def store(conf):
    database = Database(conf)
    schema.upgrade(database)
    return RegistryStore(database)


def _fresh_feed(store: RegistryStore) -> tuple[Feed, int]:
    """As a process has it that has just begun, and the index it begins at."""
    feed = Feed(store, Snapshot(store, 0.0))
    return feed, feed.refresh()


@pytest.fixture(scope="module")
def processes(conf, store):
    """Pipes to the processes: a plan goes in, what was done comes out."""
    context = multiprocessing.get_context("spawn")
    started = []
    for _ in range(_PROCESSES):
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(conf.state_path, theirs), daemon=True)
        process.start()
        started.append((process, ours))
    for _, pipe in started:
        assert pipe.poll(60), "a process did not start"
        pipe.recv()
    yield [pipe for _, pipe in started]
    for process, pipe in started:
        pipe.send(None)
        process.join(10)


@hypothesis.settings(max_examples=20, deadline=None, database=None, derandomize=True)
@hypothesis.given(plans=_PLANS)
def test_the_feed_replayed_is_the_state_and_its_order_that_of_the_commits(store, processes, plans):
    project_id = uuid.uuid4().hex
    feed, start = _fresh_feed(store)
    follower = _Follower(feed, project_id, start)
    follower.start()
    for number, (pipe, plan) in enumerate(zip(processes, plans, strict=True)):
        pipe.send((project_id, number, plan))
    done = []
    for pipe in processes:
        assert pipe.poll(60), "a process does not come to its end"
        done += pipe.recv()
    told = follower.finish()

    fresh, end = _fresh_feed(store)
    entries = [entry for entry, _ in told]
    assert [entry.index for entry in entries] == list(range(start + 1, end + 1))
    kept = fresh.after((project_id, None), start, _EVERYTHING)
    assert [entry for entry, _ in kept.changes] == entries
    _, instances = store.everything()
    assert _replayed(told) == {i.key: i for i in instances if i.project_id == project_id}
    assert {each.index for each in done} <= {entry.index for entry in entries}
    for one, other in itertools.permutations(done, 2):
        assert one.ended > other.began or one.index < other.index, f"{one} was over before {other}"
