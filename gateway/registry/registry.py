"""The registry: who is registered, how they are, and which one to use now."""

import dataclasses
import itertools
import time
from collections.abc import Callable, Sequence

import sqlalchemy.exc
from oslo_config import cfg
from oslo_db import exception as db_exception

from gateway import errors
from gateway.registry import owned
from gateway.registry.admission import Admission, Owner, nobody
from gateway.registry.changes import Feed
from gateway.registry.choice import ANY, Asked, Chooser, Verdict, none_passing
from gateway.registry.model import Health, Instance, Key, Kind, Reading, Registration, Status, split_name
from gateway.registry.query import Query
from gateway.registry.readings import Readings
from gateway.registry.signature import Signer, Token, claimed, fingerprint
from gateway.registry.snapshot import ServiceType, Snapshot, View
from gateway.registry.store import RegistryStore


class Registry:
    """Threads may share it; make one per process. Reads come from this process's snapshot and see every write
    that was answered; but where the database is not SQLite, ``best`` sees those of other processes after
    ``[registry] refresh_interval``. What belongs to another project is not there."""

    def __init__(self, conf: cfg.ConfigOpts, store: RegistryStore, signer: Signer):
        self._conf = conf
        self._store = store
        self._signer = signer
        self._snapshot = Snapshot(store, conf.registry.refresh_interval)
        self.feed = Feed(store, self._snapshot)
        self._admission = Admission(conf)
        self._chooser = Chooser(conf.registry.balancer, store.readings.latencies)

    # Writing

    def register(
        self,
        project_id: str,
        wanted: Registration,
        verify: bool = True,
        owner: Owner = nobody,
        patience: float | None = None,
    ) -> Instance:
        """Adds a service with its type's next ordinal, passing from the start.

        Asking again for the same ``deployment_id`` and ``server_id`` returns the instance that is there.
        ``verify=False`` is for who has just seen it pass and signed it himself (the deploy engine): the probe
        and the signature's verification are left out, and whose the host is. What belongs to a deployment and
        brings no signature is given one. Where a provider is, the broker has judged. Takes up to
        ``wanted.check.timeout`` seconds, or ``patience`` where the caller waits less long: whoever has gone
        has nothing registered.

        Raises Invalid (``gateway.registry.host``, ``.host_blocked``, ``.host_foreign``, ``.signature``),
        Conflict (``gateway.registry.exists``: the project has one with this host, port and signature),
        Unhealthy (``gateway.registry.unhealthy``, with what was seen) and Timeout (after ``patience``).
        """
        if wanted.provider is None:
            host, server_id = self._admission.allowed(wanted.host, owner if verify else None)
            wanted = dataclasses.replace(wanted, host=host, server_id=wanted.server_id or server_id)
        if wanted.deployment_id and not wanted.signature:
            host_key = fingerprint(wanted.host_key) if wanted.host_key else None
            wanted = dataclasses.replace(wanted, signature=self._minted(project_id, wanted, host_key))
        elif verify and wanted.signature:
            self._signer.verify(wanted.signature, project_id, wanted.type, wanted.host, wanted.port)
        output = ""
        if verify and self._admission.probes(wanted):
            existing = self._store.find(project_id, wanted)  # else it would be probed for nothing
            if existing is not None:
                return existing
            output = self._admission.probed(wanted, patience)
        now = time.time()
        health = Health(Status.PASSING, streak=1, output=output, since=now)
        instance = self._store.insert(project_id, wanted, health, now)
        self._snapshot.refresh()
        return instance

    def amend(
        self,
        project_id: str,
        type: str,
        ordinal: int,
        *,
        health: Health | None = None,
        owner: Owner | None = nobody,
        **fields,
    ) -> Instance:
        """Changes ``fields`` of an instance that is there, and its ``health`` as the caller has just seen it;
        nothing is probed. Fields: weight, version, host, port, http_port, https_port, routes, check, proto.
        A deployment's own gets a new signature when its version, host or port changes. Readings from before
        ``health.since`` are not judged; maintenance goes on. What changes nothing is not written.
        ``owner`` as in ``register``, None where the caller knows whose ``host`` is.

        Raises NotFound, and Invalid for the host.
        """
        if "host" in fields:
            fields["host"], _ = self._admission.allowed(fields["host"], owner)

        def amended(before: Instance) -> Instance:
            after = dataclasses.replace(before, health=_told(before.health, health), **fields)
            return self._resigned(before, after)

        return self._rewrite(Key(project_id, type, ordinal), amended)[0]

    def update(
        self,
        project_id: str,
        type: str,
        ordinal: int,
        change: Callable[[Instance], Instance],
        owner: Owner = nobody,
    ) -> tuple[Instance, bool]:
        """What ``change`` makes of an instance, by hand: checked anew where its address or its check is
        another, as ``register`` does. Returns it, and whether it is another than before.

        Raises NotFound, what ``register`` raises, and Conflict (``gateway.registry.deployed``) where more
        than weight and tags of a deployment's instance would change.
        """

        def updated(before: Instance) -> Instance:
            after = change(before)
            if after.type != before.type:
                raise errors.Invalid(
                    "gateway.registry.type", f"type: that of {before.name} is {before.type}.", field="type"
                )
            owned.check_changes(before, after)
            if after.host != before.host:
                host, server_id = self._admission.allowed(after.host, owner)
                after = dataclasses.replace(after, host=host, server_id=server_id)
            return self._reverified(before, after)

        return self._rewrite(Key(project_id, type, ordinal), updated)

    def maintain(
        self, project_id: str, type: str, ordinal: int, enabled: bool, reason: str = ""
    ) -> tuple[Instance, bool]:
        """Takes an instance out, or lets it in again once it passes its check. Returns as ``update`` does.
        Raises NotFound."""

        def maintained(before: Instance) -> Instance:
            health = before.health
            if enabled and health.status is not Status.MAINTENANCE:
                health = Health(Status.MAINTENANCE, 0, health.output, time.time())
            elif not enabled and health.status is Status.MAINTENANCE:
                health = Health(Status.WARNING, 0, "maintenance has ended; not checked since", time.time())
            return dataclasses.replace(before, health=health, reason=reason if enabled else "")

        return self._rewrite(Key(project_id, type, ordinal), maintained)

    def _rewrite(self, key: Key, change: Callable[[Instance], Instance]) -> tuple[Instance, bool]:
        """What ``change`` makes of it, and whether that is another; tried again when someone was quicker."""
        while True:
            before = self.instance(*key)
            after = change(before)
            if after == before:
                return before, False
            written = self._store.replace(before, dataclasses.replace(after, updated_at=time.time()))
            self._snapshot.refresh()
            if written is not None:
                return written, True

    def _reverified(self, before: Instance, after: Instance) -> Instance:
        if after.signature and _proven(after) != _proven(before):
            self._signer.verify(after.signature, after.project_id, after.type, after.host, after.port)
        if _checked(after) == _checked(before) or before.health.status is Status.MAINTENANCE:
            return after
        output = self._admission.probed(after)
        return dataclasses.replace(after, health=Health(Status.PASSING, 1, output, time.time()))

    def _resigned(self, before: Instance, after: Instance) -> Instance:
        """With a signature about what it is now, if the gateway signed it itself."""
        same = (before.version, before.host, before.port) == (after.version, after.host, after.port)
        if before.deployment_id is None or same:
            return after
        return self._renewed(after)

    def _renewed(self, instance: Instance) -> Instance:
        """With a new signature about what it is."""
        host_key = claimed(instance.signature).get("host_key")
        return dataclasses.replace(instance, signature=self._minted(instance.project_id, instance, host_key))

    def renew_signatures(self) -> int:
        """Signs those of deployments anew that the gateway signed half of ``[registry] signature_lifetime``
        ago, each with its ``changed`` row; how many."""
        own = [i for i in self._snapshot.refresh().instances() if i.deployment_id]
        signatures = self._signer.due(instance.signature for instance in own)
        due = [instance for instance in own if instance.signature in signatures]
        now = time.time()
        pairs = [(before, dataclasses.replace(self._renewed(before), updated_at=now)) for before in due]
        written = sum(self._store.replace(*pair) is not None for pair in pairs)  # else in the next round
        if written:
            self._snapshot.refresh()
        return written

    def mint(self, project_id: str, type: str, host: str | None = None, **about) -> Token:
        """A signature for a service that registers itself: for any host and port, or those given. ``about``:
        port, version. Raises Invalid for a host where instances may not be."""
        if host is not None:
            about["host"], _ = self._admission.allowed(host, owner=None)
        return self._signer.mint(project_id=project_id, type=type, **about)

    def public_keys(self) -> dict:
        """The keys that verify the gateway's signatures, as a JWKS (RFC 7517)."""
        return self._signer.keys.jwks()

    def remove(self, project_id: str, type: str, ordinal: int) -> int:
        """By hand. Returns the index of the change. Raises NotFound, and Conflict
        (``gateway.registry.deployed``, ``.attached``) for a deployment's instance or a provider's."""
        instance = self.instance(project_id, type, ordinal)
        owned.check(instance, "removed")
        index = self.deregister(project_id, type, ordinal)
        if index is None:
            raise _no_instance(instance.name)
        return index

    def deregister(self, project_id: str, type: str, ordinal: int) -> int | None:
        """Returns the index of the change; None when it is not there."""
        index = self._store.delete(Key(project_id, type, ordinal), time.time())
        self._snapshot.refresh()
        return index

    def deregister_deployment(self, deployment_id: str, server_id: str | None = None) -> None:
        """Every instance of it, or those on one server; fine when there is none."""
        self._store.delete_deployment(deployment_id, server_id, time.time())
        self._snapshot.refresh()

    def _minted(self, project_id: str, about: Registration | Instance, host_key: str | None) -> str:
        return self._signer.mint(
            project_id=project_id,
            type=about.type,
            host=about.host,
            port=about.port,
            version=about.version,
            server_id=about.server_id,
            host_key=host_key,
        ).text

    # Reading. ``best`` is asked most and does not wait for a database that cannot tell of commits; the others
    # see them all, so that who registers by one process and lists by another sees what he did.

    def types(self, project_id: str) -> list[str]:
        return list(self._snapshot.refresh().types(project_id))

    def instances(self, project_id: str, type: str) -> list[Instance]:
        """By ordinal. Raises NotFound for a type that has none."""
        return list(self.service_type(project_id, type).instances.values())

    def service_type(self, project_id: str, type: str) -> ServiceType:
        """Raises NotFound for a type that has no instances."""
        found = self._snapshot.refresh().types(project_id).get(type)
        if found is None:
            raise _no_type(type)
        return found

    def find(
        self, project_id: str, query: Query, limit: int | None = None, marker: str | None = None
    ) -> list[Instance]:
        """Those that match, by type and ordinal; after the one named ``marker``, which may be gone. Raises
        Invalid for a marker that names nothing."""
        after = _place(marker) if marker else ("", -1)
        types = self._snapshot.refresh().types(project_id)
        names = types if query.type is None else [query.type]
        found = (
            instance
            for name in names
            if name >= after[0] and name in types and query.facts <= types[name].facts
            for instance in types[name].instances.values()
            if (name, instance.ordinal) > after and query.matches(instance)
        )
        return list(itertools.islice(found, limit))

    def instance(self, project_id: str, type: str, ordinal: int) -> Instance:
        """Raises NotFound."""
        found = self._snapshot.refresh().instance(Key(project_id, type, ordinal))
        if found is None:
            raise _no_instance(f"{type}-{ordinal}")
        return found

    def of_deployment(self, project_id: str, type: str, deployment_id: str) -> list[Instance]:
        """Every instance of it, by ordinal; all are of one type."""
        found = self._snapshot.refresh().types(project_id).get(type)
        return [i for i in found.instances.values() if i.deployment_id == deployment_id] if found else []

    def of_providers(self) -> list[Instance]:
        """The broker's, of all projects."""
        return [instance for instance in self._snapshot.refresh().instances() if instance.provider]

    def best(self, project_id: str, type: str, asked: Asked = ANY) -> Instance:
        """The one to use now: it passes or, if none does, is not critical yet. Raises NotFound for an unknown
        type and where none has the version and the tag that are asked for, NonePassing when none of those may
        be it."""
        return self._chosen(project_id, type, asked)[0]

    def explained(self, project_id: str, type: str, asked: Asked = ANY) -> tuple[Instance, list[Verdict]]:
        """``best``, which takes its turn, and what became of each instance. Raises as ``best`` does."""
        best, service_type = self._chosen(project_id, type, asked)
        return best, self._chooser.explain((project_id, type), service_type, asked, best)

    def _chosen(self, project_id: str, type: str, asked: Asked) -> tuple[Instance, ServiceType]:
        """As last seen, if one of them may be it; else as it is now."""
        place = project_id, type
        for look in (self._snapshot.view, self._snapshot.refresh):
            found = look().types(project_id).get(type)
            best = self._chooser.choose(place, found, asked) if found else None
            if best is not None:
                return best, found
        if found is None:
            raise _no_type(type)
        raise none_passing(type, asked, self._chooser.explain(place, found, asked, None))

    def is_up(self) -> bool:
        """Whether the database answers, without which nobody can be registered."""
        try:
            self._store.index()
        except (db_exception.DBError, sqlalchemy.exc.SQLAlchemyError):
            return False
        return True

    # Readings and heartbeats

    def last_readings(self, instance: Instance) -> list[Reading]:
        """The newest first, ten at most."""
        return self._store.readings.last(instance.key, instance.created_at)

    def beat(self, project_id: str, type: str, ordinal: int, ok: bool, output: str) -> None:
        """An instance with a ttl check says how it is. Raises NotFound, and Conflict for another check."""
        instance = self.instance(project_id, type, ordinal)
        if instance.check.kind is not Kind.TTL:
            raise errors.Conflict(
                "gateway.registry.not_ttl",
                f"{instance.name} is checked by {instance.check.what(instance.proto)}; only those with a ttl "
                "check send heartbeats.",
            )
        self._store.readings.beat(instance.key, Reading(ok, output, time.time()))

    # For the monitor

    def forget_changes(self) -> int:
        """Those that need not be kept any longer, by ``[registry]``; how many."""
        kept = self._conf.registry
        return self._store.forget_changes(kept.max_changes, time.time() - kept.changes_kept_for)

    @property
    def readings(self) -> Readings:
        return self._store.readings

    def view(self, now: bool = False) -> View:
        """Every instance of every project, as of a moment ago if not ``now``."""
        return self._snapshot.refresh() if now else self._snapshot.view()

    def update_health(
        self, updates: Sequence[tuple[Instance, Health]], alive: Callable[[], bool] = lambda: True
    ) -> View:
        """Writes each, with a ``changed`` row, unless the instance was changed by someone else meanwhile;
        none where the caller may no longer say it by then. Returns what there is then. Raises the database's
        errors."""
        self._store.update_health(updates, time.time(), alive)
        return self._snapshot.refresh()


def _told(before: Health, health: Health | None) -> Health:
    """Maintenance is ended by hand alone, whatever the engine has seen."""
    if health is None or before.status is not Status.MAINTENANCE:
        return health or before
    return dataclasses.replace(health, status=before.status)


def _checked(instance: Instance) -> tuple:
    """What a check's verdict is about."""
    return instance.proto, instance.host, instance.port, instance.check


def _proven(instance: Instance) -> tuple:
    """What a signature is about."""
    return instance.signature, instance.host, instance.port


def _no_instance(name: str) -> errors.NotFound:
    return errors.NotFound("gateway.registry.instance_not_found", f"There is no instance {name}.")


def _place(marker: str) -> tuple[str, int]:
    try:
        return split_name(marker)
    except ValueError as error:
        raise errors.Invalid("gateway.registry.marker", f"marker: {error}.", field="marker") from error


def _no_type(type: str) -> errors.NotFound:
    return errors.NotFound("gateway.registry.type_not_found", f"There is no service type {type!r}.")
