"""What the steps of one deployment work with: its cloud, its servers' connections, its log."""

import contextlib
import dataclasses
import pathlib
import threading
import time
import urllib.parse
from collections.abc import Callable

from oslo_config import cfg
from oslo_log import log

from gateway import errors
from gateway.cloud.openstack import Cloud
from gateway.cloud.sessions import Sessions
from gateway.deploy import command_check, recipe, ssh, tunnel
from gateway.deploy.claims import Suspended
from gateway.deploy.model import Access, Deployment, ExistingServers, Fault, Release, Status, Target, Trust
from gateway.deploy.recipe import Command
from gateway.deploy.store import DeploymentStore
from gateway.registry import checks
from gateway.registry.model import Kind, Reading
from gateway.registry.registry import Registry

LOG = log.getLogger(__name__)

#: Codes of what ``Work.proceed`` raises: no faults of the step that is stopped by it.
TAKEN_BACK = ("gateway.deployment.deleted", "gateway.deployment.reverting")

_LOOK_INTERVAL = 1.0  # seconds between looks whether the deployment was deleted meanwhile
_KEYS_PATIENCE = 60.0  # seconds for cloud-init to put the keys in, from the first refusal on
_CONSOLE_PATIENCE = 60.0  # seconds for the host keys to be on a console
_LONGEST_LINE = 8192  # characters; a longer one is logged in pieces
_EVIDENCE_LINES, _EVIDENCE_WIDTH = 15, 300  # of a journal or console, kept with a fault
_CONSOLE_LINES = 40  # of which some are empty
_EVIDENCE_TIMEOUT = 20.0  # seconds
_MASKED_FROM = 4  # shorter secrets would mask half of every log


class Work:
    """One deployment being worked on by one engine, as long as ``is_ours``; steps of different targets run in
    different threads."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        store: DeploymentStore,
        sessions: Sessions,
        registry: Registry,
        deployment: Deployment,
        is_ours: Callable[[], bool] = lambda: True,
    ):
        self.conf = conf
        self.store = store
        self._registry = registry
        self._is_ours = is_ours
        self.deployment = deployment
        self.release = deployment.release
        self.before = deployment.before
        self.spec = deployment.spec
        self.id = deployment.id
        self._secrets = {
            release.number: store.secrets(deployment.id, release.number)
            for release in (self.release, self.before)
            if release
        }
        known = {value for each in self._secrets.values() for value in _environment(each).values()}
        known |= {password for value in known if (password := _password_in(value))}
        hidden = (value for value in known if len(value) >= _MASKED_FROM)
        self.hidden = sorted(hidden, key=len, reverse=True)  # one may be a part of another
        self._sessions = sessions
        self._connections: dict[int, ssh.Connection] = {}
        self._jump: ssh.Connection | None = None
        self._jump_lock = threading.Lock()
        self._looked = 0.0
        self._this_thread = threading.local()
        self._lock = threading.Lock()

    @property
    def cloud(self) -> Cloud:
        self._check()
        return self._sessions.trust(self.deployment.trust_id)

    @property
    def registry(self) -> Registry:
        self._check()
        return self._registry

    def _check(self) -> None:
        """Before anything is done: raises Suspended once it is another engine's to do."""
        if not self._is_ours():
            raise Suspended(f"deployment {self.id} is not this engine's any more")

    @property
    def boots(self) -> bool:
        return not isinstance(self.spec.server, ExistingServers)

    @property
    def name(self) -> str:
        """Of what is made for this deployment in Neutron, where it is its mark, too."""
        return f"gateway-{self.id}"

    def layout(self, release: Release) -> recipe.Layout:
        return recipe.Layout(self.conf.deploy.root_path, release.spec.service, release.folder)

    def secrets(self, release: Release) -> dict:
        return self._secrets[release.number]

    def secret_environment(self, release: Release) -> dict[str, str]:
        return _environment(self.secrets(release))

    def kept_folders(self) -> tuple[str, ...]:
        """Of the releases that may be gone back to: they stay on the servers."""
        return self.store.folders(self.id, self.conf.deploy.keep_releases)

    def target(self, number: int) -> Target:
        return self.store.target(self.id, number)

    @contextlib.contextmanager
    def going_back(self, step: str | None = None):
        """What is taken back in this thread, ``step`` or everything, is not stopped by what made that
        necessary; steps of other targets may still be ending in other threads."""
        self._this_thread.goes_back, self._this_thread.step = True, step
        try:
            yield
        finally:
            self._this_thread.goes_back, self._this_thread.step = False, None

    @property
    def taken_back(self) -> str:
        """What this thread takes back, as the log has it: a step, or "undeploy" for what is no single one."""
        return getattr(self._this_thread, "step", None) or "undeploy"

    def proceed(self) -> None:
        """Called between the pieces of every wait; raises Conflict once the deployment is being deleted, or
        taken back, be it on request or because another of its targets has failed; and Suspended."""
        self._check()
        if getattr(self._this_thread, "goes_back", False):
            return
        with self._lock:
            if time.monotonic() - self._looked < _LOOK_INTERVAL:
                return
            self._looked = time.monotonic()
        status = self.store.status(self.id)
        if status is Status.DELETING:
            raise errors.Conflict(TAKEN_BACK[0], "The deployment was deleted while it ran.")
        if status is Status.REVERTING:
            raise errors.Conflict(TAKEN_BACK[1], "The deployment is being taken back.")

    def wait(self, seconds: float) -> None:
        """Raises what ``proceed`` raises."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.proceed()
            time.sleep(min(left, _LOOK_INTERVAL))

    def say(self, step: str, number: int | None, text: str) -> None:
        """A line of the deployment's log; secrets are masked."""
        self.store.write_log(self.id, step, number, self.masked(text).rstrip("\n"))

    def masked(self, text: str) -> str:
        for value in self.hidden:
            text = text.replace(value, "***")
        return text

    # The servers

    def access(self, number: int) -> Access:
        """How to log in to a target. What the request brought goes before what is known. Raises NotFound."""
        return self._access(self.target(number).server_id)

    def _access(self, server_id: str) -> Access:
        known = self.store.access(self.deployment.project_id, server_id)
        if self.boots:
            return known
        given = self.spec.server
        secrets = self.secrets(self.release)
        if "private_key" not in secrets:
            if known is None:
                raise errors.NotFound(
                    "gateway.server.access_unknown", f"The gateway has no way into server {server_id}."
                )
            user, host_key = given.user or known.user, given.host_key or known.host_key
            trust = Trust.GIVEN if given.host_key else known.trust
            return dataclasses.replace(known, user=user, host_key=host_key, trust=trust)
        return Access(
            server_id=server_id,
            project_id=self.deployment.project_id,
            user=given.user,
            private_key=secrets["private_key"],
            host_key=given.host_key or (known.host_key if known else None),
            trust=Trust.GIVEN if given.host_key else (known.trust if known else None),
        )

    def connection(self, number: int) -> ssh.Connection:
        """The target's one connection, made anew when it broke or the engine was restarted."""
        self._check()
        connection = self._connections.get(number)
        if connection is None or not connection.is_open():
            connection = self._connections[number] = self._connected(number)
        return connection

    def _jump_host(self) -> ssh.Connection | None:
        """The one connection to it that all targets share, made anew when it broke; None without one."""
        jump = self.spec.server.jump
        if jump is None:
            return None
        with self._jump_lock:
            if self._jump is None or not self._jump.is_open():
                login = tunnel.login(self.store, jump, self.deployment.project_id, self.secrets(self.release))
                patience = _KEYS_PATIENCE if jump.trust is Trust.INJECTED else 0.0
                self._jump = ssh.wait_for_login(login, self.conf, self.proceed, patience)
            return self._jump

    def probe(self, number: int, release: Release) -> Reading:
        """One health check of what runs on a target, as ``release`` has it."""
        spec, address = release.spec, self.target(number).address
        if spec.health.kind is Kind.SSH:
            return command_check.probe(self.connection(number), spec.health)
        if jump := self._jump_host():
            return tunnel.probe(jump, spec.proto, address, spec.port, spec.health)
        return checks.probe(spec.proto, address, spec.port, spec.health, self.conf.monitor.verify_tls)

    def _connected(self, number: int) -> ssh.Connection:
        target = self.target(number)
        access = self._access(target.server_id)
        host_keys, trust = self._host_keys(target, access)
        login = ssh.Login(target.address, access.user, access.private_key, host_keys)
        knows_us = target.host_key is not None
        patience = _KEYS_PATIENCE if trust is Trust.INJECTED and not knows_us else 0.0
        seconds = self.conf.ssh.return_timeout if knows_us else None
        connection = ssh.wait_for_login(login, self.conf, self.proceed, patience, self._jump_host, seconds)
        self.store.set_target(self.id, number, host_key=connection.host_key(), trust=trust)
        return connection

    def _host_keys(self, target: Target, access: Access) -> tuple[tuple[str, ...], Trust]:
        """The keys that the server may show, and why they are believed. Raises Unhealthy without any."""
        if target.host_key and access.trust is not Trust.GIVEN:
            return (target.host_key,), target.trust
        if access.host_key:
            return (access.host_key,), access.trust or Trust.GIVEN
        printed = self._printed_host_keys(target.server_id)
        if printed:
            return printed, Trust.CONSOLE
        if self.spec.server.trust_on_first_use:
            return (), Trust.FIRST_USE
        raise errors.Unhealthy(
            "gateway.ssh.host_key_unknown",
            f"The host key of server {target.server_id} is not known and not on its console: "
            "give server.host_key, or set server.trust_on_first_use.",
        )

    def _printed_host_keys(self, server_id: str) -> tuple[str, ...]:
        """Those on its console, which a guest that is just booting prints some seconds after sshd answers."""
        end = time.monotonic() + _CONSOLE_PATIENCE
        while True:
            printed = recipe.host_keys_on_console(self.cloud.console_log(server_id))
            if printed or time.monotonic() > end:
                return printed
            self.proceed()
            time.sleep(_LOOK_INTERVAL)

    def run(self, step: str, number: int, command: Command, upload: pathlib.Path | None = None) -> str:
        """Runs a command on a target and logs what it prints. Raises Unhealthy when it fails, with its last
        lines, and what ``proceed`` raises; returns its output."""
        self.say(step, number, f"$ {command.title}")
        with contextlib.ExitStack() as stack:
            stdin = stack.enter_context(upload.open("rb")) if upload else None
            printed = stack.enter_context(contextlib.closing(_Printed(self, step, number)))
            result = self.connection(number).run(command, stdin, printed.more, self.proceed)
        if result.status != 0:
            raise errors.Unhealthy(
                "gateway.deployment.command_failed",
                f"{command.title} failed with status {result.status}: {self.last_lines(result.output)}",
            )
        return result.output

    def ask(self, number: int, command: Command) -> str:
        """Runs a command whose output and failure matter only to the caller."""
        return self.connection(number).run(command, proceed=self.proceed).output

    def last_lines(self, output: str, count: int = 5) -> str:
        lines = self.masked(output).strip().splitlines()
        return " | ".join(lines[-count:])[-1000:] or "it printed nothing"

    def close(self) -> None:
        for connection in (*self._connections.values(), self._jump):
            if connection is not None:
                connection.close()

    def blame(self, step: str, number: int | None, error: errors.GatewayError) -> None:
        """Makes it the deployment's fault, with what the service and the server have printed last; not where
        the step only ended because the deployment is being taken back."""
        if self.store.status(self.id) is not Status.RUNNING:
            return
        journal = self._evidence(lambda: self._journal(number))
        console = self._evidence(lambda: self._console(number))
        if journal:
            self.say(step, number, "\n".join(journal))
        self.store.set_fault(self.id, Fault(step, number, error.code, error.message, journal, console))

    def _journal(self, number: int | None) -> str:
        if number not in self._connections:
            return ""
        return self.ask(number, recipe.journal(self.layout(self.release), _EVIDENCE_TIMEOUT))

    def _console(self, number: int | None) -> str:
        server_id = None if number is None else self.target(number).server_id
        return self.cloud.console_log(server_id, _CONSOLE_LINES) if server_id else ""

    def _evidence(self, look: Callable[[], str]) -> tuple[str, ...]:
        """The last lines of what can be had of it; none where it cannot be had: it is no other fault."""
        try:
            printed = self.masked(look())
        except Exception as error:
            LOG.info("Deployment %s: no evidence: %s", self.id, error)
            return ()
        lines = (recipe.printable(line).rstrip()[:_EVIDENCE_WIDTH] for line in printed.splitlines())
        return tuple(line for line in lines if line)[-_EVIDENCE_LINES:]

    def delete_retired_trusts(self) -> None:
        retired = self.store.deployment(self.id).retired_trusts
        for trust_id in retired:
            self._sessions.delete_trust(trust_id)
        if retired:
            self.store.forget_retired_trusts(self.id)


def _environment(secrets: dict) -> dict[str, str]:
    return secrets["env"] | secrets.get("bound", {})


def _password_in(value: str) -> str | None:
    """That of a URL: a service may print it by itself."""
    try:
        return urllib.parse.urlsplit(value).password
    except ValueError:
        return None


class _Printed:
    """What one command prints, into the log by whole lines, however it arrives. The end of it may yet become
    a secret, so as much stays back until more has come."""

    def __init__(self, work: Work, step: str, number: int):
        self._work, self._step, self._number = work, step, number
        self._kept = ""

    def more(self, text: str) -> None:
        self._kept += text
        ready = max(len(self._kept) - max(map(len, self._work.hidden), default=0), 0)
        end = self._kept.rfind("\n", 0, ready) + 1 or (ready if ready > _LONGEST_LINE else 0)
        self._write(self._before_secrets(end))

    def close(self) -> None:
        self._write(len(self._kept))

    def _before_secrets(self, end: int) -> int:
        """``end``, or where the secret begins that goes on beyond it."""
        for value in self._work.hidden:
            start = self._kept.find(value, max(end - len(value) + 1, 0), end + len(value) - 1)
            if start >= 0:
                return self._before_secrets(start)
        return end

    def _write(self, end: int) -> None:
        if end > 0:
            self._work.say(self._step, self._number, self._kept[:end])
            self._kept = self._kept[end:]
