"""What the monitor's readings make of the registry: statuses, what the brake holds, who is removed."""

import dataclasses
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set

from gateway.coordination import ALL, Share
from gateway.registry import brake
from gateway.registry.model import Health, Instance, Key, Kind, Reading, Status, judge
from gateway.registry.registry import Registry
from gateway.registry.snapshot import View

LOG = logging.getLogger(__name__)

Readings = Sequence[tuple[Key, Reading]]


@dataclasses.dataclass(frozen=True)
class Circumstances:
    """What is to be thought of when judging. ``resumed_at``: when the gateway itself last came back from an
    outage: until one whole interval and timeout later no failure counts. ``lost_at``: since when its probes
    do not reach their reference. ``certain``: instances whose server does not run, as Nova says. ``share``:
    of whom this monitor judges; ``alive``: whether that still is so."""

    resumed_at: float = 0.0
    lost_at: float | None = None
    certain: Set[Key] = frozenset()
    share: Share = ALL
    alive: Callable[[], bool] = lambda: True

    def counts(self, instance: Instance, reading: Reading) -> bool:
        """Neither of an earlier instance of that name, nor begun before its health was last told or changed,
        nor a failure that may be our own."""
        if reading.at - reading.latency < max(instance.created_at, instance.health.since):
            return False
        check = instance.check
        patience = check.interval + (0 if check.kind is Kind.TTL else check.timeout)
        return reading.ok or reading.certain or reading.at >= self.resumed_at + patience


CALM = Circumstances()


class Ledger:
    """One thread at a time. Raises the database's errors, and may then be called with the same again."""

    def __init__(self, registry: Registry, rule: brake.Rule):
        self._registry = registry
        self._rule = rule
        self._counted: dict[Key, Health] = {}
        self._pruned_to = 0  # counts, when those of who is gone were last thrown away
        self._braked: set[str] = set()
        self._unwell: set[str] = set(registry.view().projects)  # those of which not all may be passing
        self._looked_at: Mapping[str, object] = {}
        self._share = ALL

    def record(self, readings: Readings, around: Circumstances = CALM) -> None:
        """In their order. Written only where the status or the output changes, with a ``changed`` row; counts
        in between live here."""
        view = self._registry.view()
        self._heed(around.share)
        judged: dict[Key, Health] = {}
        for key, reading in readings:
            instance = view.instance(key)
            if instance is not None and key.text in around.share and around.counts(instance, reading):
                before = judged.get(key) or self._health(instance)
                judged[key] = judge(before, instance.check, reading)
        moved = {
            key.project_id
            for key, health in judged.items()
            if health.status is not view.instance(key).health.status
        }
        judged.update(self._held(view, moved, judged, around))
        self._write(view, judged, around)

    def settle(self, around: Circumstances) -> list[Instance]:
        """What time alone brings: the brake lets go, and who has been critical for too long is removed.
        Returns those."""
        view = self._registry.view()
        self._heed(around.share)
        if len(around.share.members) > 1:  # what the others judged may be more than a brake allows
            now = view.projects.items()
            self._unwell |= {id for id, types in now if types is not self._looked_at.get(id)}
            self._looked_at = view.projects
        if len(self._counted) > 2 * self._pruned_to + 1000:
            self._counted = {key: health for key, health in self._counted.items() if view.instance(key)}
            self._pruned_to = len(self._counted)
        self._unwell &= view.projects.keys()
        self._write(view, self._held(view, self._unwell, {}, around), around)
        overdue = [
            instance
            for project_id in self._unwell
            for service_type in view.types(project_id).values()
            for instance in service_type.unwell
            if instance.check.deregister_after is not None and self._is_overdue(instance, around)
        ]
        for instance in overdue if around.alive() else ():
            LOG.info("Removing %s: critical for %g s", instance.name, instance.check.deregister_after)
            self._registry.deregister(*instance.key)
        return overdue

    def _is_overdue(self, instance: Instance, around: Circumstances) -> bool:
        check, health = instance.check, self._health(instance)
        braked = instance.project_id in self._braked and instance.key not in around.certain
        since = max(health.since, around.resumed_at)
        late = time.time() - since >= check.deregister_after
        return health.status is Status.CRITICAL and late and not braked and instance.key.text in around.share

    def _heed(self, share: Share) -> None:
        """What was counted of an instance before another monitor had it is worth nothing afterwards."""
        if share != self._share:
            self._counted = {key: health for key, health in self._counted.items() if key.text in share}
            self._share = share

    def _held(
        self, view: View, projects: Iterable[str], judged: Mapping[Key, Health], around: Circumstances
    ) -> dict[Key, Health]:
        """The healths of those that the brake begins to hold, or lets go. It judges by the whole project, and
        each monitor writes what is its own to judge."""
        changed: dict[Key, Health] = {}
        for project_id in list(projects):
            healths, others = self._of_project(view, project_id, judged)
            members = (brake.Member(key, health, key in around.certain) for key, health in healths.items())
            found = brake.judge(members, self._rule, time.time(), around.lost_at, others)
            self._note(project_id, found, all(health.is_well for health in healths.values()))
            for key, health in healths.items():
                if health.held is not (key in found.held) and key.text in around.share:
                    changed[key] = dataclasses.replace(health, held=key in found.held)
        return changed

    def _of_project(
        self, view: View, project_id: str, judged: Mapping[Key, Health]
    ) -> tuple[dict[Key, Health], int]:
        """The healths of those that are not well, or are just judged; and how many others there are."""
        types = view.types(project_id).values()
        healths = {
            instance.key: self._health(instance) for service_type in types for instance in service_type.unwell
        }
        healths |= {key: health for key, health in judged.items() if key.project_id == project_id}
        return healths, sum(len(service_type.instances) for service_type in types) - len(healths)

    def _note(self, project_id: str, found: brake.Brake, well: bool) -> None:
        (self._unwell.discard if well else self._unwell.add)(project_id)
        if found.engaged and project_id not in self._braked:
            LOG.warning("Too many instances of project %s fail together: none is removed", project_id)
            self._braked.add(project_id)
        elif not found.engaged and project_id in self._braked:
            LOG.warning("The instances of project %s are believed again", project_id)
            self._braked.discard(project_id)

    def _write(self, view: View, judged: Mapping[Key, Health], around: Circumstances) -> None:
        updates = [(view.instance(key), health) for key, health in judged.items()]
        updates = [(instance, health) for instance, health in updates if _differ(instance.health, health)]
        if updates:
            self._registry.update_health(updates, around.alive)
        self._counted.update(judged)

    def _health(self, instance: Instance) -> Health:
        """The newest count; what stands in the database when someone else has changed the status since."""
        counted = self._counted.get(instance.key, instance.health)
        written = instance.health
        same = (counted.status, counted.since) == (written.status, written.since)
        return counted if same else written


def _differ(before: Health, after: Health) -> bool:
    return (before.status, before.output, before.held) != (after.status, after.output, after.held)
