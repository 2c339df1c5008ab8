"""The best instance: who may be it, whose turn it is in this process, and why the others are not."""

import collections
import dataclasses
import functools
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from gateway import errors
from gateway.registry import balance
from gateway.registry.balance import Candidates, Turns
from gateway.registry.model import Instance, Status
from gateway.registry.query import Query, is_version
from gateway.registry.snapshot import ServiceType

_MOST_POOLS = 10_000  # types and searches within them whose turns are remembered
_LATENCIES_FOR = 1.0  # seconds; checks are made more seldom

#: Seconds by ordinal, of a project's type.
Latencies = Callable[[str, str], Mapping[int, float]]


@dataclasses.dataclass(frozen=True)
class Asked:
    """How the best is to be chosen. ``balancer``: one of ``balance.BALANCERS``; None: the registry's own, or
    HASH where there is a ``key``. Raises Invalid for a balancer and a key that do not go together, and for
    what ``Query`` refuses."""

    balancer: str | None = None
    key: str | None = None
    version: str | None = None
    tag: str | None = None

    def __post_init__(self):
        if self.balancer == "HASH" and self.key is None:
            raise errors.Invalid("gateway.registry.key", "key: the balancer HASH needs one.", field="key")
        if self.key is not None and self.balancer not in (None, "HASH"):
            raise errors.Invalid(
                "gateway.registry.key",
                f"key: the balancer {self.balancer} takes none, only HASH.",
                field="key",
            )
        self.query  # noqa: B018 (raises)

    @functools.cached_property
    def query(self) -> Query:
        return Query(version=self.version, tag=self.tag)


ANY = Asked()


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Why an instance was chosen or not."""

    instance: Instance
    won: bool
    why: str


class NonePassing(errors.Unavailable):
    """There are instances, and ``verdicts`` say why none of them is the best."""

    def __init__(self, *args, verdicts: Sequence[Verdict], **kwargs):
        super().__init__(*args, **kwargs)
        self.verdicts = verdicts


def none_passing(type: str, asked: Asked, verdicts: Sequence[Verdict]) -> errors.GatewayError:
    """NonePassing, or NotFound where none has what is asked for."""
    wanted = [verdict.instance for verdict in verdicts if asked.query.matches(verdict.instance)]
    if not wanted:
        return errors.NotFound(
            "gateway.registry.none_matching",
            f"No instance of {type!r} has the version and the tag that are asked for.",
        )
    statuses = ", ".join(f"{instance.name} {instance.health.status}" for instance in wanted[:10])
    return NonePassing(
        "gateway.registry.none_passing",
        f"No instance of {type!r} is passing with a weight above 0 ({statuses}).",
        retry_after=max(1, round(min(instance.check.interval for instance in wanted))),
        verdicts=verdicts,
    )


class _Pool:
    """The candidates of one type, or of one search within it, as long as they stay the same; and their turns,
    which go on when they change."""

    def __init__(self):
        self.service_type: ServiceType | None = None
        self.candidates = Candidates({})
        self.turns = {name: Turns(random.random) for name in ("RR", "WRR")}  # (spreads load, guards nothing)

    def follow(self, service_type: ServiceType, query: Query) -> None:
        if service_type is not self.service_type:
            self.service_type = service_type
            self.candidates = Candidates(matching(service_type, query))


def matching(service_type: ServiceType, query: Query) -> Mapping[int, int]:
    """The weights of those that may be the best now and match. Where none is in service, one that fails its
    check, but not often enough to be critical, is better than none."""
    instances, weights = service_type.instances, service_type.weights
    if query != Query():
        weights = {o: weight for o, weight in weights.items() if query.matches(instances[o])}
    return weights or {
        o: each.weight for o, each in instances.items() if _is_shaky(each) and query.matches(each)
    }


def _is_shaky(instance: Instance) -> bool:
    health = instance.health
    return health.status is Status.WARNING and health.streak < 0 and instance.weight > 0


class Chooser:
    """One for each process; threads share it. Shares stay right however the calls are spread over processes:
    each process keeps them for itself."""

    def __init__(self, balancer: str, latencies: Latencies):
        self._balancer = balancer
        self._latencies = latencies
        self._known_latencies: dict[tuple[str, str], tuple[float, Mapping[int, float]]] = {}
        self._pools: collections.OrderedDict[tuple, _Pool] = collections.OrderedDict()
        self._lock = threading.Lock()

    def choose(self, place: tuple[str, str], service_type: ServiceType, asked: Asked) -> Instance | None:
        """Of the type at ``place`` (project, type); None when there is no candidate. With LL it may read the
        database, once a second for each type."""
        balancer = self._named(asked)
        latencies = self._fresh_latencies(place) if balancer == "LL" else {}
        with self._lock:
            pool = self._pool((*place, asked.version, asked.tag))
            pool.follow(service_type, asked.query)
            if not pool.candidates.weights:
                return None
            ordinal = _next(balancer, pool, asked.key, latencies)
        return service_type.instances[ordinal]

    def explain(
        self, place: tuple[str, str], service_type: ServiceType, asked: Asked, best: Instance | None
    ) -> list[Verdict]:
        """What became of each instance when ``best`` was chosen."""
        balancer = self._named(asked)
        latencies = self._fresh_latencies(place) if balancer == "LL" else {}
        fit = matching(service_type, asked.query)
        whole = sum(fit.values())
        return [
            Verdict(
                instance,
                instance is best,
                _turn(instance, best, balancer, latencies, whole)
                if ordinal in fit
                else _unfit(instance, asked),
            )
            for ordinal, instance in service_type.instances.items()
        ]

    def _named(self, asked: Asked) -> str:
        return asked.balancer or ("HASH" if asked.key is not None else self._balancer)

    def _pool(self, name: tuple) -> _Pool:
        pool = self._pools.get(name)
        if pool is None:
            pool = self._pools[name] = _Pool()
            if len(self._pools) > _MOST_POOLS:
                self._pools.popitem(last=False)
        return pool

    def _fresh_latencies(self, place: tuple[str, str]) -> Mapping[int, float]:
        read_at, latencies = self._known_latencies.get(place, (0.0, {}))
        if time.monotonic() - read_at >= _LATENCIES_FOR:
            latencies = self._latencies(*place)
            self._known_latencies[place] = time.monotonic(), latencies
        return latencies


def _next(balancer: str, pool: _Pool, key: str | None, latencies: Mapping[int, float]) -> int:
    candidates = pool.candidates
    if balancer == "WRR":
        return pool.turns["WRR"].next(candidates)
    draw = random.random()  # noqa: S311 (chooses a server, not a secret)
    match balancer:
        case "RR":
            return pool.turns["RR"].next(candidates.alike)
        case "RND":
            return balance.random(candidates, draw)
        case "WRND":
            return balance.weighted_random(candidates, draw)
        case "LL":
            return balance.least_latency(candidates, latencies, draw)
        case _:
            return balance.rendezvous(candidates, key)


def _unfit(instance: Instance, asked: Asked) -> str:
    """Why it could not be the best."""
    health = instance.health
    if asked.version is not None and not is_version(instance.version, asked.version):
        return f"filter: its version is {instance.version or 'none'}, not {asked.version}"
    if asked.tag is not None and asked.tag not in instance.tags:
        return f"filter: it has no tag {asked.tag}"
    if health.status is Status.MAINTENANCE:
        return f"status: in maintenance{instance.reason and f' ({instance.reason})'}"
    if not instance.is_in_service:
        return f"status: {health.status} ({health.output})"
    return "weight: 0, it is being drained"


def _turn(
    instance: Instance,
    best: Instance | None,
    balancer: str,
    latencies: Mapping[int, float],
    whole: int,
) -> str:
    """What decided among those that could be it."""
    won = instance is best
    share = f"its weight is {instance.weight} of {whole}{_held(instance)}"
    match balancer:
        case "LL":
            seconds = latencies.get(instance.ordinal)
            known = "not known yet" if seconds is None else f"{seconds * 1000:.1f} ms"
            return f"latency: {known}; {share}"
        case "HASH":
            return f"hash: {'first' if won else 'another is first'} for this key; {share}"
        case "RND" | "WRND":
            return f"draw: {'it was drawn' if won else 'another was drawn'}; {share}"
        case _:
            return f"turn: {'it was its turn' if won else 'it was the turn of another'}; {share}"


def _held(instance: Instance) -> str:
    health = instance.health
    if not health.held:
        return ""
    return f"; held: it is {health.status} ({health.output}), as too many are at once for it to be believed"
