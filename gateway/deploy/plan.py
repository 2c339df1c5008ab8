"""What a release changes: which servers come, stay and go, and in which batches. Pure."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from gateway import errors
from gateway.deploy.model import Aim, ExistingServers, NewServers, Spec, Target


def first(spec: Spec) -> tuple[Target, ...]:
    """The targets of a service that does not run yet."""
    return tuple(_added(spec, range(spec.replicas), _ids(spec)))


def following(before: Spec, targets: Sequence[Target], wanted: Spec, same: bool) -> tuple[Target, ...]:
    """The targets with what is to become of each when ``wanted`` follows ``before``; ``same``: it runs the
    same thing, so that those which stay are left alone. Raises Conflict for what a release cannot change."""
    _check_servers(before, wanted)
    staying = _staying(targets, wanted)
    aim = Aim.KEEP if same else Aim.UPDATE
    kept = [dataclasses.replace(t, aim=aim if t.number in staying else Aim.REMOVE) for t in targets]
    known = {t.server_id for t in targets}
    numbers = range(max((t.number for t in targets), default=-1) + 1, 10**6)
    new_ids = [id for id in _ids(wanted) if id not in known]
    count = len(new_ids) if _ids(wanted) else max(0, wanted.replicas - len(staying))
    return (*kept, *_added(wanted, numbers[:count], new_ids))


def _ids(spec: Spec) -> Sequence[str]:
    return spec.server.ids if isinstance(spec.server, ExistingServers) else ()


def _added(spec: Spec, numbers: Sequence[int], ids: Sequence[str]) -> list[Target]:
    if isinstance(spec.server, NewServers):
        return [Target(number) for number in numbers]
    return [Target(number, server_id=id) for number, id in zip(numbers, ids, strict=True)]


def _staying(targets: Sequence[Target], wanted: Spec) -> set[int]:
    if isinstance(wanted.server, ExistingServers):
        return {t.number for t in targets if t.server_id in wanted.server.ids}
    return set(sorted(t.number for t in targets)[: wanted.replicas])


def _check_servers(before: Spec, wanted: Spec) -> None:
    if type(before.server) is not type(wanted.server):
        raise _unchangeable("server", "whether the servers are new ones or existing ones")
    if isinstance(before.server, NewServers):
        for field in dataclasses.fields(before.server):
            if field.name != "jump" and getattr(before.server, field.name) != getattr(
                wanted.server, field.name
            ):
                raise _unchangeable(f"server.{field.name}", f"the {field.name}")


def _unchangeable(field: str, what: str) -> errors.Conflict:
    return errors.Conflict(
        "gateway.deployment.server_changed",
        f"{field}: a new release goes onto the servers that are there, so it cannot change {what}. "
        "Delete the deployment first, or deploy under another service name.",
        field=f"deployment.{field}",
    )


def runs_the_same(before: Spec, wanted: Spec) -> bool:
    """Whether they differ at most in the number of servers and in how changes are made. What is secret is
    for the caller to compare."""
    return _what_runs(before) == _what_runs(wanted)


def _what_runs(spec: Spec) -> Spec:
    server = spec.server
    if isinstance(server, ExistingServers):
        server = dataclasses.replace(server, ids=())
    return dataclasses.replace(spec, replicas=0, server=server, update=Spec.update, heal=None)


def at_the_scale_of(old: Spec, running: Spec) -> Spec:
    """``old`` to be gone back to: on as many servers as there are now, reached as they are now."""
    return dataclasses.replace(
        old,
        replicas=running.replicas,
        server=running.server,
        update=running.update,
        heal=running.heal,
        health=dataclasses.replace(old.health, tunnel=running.health.tunnel),
    )


def shape(spec: Spec, targets: Sequence[Target]) -> dict[str, Any]:
    """The arguments of ``flow.deployment_flow`` and ``flow.planned_steps``, as JSON can keep them."""
    by_aim = {aim: [t.number for t in targets if t.aim is aim] for aim in Aim}
    updated = by_aim[Aim.UPDATE]
    size = spec.update.batch_size(len(updated))
    boots = isinstance(spec.server, NewServers)
    return {
        "boots": boots,
        "floating": boots and spec.server.floating_network is not None,
        "added": by_aim[Aim.ADD],
        "replaced": by_aim[Aim.REPLACE],
        "batches": [updated[start : start + size] for start in range(0, len(updated), size)],
        "removed": by_aim[Aim.REMOVE],
    }
