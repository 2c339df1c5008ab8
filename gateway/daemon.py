"""gatewayd: builds the parts and runs the roles, each in processes of its own under cotyledon."""

import contextlib
import logging
import pathlib
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

import cotyledon
import oslo_db.exception
import sqlalchemy.exc
from cotyledon import oslo_config_glue
from oslo_config import cfg
from oslo_log import log

from gateway import conf as options
from gateway import coordination, errors, exporter, serving, supervision, vault, worker
from gateway.api import app as api
from gateway.api import audit_rpc, changes, consul, standalone
from gateway.api.audit import Audit
from gateway.api.service import checked_registration
from gateway.api.tokens import Tokens
from gateway.api.waiting import Waiting
from gateway.binding.rotation import Rotator
from gateway.binding.server import OnServers
from gateway.broker.broker import Broker
from gateway.broker.roll import Roll
from gateway.broker.store import BrokerStore
from gateway.cloud.credentials import Credentials
from gateway.cloud.sessions import Sessions
from gateway.db import Database, locks, schema
from gateway.deploy import bound
from gateway.deploy.command_check import Commands
from gateway.deploy.engine import Engine
from gateway.deploy.heal import Healer
from gateway.deploy.jobboard import Jobboard
from gateway.deploy.server_states import ServerStates
from gateway.deploy.store import DeploymentStore
from gateway.deploy.sweeper import Sweeper
from gateway.deploy.tunnel import Tunnels
from gateway.deploy.work import Work
from gateway.registry import dns, notifications, rpc, trusted_keys
from gateway.registry.model import Kind
from gateway.registry.monitor import Monitor
from gateway.registry.notifications import Notifications
from gateway.registry.registry import Registry
from gateway.registry.signature import Signer
from gateway.registry.standalone import Networks, Standalone
from gateway.registry.store import RegistryStore
from gateway.registry.subscriptions import SubscriptionStore
from gateway.registry.webhooks import Webhooks

LOG = log.getLogger(__name__)

_FREED_WITHIN = 10.0  # seconds, for an engine that is ending
_LEAVING = 2.0  # seconds for what goes on beside a role, each, to see that it has to end
_FAREWELL = 2.0  # seconds for the audit events that wait when a process ends


def configured(argv: Sequence[str], config_files: Sequence[str] | None = None) -> cfg.ConfigOpts:
    conf = options.load(argv, config_files)
    log.setup(conf, "gateway")
    logging.captureWarnings(True)  # Python's own, which would stand in the log as they are
    return conf


def parts(conf: cfg.ConfigOpts) -> api.Parts:
    """Everything one process works with. Call it after any fork."""
    database = Database(conf)
    opened = vault.opened(conf)
    broker = BrokerStore(database, opened, bound.uses)
    artifacts = pathlib.Path(conf.state_path) / "artifacts"
    return api.Parts(
        conf=conf,
        database=database,
        sessions=Sessions(conf, Credentials(database, opened)),
        deployments=DeploymentStore(database, opened, artifacts, broker.hold),
        registry=Registry(conf, RegistryStore(database), Signer(conf, opened, database)),
        subscriptions=SubscriptionStore(database, opened),
        broker=broker,
        waiting=Waiting(conf),
        audit=Audit(conf),
        vault=opened,
    )


def wsgi_application(conf: cfg.ConfigOpts):
    return api.application(parts(conf))


class Api(cotyledon.Service):
    """Serves WSGI applications on sockets that all API processes share."""

    name = "api"
    serves: Callable[[], None]  # the supervisor's

    def __init__(self, worker_id: int, conf: cfg.ConfigOpts, sites: Sequence[serving.Site]):
        super().__init__(worker_id)
        self._conf = conf
        self._servers = [serving.Server(site) for site in sites]
        self._parts: api.Parts | None = None

    def run(self) -> None:
        self._parts = parts(self._conf)
        for server in self._servers:
            server.start(self._parts)
        self.serves()

    def terminate(self) -> None:
        if self._parts is not None:
            self._parts.waiting.close()
        for server in self._servers:
            server.stop()
        for server in self._servers:
            server.drained.wait()
        if self._parts is not None:
            self._parts.audit.close(_FAREWELL)


class UntilStopped(cotyledon.Service):
    """A role whose life is one call, ``work``; it calls ``serves``, and returns once ``stop`` is set."""

    serves: Callable[[], None]  # the supervisor's

    def __init__(self, worker_id: int, conf: cfg.ConfigOpts):
        super().__init__(worker_id)
        self._conf = conf
        self._stop = threading.Event()
        self._stopped = threading.Event()

    def run(self) -> None:
        try:
            self.work(parts(self._conf), self._stop)
        finally:
            self._stopped.set()

    def terminate(self) -> None:
        self._stop.set()
        self._stopped.wait()


@contextlib.contextmanager
def _together(
    conf: cfg.ConfigOpts, role: str, built: api.Parts, once: Sequence, stop: threading.Event
) -> Iterator[coordination.Coordination]:
    """One of all processes of the role; each of ``once`` runs beside it, in one of them alone."""
    member = coordination.Coordination(conf, role, built.registry.is_up)
    member.start()
    beside = [
        threading.Thread(target=member.alone, args=(type(each).__name__, each.run, stop), daemon=True)
        for each in once
    ]
    for thread in beside:
        thread.start()
    yield member
    for thread in beside:
        thread.join(_LEAVING)
    if not any(thread.is_alive() for thread in beside):  # else the others wait for the end of its lease
        member.stop()


class EngineRole(UntilStopped):
    """Runs and resumes the flows of deployments; beside it go the sweep, the look for dead servers, and the
    broker with its rotations, each in one engine of all."""

    name = "engine"

    def work(self, built: api.Parts, stop: threading.Event) -> None:
        self.serves()  # also where it stands by for the engine that another daemon has
        if self._conf.coordination.backend_url:
            self._work(built, stop)
            return
        with locks.held(Database(self._conf).engine, self.name, float("inf"), stop):
            self._work(built, stop)

    def _work(self, built: api.Parts, stop: threading.Event) -> None:
        sweeper = Sweeper(self._conf, built.deployments, built.sessions)
        healer = Healer(self._conf, built.deployments, built.sessions, built.registry)
        rotator = Rotator(self._conf, built.broker, built.deployments)
        roll, drivers = Roll(self._conf, built.registry), {"server": OnServers(built.deployments)}
        broker = Broker(self._conf, built.broker, roll, drivers)
        with _together(self._conf, self.name, built, (sweeper, healer, rotator, broker), stop) as together:
            board = None
            if self._conf.coordination.backend_url:
                board = Jobboard(self._conf, built.deployments, together.id, together.mine)
            Engine(self._conf, built.deployments, built.sessions, built.registry, board).run(stop)


class MonitorRole(UntilStopped):
    """Checks the health of every registered instance, and tells the webhooks what changes."""

    name = "monitor"

    def work(self, built: api.Parts, stop: threading.Event) -> None:
        webhooks = Webhooks(self._conf, built.subscriptions, built.registry.feed, changes.view)
        notifications = Notifications(self._conf, built.subscriptions, built.registry.feed, changes.view)
        servers = ServerStates(built.deployments, built.sessions)

        def access(deployment, number):
            work = Work(self._conf, built.deployments, built.sessions, built.registry, deployment)
            return work.access(number)

        with (
            _together(self._conf, self.name, built, (webhooks, notifications), stop) as together,
            contextlib.closing(Tunnels(self._conf, built.deployments)) as tunnels,
            contextlib.closing(Commands(self._conf, built.deployments, access)) as commands,
        ):
            probes = {"tunnel": tunnels.read, Kind.SSH: commands.read}
            self.serves()
            Monitor(self._conf, built.registry, probes, servers, together).run(stop)


class RpcRole(UntilStopped):
    """Serves the registry over gRPC."""

    name = "rpc"

    def work(self, built: api.Parts, stop: threading.Event) -> None:
        grace = self._conf.rpc.drain_timeout
        listeners = list(self._listeners(built))
        for listener in listeners:
            listener.start()
        self.serves()
        threads = [threading.Thread(target=each.serve, args=(stop, grace)) for each in listeners]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        built.audit.close(_FAREWELL)

    def _listeners(self, built: api.Parts) -> Iterator[rpc.Listener]:
        conf = self._conf
        tokens = Tokens(conf, built.sessions)
        servicer = rpc.RegistryService(built.registry, rpc.ByToken(tokens), checked_registration)
        tls = rpc.credentials(conf.rpc.cert_file, conf.rpc.key_file, conf.rpc.client_ca_file)
        told = audit_rpc.interceptors(built.audit, tokens.caller)
        yield rpc.Listener(conf, servicer, serving.place(conf.rpc.host, conf.rpc.port), tls, told)
        own = conf.standalone
        if own.rpc_port:
            networks = Networks(own.project_id, own.allowed_networks)
            registry = Standalone(conf, built.registry)
            servicer = rpc.RegistryService(registry, networks, checked_registration)
            told = audit_rpc.interceptors(built.audit, lambda token: None)  # which nobody looks at
            yield rpc.Listener(conf, servicer, serving.place(own.host, own.rpc_port), None, told)


class MetricsRole(cotyledon.Service):
    """Shows Prometheus what all processes of this gatewayd count."""

    name = "metrics"
    serves: Callable[[], None]  # the supervisor's

    def __init__(self, worker_id: int, conf: cfg.ConfigOpts):
        super().__init__(worker_id)
        self._conf = conf
        self._close = lambda: None

    def run(self) -> None:
        self._close = exporter.serve(self._conf)
        self.serves()

    def terminate(self) -> None:
        self._close()


class DnsRole(UntilStopped):
    """Serves the registry as a DNS zone; a part of the role rpc."""

    name = "dns"

    def work(self, built: api.Parts, stop: threading.Event) -> None:
        dns.Listener(self._conf, built.registry).serve(stop, self.serves)


def _rpc_places(conf: cfg.ConfigOpts) -> list[tuple[str, int]]:
    """Where the role rpc listens."""
    own = conf.standalone
    return [(conf.rpc.host, conf.rpc.port), *([(own.host, own.rpc_port)] if own.rpc_port else [])]


def _sites(conf: cfg.ConfigOpts) -> list[serving.Site]:
    """What the role api serves. Raises OSError for a port that is taken."""
    own = conf.standalone
    sites = [serving.Site(api.application, serving.listener(conf.api.host, conf.api.port))]
    if own.http_port:
        sites.append(serving.Site(standalone.application, serving.listener(own.host, own.http_port)))
    if own.https_port:
        listener = serving.listener(own.host, own.https_port)
        tls = serving.Tls(own.cert_file, own.key_file).check()
        sites.append(serving.Site(standalone.application, listener, tls))
    if conf.consul.port:
        sites.append(serving.Site(consul.application, serving.listener(conf.consul.host, conf.consul.port)))
    return sites


def _check_alone(database: Database) -> None:
    """Raises Conflict where an engine works on this database, on whatever host; one that ends gets time."""
    with locks.held(database.engine, EngineRole.name, _FREED_WITHIN) as taken:
        if not taken:
            raise errors.Conflict(
                "gateway.coordination.taken",
                "another gatewayd has the role engine of this database, and there is one without "
                "[coordination] backend_url: etcd or Redis, by which any number of them work together.",
            )


#: Why a gatewayd does not start.
_REFUSED = (
    cfg.Error,
    OSError,
    sqlalchemy.exc.SQLAlchemyError,
    oslo_db.exception.DBError,
    errors.Conflict,
)


def main() -> int:
    """The command ``gatewayd``."""
    try:
        conf = configured(sys.argv[1:])
        roles = conf.role or options.ROLES
        pathlib.Path(conf.state_path).mkdir(mode=0o750, parents=True, exist_ok=True)
        database = Database(conf)
        schema.upgrade(database)
        trusted_keys.load(conf)  # a file that is not there is told before anything starts
        opened = vault.opened(conf)  # that its keys can be used is said once, here, not by every process
        if "monitor" in roles:
            notifications.begin(conf, SubscriptionStore(database, opened), RegistryStore(database).index())
        single = {"engine", "monitor"} & set(roles)
        taken = [coordination.only_one(conf, role) for role in single]  # noqa: F841 (held)
        if "engine" in roles and not conf.coordination.backend_url:
            _check_alone(database)
        manager = cotyledon.ServiceManager()
        supervisor = supervision.Supervisor(conf, manager)
        # SIGHUP: the files are read again, and every process drains and starts anew with what they say
        oslo_config_glue.setup(manager, conf)
        worker.setup(manager, conf)
        if conf.metrics.port:
            serving.check_free(conf.metrics.host, conf.metrics.port)
            supervisor.add(MetricsRole, 1, (conf,))
        if "api" in roles:
            supervisor.add(Api, conf.api.workers, (conf, _sites(conf)))
        if "engine" in roles:
            supervisor.add(EngineRole, 1, (conf,))
        if "monitor" in roles:
            supervisor.add(MonitorRole, 1, (conf,))
        if "rpc" in roles:
            reserved = [serving.reserved(host, port) for host, port in _rpc_places(conf)]  # noqa: F841 (held)
            rpc.credentials(conf.rpc.cert_file, conf.rpc.key_file, conf.rpc.client_ca_file)
            supervisor.add(RpcRole, conf.rpc.workers, (conf,))
            if conf.dns.port:
                serving.check_free(conf.dns.host, conf.dns.port, socket.SOCK_STREAM)
                serving.check_free(conf.dns.host, conf.dns.port, socket.SOCK_DGRAM)
                supervisor.add(DnsRole, 1, (conf,))
    except _REFUSED as error:
        print(f"gatewayd: {error}", file=sys.stderr)
        return 1
    supervisor.run()
    return 0
