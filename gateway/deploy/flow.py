"""The steps of a deployment as a TaskFlow flow.

Every step looks for what it would make before it makes it, so that it can be run again after a crash, and is
undone by ``gateway.deploy.undeploy``. What a step returns is what people read of it. The factory is found by
its name when a flow is resumed: keep it importable.
"""

import time

from oslo_context import context as oslo_context
from oslo_log import log
from taskflow import task
from taskflow.patterns import linear_flow, unordered_flow

from gateway import errors
from gateway.cloud.model import ServerSpec
from gateway.deploy import guest, marks, recipe, undeploy
from gateway.deploy.model import Access, NewServers, Spec, Step, StepState, Trust
from gateway.deploy.work import Work
from gateway.registry.model import Registration

LOG = log.getLogger(__name__)


class DeployTask(task.Task):
    """A step; ``number`` is the replica's, None for the whole deployment. ``do`` is what a subclass adds."""

    step: str

    def __init__(self, number: int | None = None):
        super().__init__(name=task_name(self.step, number), inject={"number": number})

    def execute(self, work: Work, number: int | None) -> str:
        """TaskFlow keeps a failure with its causes and their arguments in the database: it gets the plain
        error alone, without what may be secret in them or cannot be kept."""
        asked = work.deployment
        oslo_context.RequestContext(
            request_id=asked.request_id, user_id=asked.user_id, project_id=asked.project_id
        )  # in every line that is logged in this thread
        try:
            return self.do(work, number)
        except errors.GatewayError as error:
            LOG.info("Deployment %s, step %s: %s", work.id, self.name, error.message)
            LOG.debug("Where that came from", exc_info=True)
            plain = type(error)(error.code, error.message)
        except Exception:
            LOG.exception("Deployment %s, step %s failed unexpectedly", work.id, self.name)
            plain = errors.GatewayError("gateway.internal", "The gateway failed; its log has more.")
        raise plain


def task_name(step: str, number: int | None) -> str:
    return step if number is None else f"{step}:{number}"


def split_task_name(name: str) -> tuple[str, int | None]:
    step, _, number = name.partition(":")
    return step, int(number) if number else None


class CheckQuota(DeployTask):
    step = "quota"

    def do(self, work: Work, number: None) -> str:
        wanted = work.spec.server
        missing = work.spec.replicas - len(work.cloud.find_servers({marks.DEPLOYMENT_TAG: work.id}))
        if missing > 0:
            floating_ips = missing if wanted.floating_network else 0
            work.cloud.check_quota(work.cloud.flavor(wanted.flavor), missing, floating_ips)
        return "enough for what is wanted"


class OpenSecurityGroup(DeployTask):
    step = "security_group"

    def do(self, work: Work, number: None) -> str:
        ports = sorted({work.conf.ssh.port, work.spec.port})
        work.cloud.ensure_security_group(work.name, marks.description(work.store.owner, work.id), ports)
        return f"{work.name} opens tcp {', '.join(map(str, ports))}"

    def revert(self, work: Work, number, **_) -> None:
        undeploy.security_group(work)


class BootServer(DeployTask):
    step = "boot"

    def do(self, work: Work, number: int) -> str:
        tags = marks.tags(work.store.owner, work.id, number)
        found = work.cloud.find_servers(tags)
        server = found[0] if found else work.cloud.boot(self._wanted(work, number, tags))
        host_key, login_key = work.store.target_keys(work.id, number)
        work.store.set_target(work.id, number, server_id=server.id, server_name=server.name)
        work.store.save_access(
            Access(
                server_id=server.id,
                project_id=work.deployment.project_id,
                user=work.spec.server.user,
                private_key=login_key.private,
                host_key=host_key.public,
                trust=Trust.INJECTED,
                deployment_id=work.id,
            )
        )
        return f"server {server.name} ({server.id})"

    def _wanted(self, work: Work, number: int, tags: dict[str, str]) -> ServerSpec:
        host_key, login_key = work.store.target_keys(work.id, number)
        wanted = work.spec.server
        return ServerSpec(
            name=f"{work.spec.service}-{work.id[:8]}-{number}",
            flavor_id=wanted.flavor,
            image_id=wanted.image,
            network_id=wanted.network,
            user_data=guest.user_data(host_key, login_key.public),
            security_groups=(work.name,),
            tags=tags,
        )

    def revert(self, work: Work, number: int, **_) -> None:
        undeploy.servers(work, number)


class WaitForServer(DeployTask):
    step = "active"

    def do(self, work: Work, number: int) -> str:
        server = work.cloud.wait_active(work.target(number).server_id, work.proceed)
        work.store.set_target(work.id, number, address=server.address("fixed"), server_name=server.name)
        return f"{server.name} is {server.status}"


class AddFloatingIP(DeployTask):
    step = "address"

    def do(self, work: Work, number: int) -> str:
        network_id = work.spec.server.floating_network
        address = work.cloud.ensure_floating_ip(
            work.target(number).server_id, network_id, undeploy.floating_ip_mark(work, number)
        )
        work.store.set_target(work.id, number, address=address)
        return address

    def revert(self, work: Work, number: int, **_) -> None:
        undeploy.floating_ips(work, number)


class FindServer(DeployTask):
    step = "server"

    def do(self, work: Work, number: int) -> str:
        server = work.cloud.server(work.spec.server.ids[number])
        if server.status != "ACTIVE":
            raise errors.Conflict(
                "gateway.server.not_active",
                f"Server {server.name} ({server.id}) is {server.status}, not ACTIVE.",
            )
        address = server.address("fixed" if work.spec.server.jump else None)
        work.store.set_target(work.id, number, server_id=server.id, server_name=server.name, address=address)
        work.cloud.add_security_group(server.id, work.name)
        return f"{server.name} at {address}"


class LogIn(DeployTask):
    step = "ssh"

    def do(self, work: Work, number: int) -> str:
        work.connection(number)
        target = work.target(number)
        return f"{work.access(number).user}@{target.address}, host key {target.trust}"


class Upload(DeployTask):
    step = "upload"

    def do(self, work: Work, number: int) -> str:
        timeout = work.conf.deploy.command_timeout
        user = work.access(number).user
        work.run(self.step, number, recipe.prepare(work.layout, user, timeout))
        if work.spec.artifact:
            artifact = work.store.artifact(work.spec.artifact, work.deployment.project_id)
            path = work.store.artifact_path(artifact.id)
            work.run(self.step, number, recipe.unpack(work.layout, artifact.sha256, timeout), path)
        secrets = work.secrets["env"]
        work.run(self.step, number, recipe.place(work.layout, work.spec, secrets, user, timeout))
        return work.layout.release

    def revert(self, work: Work, number: int, **_) -> None:
        undeploy.service(work, number)


class Install(DeployTask):
    step = "install"

    def do(self, work: Work, number: int) -> str:
        timeout = work.conf.deploy.command_timeout
        facts = recipe.parse_facts(work.run(self.step, number, recipe.facts(work.spec.packages, timeout)))
        try:
            command = recipe.packages(work.spec.packages, facts, timeout)
        except ValueError as error:
            raise errors.Unhealthy("gateway.deployment.packages", f"{error}.") from error
        if command:
            work.run(self.step, number, command)
        if work.spec.setup:
            work.run(self.step, number, recipe.setup(work.layout, work.access(number).user, timeout))
        return command.title if command else "no packages missing"


class StartService(DeployTask):
    step = "start"

    def do(self, work: Work, number: int) -> str:
        work.run(self.step, number, recipe.start(work.layout, work.conf.deploy.command_timeout))
        return work.layout.unit


class WaitUntilHealthy(DeployTask):
    step = "health"

    def do(self, work: Work, number: int) -> str:
        check, passed = work.spec.health, 0
        end = time.monotonic() + work.conf.deploy.healthy_timeout
        while True:
            reading = self._probe(work, number)
            passed = passed + 1 if reading.ok else 0
            if passed >= max(1, check.success_before_passing):
                return f"{check.path} answers {reading.output}"
            if not reading.ok:
                self._look_at_the_service(work, number, reading.output, time.monotonic() >= end)
            work.proceed()
            time.sleep(0.25)

    def _probe(self, work: Work, number: int):
        return work.probe(number)

    def _look_at_the_service(self, work: Work, number: int, seen: str, late: bool) -> None:
        timeout = work.conf.deploy.command_timeout
        ended = recipe.exited(work.ask(number, recipe.state(work.layout, timeout)))
        if not (ended or late):
            return
        journal = work.ask(number, recipe.journal(work.layout, timeout))
        work.say(self.step, number, journal)
        reason = (
            ended or f"{work.spec.health.path} did not pass in {work.conf.deploy.healthy_timeout:g} s: {seen}"
        )
        raise errors.Unhealthy(
            "gateway.deployment.unhealthy", f"{reason}. The journal's end: {work.last_lines(journal)}"
        )


class Register(DeployTask):
    step = "register"

    def do(self, work: Work, number: int) -> str:
        spec, target = work.spec, work.target(number)
        wanted = Registration(
            type=spec.service,
            proto=spec.proto,
            host=target.address,
            port=spec.port,
            http_port=spec.port if spec.proto == "http" else 0,
            https_port=spec.port if spec.proto == "https" else 0,
            routes=spec.routes,
            check=spec.health,
            weight=spec.weight,
            version=spec.version,
            deployment_id=work.id,
            server_id=target.server_id,
            host_key=target.host_key,
        )
        instance = work.registry.register(work.deployment.project_id, wanted, verify=False)
        work.store.set_target(work.id, number, instance=instance.name)
        return instance.name

    def revert(self, work: Work, number: int, **_) -> None:
        undeploy.instances(work, number)


_BOOT = (BootServer, WaitForServer)
_ON_SERVER = (LogIn, Upload, Install, StartService, WaitUntilHealthy, Register)


def _of_target(boots: bool, floating: bool) -> tuple[type[DeployTask], ...]:
    if not boots:
        return (FindServer, *_ON_SERVER)
    return (*_BOOT, *((AddFloatingIP,) if floating else ()), *_ON_SERVER)


def _of_whole(boots: bool) -> tuple[type[DeployTask], ...]:
    return (CheckQuota, OpenSecurityGroup) if boots else (OpenSecurityGroup,)


def deployment_flow(targets: int, boots: bool, floating: bool) -> linear_flow.Flow:
    """Targets go on side by side, each through its own steps in order."""
    flow = linear_flow.Flow("deployment")
    flow.add(*[step() for step in _of_whole(boots)])
    replicas = unordered_flow.Flow("replicas")
    for number in range(targets):
        steps = [step(number) for step in _of_target(boots, floating)]
        replicas.add(linear_flow.Flow(f"replica:{number}").add(*steps))
    return flow.add(replicas)


def planned_steps(targets: int, boots: bool, floating: bool) -> tuple[Step, ...]:
    """The same as a list to show, before anything has run."""
    names = [(step.step, None) for step in _of_whole(boots)]
    names += [(step.step, number) for number in range(targets) for step in _of_target(boots, floating)]
    return tuple(Step(name, number, StepState.PENDING) for name, number in names)


def shape(spec: Spec) -> dict[str, int | bool]:
    """The arguments of ``deployment_flow`` and ``planned_steps``."""
    boots = isinstance(spec.server, NewServers)
    floating = boots and spec.server.floating_network is not None
    return {"targets": spec.replicas, "boots": boots, "floating": floating}
