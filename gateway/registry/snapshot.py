"""What one process knows of the registry without asking: immutable maps that follow the change index."""

import contextlib
import dataclasses
import functools
import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

import sqlalchemy.exc
from oslo_db import exception as db_exception

from gateway.registry.model import Instance, Key
from gateway.registry.store import RegistryStore

LOG = logging.getLogger(__name__)

#: Seconds, less than until a commit is answered: to ask the database for each ``best`` lets go of the
#: interpreter each time, which costs up to 30 us where many threads want it.
_MOMENT = 0.0005

_DATABASE_ERRORS = (db_exception.DBError, sqlalchemy.exc.SQLAlchemyError)


@dataclasses.dataclass(frozen=True)
class ServiceType:
    """The instances of a type by ordinal, ascending; ``weights``: of those that may be the best now."""

    instances: MappingProxyType[int, Instance]
    weights: MappingProxyType[int, int]

    @functools.cached_property
    def unwell(self) -> Sequence[Instance]:
        """Those that are not passing, or only held to be."""
        return [i for i in self.instances.values() if not i.health.is_well]

    @functools.cached_property
    def facts(self) -> frozenset[tuple[str, str]]:
        """What a search may ask for, of any of them: names of ``Query``'s fields, and values."""
        return frozenset(
            fact
            for instance in self.instances.values()
            for fact in (
                ("version", instance.version),
                ("health", instance.health.status),
                *(("tag", tag) for tag in instance.tags),
            )
        )


class Types(dict[str, ServiceType]):
    """The service types of a project, by name, in that order. Never changed."""

    @functools.cached_property
    def folded(self) -> Mapping[str, list[ServiceType]]:
        """By their names in lower case, which several may have."""
        found: dict[str, list[ServiceType]] = {}
        for name, each in self.items():
            found.setdefault(name.lower(), []).append(each)
        return found


@dataclasses.dataclass(frozen=True)
class View:
    """Everything as it was at ``index``: project → type → ServiceType, for the types that have instances."""

    index: int
    projects: MappingProxyType[str, Types]

    def types(self, project_id: str) -> Types:
        return self.projects.get(project_id, _NOTHING)

    def instance(self, key: Key) -> Instance | None:
        service_type = self.types(key.project_id).get(key.type)
        return service_type.instances.get(key.ordinal) if service_type else None

    def instances(self) -> list[Instance]:
        """Of all projects."""
        return [
            instance
            for types in self.projects.values()
            for service_type in types.values()
            for instance in service_type.instances.values()
        ]


def _changed_type(known: ServiceType, touched: Mapping[int, Instance | None]) -> ServiceType:
    """Costs a copy of two dicts and what was touched."""
    instances, weights = known.instances.copy(), known.weights.copy()
    for ordinal, instance in touched.items():
        weights.pop(ordinal, None)
        if instance is None:
            instances.pop(ordinal, None)
        else:
            instances[ordinal] = instance
            if instance.is_in_service and instance.weight > 0:
                weights[ordinal] = instance.weight
    if touched.keys() - known.instances.keys():
        instances = dict(sorted(instances.items()))
    return ServiceType(MappingProxyType(instances), MappingProxyType(weights))


_NOBODY = ServiceType(MappingProxyType({}), MappingProxyType({}))
_NOTHING = Types()


def changed(view: View, index: int, touched: Mapping[Key, Instance | None]) -> View:
    """The view at ``index``, in which each touched instance is what is given, or gone where that is None."""
    grouped: dict[str, dict[str, dict[int, Instance | None]]] = {}
    for key, instance in touched.items():
        grouped.setdefault(key.project_id, {}).setdefault(key.type, {})[key.ordinal] = instance
    projects = view.projects.copy()
    for project_id, touched_types in grouped.items():
        types = _changed_types(view.types(project_id), touched_types)
        if types:
            projects[project_id] = types
        else:
            projects.pop(project_id, None)
    return View(index, MappingProxyType(projects))


def _changed_types(known: Types, touched: Mapping[str, Mapping[int, Instance | None]]) -> Types:
    types = Types(known)
    for type_, ordinals in touched.items():
        after = _changed_type(known.get(type_, _NOBODY), ordinals)
        if after.instances:
            types[type_] = after
        else:
            types.pop(type_, None)
    return types if touched.keys() <= known.keys() else Types(sorted(types.items()))


def whole(index: int, instances: Sequence[Instance]) -> View:
    return changed(
        View(index, MappingProxyType({})), index, {instance.key: instance for instance in instances}
    )


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """What is made in it stays: the garbage collector need not look through it, neither again and again
    meanwhile, nor ever after."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def touched(before: View | None, after: View) -> Iterator[tuple[ServiceType | None, ServiceType | None]]:
    """The types of which an instance was added, changed or removed, as they were and as they are."""
    earlier = before.projects if before else {}
    for project_id in earlier.keys() | after.projects.keys():
        old, new = earlier.get(project_id, {}), after.types(project_id)
        if old is not new:
            yield from (
                (old.get(type), new.get(type))
                for type in old.keys() | new.keys()
                if old.get(type) is not new.get(type)
            )


class Snapshot:
    """Follows every commit where the database tells of them (``Database.commits``). Where it does not, it
    looks at the change index at most once per ``refresh_interval`` (seconds), when somebody asks. Threads
    share it. While the database cannot be read, what was last seen goes on being served."""

    def __init__(
        self, store: RegistryStore, refresh_interval: float, clock: Callable[[], float] = time.monotonic
    ):
        self._store = store
        self._refresh_interval = refresh_interval
        self._clock = clock
        self._lock = threading.Lock()
        self._view: View | None = None
        self._commits = store.commits()  # those in ``_view``
        self._looked_at = 0.0
        self._failing = False

    def view(self) -> View:
        """As it was a moment ago: ``_MOMENT`` or ``refresh_interval``. Raises the database's error only when
        nothing was ever read."""
        if self._is_recent() or self._is_newest():
            return self._view
        with self._lock:
            return self._view if self._is_recent() or self._is_newest() else self._look()

    def refresh(self) -> View:
        """As it is now: whoever has just written sees it."""
        if self._is_newest():
            return self._view
        with self._lock:
            return self._view if self._is_newest() else self._look()

    def _is_recent(self) -> bool:
        told = self._commits.are_told() and not self._failing
        moment = _MOMENT if told else self._refresh_interval
        return self._view is not None and self._clock() - self._looked_at < moment

    def _is_newest(self) -> bool:
        now = self._clock()
        newest = self._commits.all_seen()
        if newest:
            self._looked_at = now
        return newest

    def _look(self) -> View:
        now = self._clock()
        try:
            with self._commits.looking():
                self._view = self._newer(self._view)
            self._failing, self._looked_at = False, now
        except _DATABASE_ERRORS as error:
            if self._view is None:
                raise
            if not self._failing:
                LOG.warning("The registry's database cannot be read; going on with what is known: %s", error)
            self._failing, self._looked_at = True, self._clock()
        return self._view

    def _newer(self, view: View | None) -> View:
        since = self._store.changed_since(view.index) if view is not None else None
        if since is None:
            with _uncollected():
                return whole(*self._store.everything())
        return view if since[0] == view.index else changed(view, *since)
