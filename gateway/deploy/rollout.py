"""One release on one server: put there, started, found healthy, in the registry; drained before, and back to
the release before where that fails. Every function may be called again after a crash."""

import time
from typing import Any

from oslo_log import log

from gateway import errors
from gateway.deploy import recipe, systemd, undeploy
from gateway.deploy.model import Aim, Release, StepState
from gateway.deploy.work import Work
from gateway.registry.model import Health, Instance, Kind, Registration, Status

LOG = log.getLogger(__name__)

_RAMP_STEPS = 4


def upload(work: Work, number: int, release: Release) -> str:
    layout, spec, timeout = work.layout(release), release.spec, work.conf.deploy.command_timeout
    user = work.access(number).user
    keep, keep_files = work.kept_folders(), work.conf.deploy.keep_releases
    if recipe.is_ready(work.run("upload", number, recipe.prepare(layout, user, keep, timeout))):
        return f"{layout.release} is there"
    if spec.artifact:
        artifact = work.store.artifact(spec.artifact, work.deployment.project_id)
        path = work.store.artifact_path(artifact.id)
        work.run("upload", number, recipe.unpack(layout, artifact.sha256, keep_files, timeout), path)
    secrets = work.secret_environment(release)
    work.run("upload", number, recipe.place(layout, spec, secrets, user, timeout))
    return layout.release


def install(work: Work, number: int, release: Release) -> str:
    layout, spec, timeout = work.layout(release), release.spec, work.conf.deploy.command_timeout
    printed = work.run("install", number, recipe.facts(layout, spec.packages, timeout))
    facts = recipe.parse_facts(printed)
    if recipe.is_ready(printed):
        return "was installed before"
    try:
        command = recipe.packages(layout, spec.packages, facts, timeout)
    except ValueError as error:
        raise errors.Unhealthy("gateway.deployment.packages", f"{error}.") from error
    if command:
        work.run("install", number, command)
    if spec.setup:
        work.run("install", number, recipe.setup(layout, work.access(number).user, timeout))
    return command.title if command else "no packages missing"


def start(work: Work, number: int, release: Release) -> str:
    layout = work.layout(release)
    work.run("start", number, recipe.start(layout, work.conf.deploy.command_timeout))
    return f"{layout.unit} runs {release.folder}"


def wait_until_healthy(work: Work, number: int, release: Release) -> str:
    """Raises Unhealthy once the service has ended, or does not pass for [deploy] healthy_timeout seconds."""
    check, passed = release.spec.health, 0
    end = time.monotonic() + work.conf.deploy.healthy_timeout
    while True:
        reading = work.probe(number, release)
        passed = passed + 1 if reading.ok else 0
        if passed >= max(1, check.success_before_passing):
            return f"{_asked(release)} answers {reading.output}"
        if not reading.ok:
            _look_at_the_service(work, number, release, reading.output, time.monotonic() >= end)
        work.proceed()
        time.sleep(0.25)


def _asked(release: Release) -> str:
    """What the release's check asks, for people."""
    spec = release.spec
    others = {Kind.TCP: f"port {spec.port}", Kind.GRPC: "its gRPC health", Kind.SSH: "the check's command"}
    return others.get(spec.health.kind, spec.health.path)


def _look_at_the_service(work: Work, number: int, release: Release, seen: str, late: bool) -> None:
    layout, timeout = work.layout(release), work.conf.deploy.command_timeout
    ended = systemd.exited(work.ask(number, recipe.state(layout, timeout)))
    if not (ended or late):
        return
    seconds = work.conf.deploy.healthy_timeout
    reason = ended or f"{_asked(release)} did not pass in {seconds:g} s: {seen}"
    raise errors.Unhealthy("gateway.deployment.unhealthy", f"{reason}.")


def drain(work: Work, number: int) -> str:
    """No client is sent there any more; those that are there get time to finish, if there is another
    instance that clients can go to meanwhile."""
    instance = _instance(work, number)
    if instance is None:
        return "it is not in the registry"
    if instance.weight:
        work.registry.amend(*instance.key, weight=0)
    if not _others_serve(work, instance):
        return f"{instance.name}: no other instance serves meanwhile"
    work.wait(work.spec.update.drain)
    return f"{instance.name}: weight 0 for {work.spec.update.drain:g} s"


def _instance(work: Work, number: int) -> Instance | None:
    server_id = work.target(number).server_id
    return next((instance for instance in _instances(work) if instance.server_id == server_id), None)


def _others_serve(work: Work, instance: Instance) -> bool:
    """Clients are sent to others, too: also to one that has just failed a check, but is not critical."""
    return any(
        other.key != instance.key
        and other.weight
        and (other.is_in_service or other.health.status is Status.WARNING)
        for other in _instances(work)
    )


def _instances(work: Work) -> list[Instance]:
    return work.registry.of_deployment(work.deployment.project_id, work.spec.service, work.id)


def admit(work: Work, number: int, release: Release, passed_at: float | None) -> str:
    """Into the registry, as what ``release`` says. ``passed_at``: when its check has passed, None where it
    did not. Beside others that serve its weight rises step by step."""
    fields, weight = _registered_as(work, number, release), release.spec.weight
    instance = _registered(work, number, release, fields)
    health = Health(Status.PASSING, streak=1, since=passed_at) if passed_at else None
    weights = ramp(weight) if work.before and _others_serve(work, instance) else [weight]
    for position, each in enumerate(weights):
        if position:
            work.wait(work.spec.update.ramp / len(weights))
        told = health if position == 0 else None
        work.registry.amend(*instance.key, health=told, owner=None, **fields, weight=each)
    return instance.name


def ramp(weight: int) -> list[int]:
    """The weights on the way to ``weight``, each above the one before."""
    return sorted({-(-weight * step // _RAMP_STEPS) for step in range(1, _RAMP_STEPS + 1)})


def _registered_as(work: Work, number: int, release: Release) -> dict[str, Any]:
    """What of an instance a release may change, its weight aside."""
    spec = release.spec
    return {
        "proto": spec.proto,
        "host": work.target(number).address,
        "port": spec.port,
        "http_port": spec.port if spec.proto == "http" else 0,
        "https_port": spec.port if spec.proto == "https" else 0,
        "routes": spec.routes,
        "check": spec.health,
        "version": spec.version,
    }


def _registered(work: Work, number: int, release: Release, fields: dict[str, Any]) -> Instance:
    """The one that is there, or a new one with these fields."""
    target = work.target(number)
    wanted = Registration(
        type=release.spec.service,
        weight=release.spec.weight,
        deployment_id=work.id,
        server_id=target.server_id,
        host_key=target.host_key,
        **fields,
    )
    instance = work.registry.register(work.deployment.project_id, wanted, verify=False)
    work.store.set_target(work.id, number, instance=instance.name)
    return instance


def restore(work: Work, number: int) -> None:
    """Back to the release before. One that does not get healthy any more is left to the monitor to judge;
    a server that cannot be reached is tried again later (raises what SSH raises)."""
    before = work.before
    if before is None or work.deployment.aim(number) is not Aim.UPDATE:
        return
    layout = work.layout(before)
    if not recipe.runs(work.ask(number, recipe.running(layout, work.conf.deploy.command_timeout)), layout):
        drain(work, number)
        upload(work, number, before)
        install(work, number, before)
        start(work, number, before)
    try:
        wait_until_healthy(work, number, before)
        passed_at = time.time()
    except errors.Unhealthy as error:
        work.say(work.taken_back, number, f"{before.folder} runs again, but is not well: {error.message}")
        LOG.warning("Deployment %s: target %s is back at %s and unhealthy", work.id, number, before.folder)
        passed_at = None
    admit(work, number, before, passed_at)
    work.say(work.taken_back, number, f"{before.folder} runs again")


def restore_all(work: Work) -> None:
    """Everything as before the release: what came goes, what was switched goes back, batch by batch."""
    untouched = (StepState.PENDING, StepState.REVERTED)
    steps = work.store.deployment(work.id).steps
    switched = {step.target for step in steps if step.name == "drain" and step.state not in untouched}
    for target in work.deployment.targets:
        if target.aim in (Aim.ADD, Aim.REPLACE):
            undeploy.target(work, target.number)
        elif target.number in switched:
            restore(work, target.number)
    close_port(work, work.release, work.before)


def close_port(work: Work, release: Release, other: Release) -> None:
    """That of a release which runs nowhere any more, unless ``other``, which does, has the same."""
    port = release.spec.port
    if port not in (other.spec.port, work.conf.ssh.port):
        work.cloud.close_port(work.name, port)
        work.say("security_group", None, f"{work.name} closes tcp {port}")


def remove(work: Work, number: int) -> str:
    """For good: out of the registry, off the server, and the server too where the gateway booted it."""
    name = work.target(number).server_name
    undeploy.target(work, number)
    return f"off {name}" if not work.boots else f"server {name} is deleted"
