"""The steps of a deployment as TaskFlow tasks.

Every step looks for what it would make before it makes it, so that it can be run again after a crash, and is
undone by ``gateway.deploy.undeploy`` or ``gateway.deploy.rollout``. What a step returns is what people read
of it.
"""

import time

from oslo_context import context as oslo_context
from oslo_log import log
from taskflow import task

from gateway import errors
from gateway.cloud.faults import found_or_made
from gateway.cloud.model import ServerSpec
from gateway.deploy import guest, marks, rollout, undeploy
from gateway.deploy.claims import no_failure
from gateway.deploy.model import Access, Aim, Trust
from gateway.deploy.work import Work

LOG = log.getLogger(__name__)


class DeployTask(task.Task):
    """A step; ``number`` is the target's, None for the whole deployment. ``do`` is what a subclass adds, and
    ``undo`` where there is something to take back."""

    step: str

    def __init__(self, number: int | None = None):
        super().__init__(name=task_name(self.step, number), inject={"number": number})

    def execute(self, work: Work, number: int | None) -> str:
        """Suspended is no failure."""
        _name_request(work)
        try:
            with no_failure():
                return self.do(work, number)
        except Exception as error:
            plain = self._plain(work, error)
        work.blame(self.step, number, plain)
        raise plain

    def revert(self, work: Work, number: int | None, **_) -> None:
        _name_request(work)
        try:
            with no_failure(), work.going_back(self.step):
                return self.undo(work, number)
        except Exception as error:
            plain = self._plain(work, error)
        raise plain

    def _plain(self, work: Work, error: Exception) -> errors.GatewayError:
        """TaskFlow keeps a failure with its causes and their arguments in the database: it gets the plain
        error alone, without what may be secret in them or cannot be kept."""
        if isinstance(error, errors.GatewayError):
            LOG.info("Deployment %s, step %s: %s", work.id, self.name, error.message)
            LOG.debug("Where that came from", exc_info=error)
            return type(error)(error.code, error.message)
        LOG.error("Deployment %s, step %s failed unexpectedly", work.id, self.name, exc_info=error)
        return errors.GatewayError("gateway.internal", "The gateway failed; its log has more.")

    def do(self, work: Work, number: int | None) -> str:
        raise TypeError(f"{type(self).__name__} does nothing")

    def undo(self, work: Work, number: int | None) -> None:
        """Nothing, unless a subclass says what."""


def _name_request(work: Work) -> None:
    """In every line that is logged in this thread."""
    asked = work.deployment
    oslo_context.RequestContext(
        request_id=asked.request_id, user_id=asked.release.user_id, project_id=asked.project_id
    )


def task_name(step: str, number: int | None) -> str:
    return step if number is None else f"{step}:{number}"


def split_task_name(name: str) -> tuple[str, int | None]:
    step, _, number = name.partition(":")
    return step, int(number) if number else None


class CheckQuota(DeployTask):
    step = "quota"

    def do(self, work: Work, number: None) -> str:
        wanted, there = work.spec.server, work.cloud.find_servers({marks.DEPLOYMENT_TAG: work.id})
        booted = {server.metadata.get(marks.TARGET_TAG) for server in there}
        added = [str(target.number) for target in work.deployment.targets if target.aim is Aim.ADD]
        missing = len(set(added) - booted)
        if missing:
            floating_ips = missing if wanted.floating_network else 0
            work.cloud.check_quota(work.cloud.flavor(wanted.flavor), missing, floating_ips)
        return "enough for what is wanted"


class OpenSecurityGroup(DeployTask):
    step = "security_group"

    def do(self, work: Work, number: None) -> str:
        ports = sorted({work.conf.ssh.port, work.spec.port})
        work.cloud.ensure_security_group(work.name, marks.description(work.store.owner, work.id), ports)
        return f"{work.name} opens tcp {', '.join(map(str, ports))}"

    def undo(self, work: Work, number: None) -> None:
        if work.before is None:
            undeploy.security_group(work)


class DeleteDeadServer(DeployTask):
    step = "replace"

    def do(self, work: Work, number: int) -> str:
        """Only once: when the step is run again after a crash, the server may be the new one already."""
        name = work.target(number).server_name
        if work.target(number).server_id is None:
            return "it is gone already"
        undeploy.target(work, number)
        work.store.forget_server(work.id, number)
        return f"{name} is deleted"


class BootServer(DeployTask):
    step = "boot"

    def do(self, work: Work, number: int) -> str:
        wanted = self._wanted(work, number)
        server = found_or_made(
            lambda: next(iter(work.cloud.find_servers(wanted.tags)), None), lambda: work.cloud.boot(wanted)
        )
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

    def _wanted(self, work: Work, number: int) -> ServerSpec:
        host_key, login_key = work.store.target_keys(work.id, number)
        wanted = work.spec.server
        return ServerSpec(
            name=f"{work.spec.service}-{work.id[:8]}-{number}",
            flavor_id=wanted.flavor,
            image_id=wanted.image,
            network_id=wanted.network,
            user_data=guest.user_data(host_key, login_key.public),
            security_groups=(work.name,),
            key_name=wanted.key_name,
            tags=marks.tags(work.store.owner, work.id, number),
        )

    def undo(self, work: Work, number: int) -> None:
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

    def undo(self, work: Work, number: int) -> None:
        undeploy.floating_ips(work, number)


class FindServer(DeployTask):
    step = "server"

    def do(self, work: Work, number: int) -> str:
        server = work.cloud.server(work.target(number).server_id)
        if server.status != "ACTIVE":
            raise errors.Conflict(
                "gateway.server.not_active",
                f"Server {server.name} ({server.id}) is {server.status}, not ACTIVE.",
            )
        address = server.address("fixed" if work.spec.server.jump else None)
        work.store.set_target(work.id, number, server_name=server.name, address=address)
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
        return rollout.upload(work, number, work.release)

    def undo(self, work: Work, number: int) -> None:
        if work.deployment.aim(number) is not Aim.UPDATE:
            undeploy.service(work, number)


class Install(DeployTask):
    step = "install"

    def do(self, work: Work, number: int) -> str:
        return rollout.install(work, number, work.release)


class Drain(DeployTask):
    """The first step of a target's switch, so the last one whose revert runs: it takes all of them back."""

    step = "drain"

    def __init__(self, number: int, pauses: bool):
        super().__init__(number)
        self._pauses = pauses

    def do(self, work: Work, number: int) -> str:
        if self._pauses:
            work.wait(work.spec.update.pause)
        return rollout.drain(work, number)

    def undo(self, work: Work, number: int) -> None:
        rollout.restore(work, number)


class StartService(DeployTask):
    step = "start"

    def do(self, work: Work, number: int) -> str:
        return rollout.start(work, number, work.release)


class WaitUntilHealthy(DeployTask):
    step = "health"

    def do(self, work: Work, number: int) -> str:
        return rollout.wait_until_healthy(work, number, work.release)


class Register(DeployTask):
    step = "register"

    def do(self, work: Work, number: int) -> str:
        return rollout.admit(work, number, work.release, time.time())

    def undo(self, work: Work, number: int) -> None:
        if work.deployment.aim(number) is not Aim.UPDATE:
            undeploy.instances(work, number)
