"""gatewayd: builds the parts and runs the roles, each in processes of its own under cotyledon."""

import asyncio
import contextlib
import pathlib
import socket
import sys
import threading
from collections.abc import Callable, Sequence

import cotyledon
import oslo_db.exception
import sqlalchemy.exc
from cotyledon import oslo_config_glue

# Granian has no public way to serve WSGI inside a process that exists; requirements.txt holds its version.
from granian._futures import _new_cbscheduler
from granian._granian import ListenerSpec, SocketHolder, WorkerSignal, WSGIWorker
from granian.http import HTTP1Settings, HTTP2Settings
from granian.wsgi import _callback_wrapper
from oslo_config import cfg
from oslo_log import log
from oslo_utils import netutils

from gateway import conf as options
from gateway import vault
from gateway.api import app as api
from gateway.api.service import checked_registration
from gateway.api.tokens import Tokens
from gateway.api.waiting import Waiting
from gateway.cloud.sessions import Sessions
from gateway.db import Database, schema
from gateway.deploy.engine import Engine
from gateway.deploy.store import DeploymentStore
from gateway.deploy.sweeper import Sweeper
from gateway.deploy.tunnel import Tunnels
from gateway.registry import rpc, trusted_keys
from gateway.registry.monitor import Monitor
from gateway.registry.registry import Registry
from gateway.registry.signature import Signer
from gateway.registry.store import RegistryStore

LOG = log.getLogger(__name__)


def configured(argv: Sequence[str], config_files: Sequence[str] | None = None) -> cfg.ConfigOpts:
    conf = options.load(argv, config_files)
    log.setup(conf, "gateway")
    return conf


def parts(conf: cfg.ConfigOpts) -> api.Parts:
    """Everything one process works with. Call it after any fork."""
    database = Database(conf)
    opened = vault.opened(conf)
    return api.Parts(
        conf=conf,
        sessions=Sessions(conf),
        deployments=DeploymentStore(database, opened, pathlib.Path(conf.state_path) / "artifacts"),
        registry=Registry(conf, RegistryStore(database), Signer(conf, opened, database)),
        waiting=Waiting(conf),
    )


def wsgi_application(conf: cfg.ConfigOpts):
    return api.application(parts(conf))


class Api(cotyledon.Service):
    """Serves the WSGI application on a socket that all API processes share."""

    name = "api"

    def __init__(self, worker_id: int, conf: cfg.ConfigOpts, listener: SocketHolder):
        super().__init__(worker_id)
        self._conf = conf
        self._listener = listener
        self._stop = WorkerSignal()
        self._drained = threading.Event()
        self._stop.add_cb(self._drained.set)  # called once every request under way is answered
        self._parts: api.Parts | None = None

    def run(self) -> None:
        self._parts = parts(self._conf)
        serve_wsgi(api.application(self._parts), self._listener, self._conf, self._stop)

    def terminate(self) -> None:
        if self._parts is not None:
            self._parts.waiting.close()
        self._stop.set()
        self._drained.wait()


def serve_wsgi(
    application: Callable, listener: SocketHolder, conf: cfg.ConfigOpts, stop: WorkerSignal
) -> None:
    """Starts granian's worker in this process and returns; ``stop.set()`` drains and ends it."""
    worker = WSGIWorker(
        1,  # worker id
        (None, listener),
        None,  # IPC, for metrics
        1,  # I/O threads
        16,  # their blocking threads
        conf.api.threads + conf.api.max_waiters,
        30,  # idle seconds of a thread
        1024 + conf.api.max_waiters,  # backpressure: connections
        "auto",
        HTTP1Settings(),
        HTTP2Settings(),
        None,  # static files
        *(False, None, None, None, "tls1.3", None, [], False),  # TLS
        (None, None),  # metrics
    )
    scheduler = _new_cbscheduler(
        loop := asyncio.new_event_loop(),
        _callback_wrapper(application, {"url_path_prefix": None}),
        impl_asyncio=True,
    )
    worker.serve_mtr(scheduler, loop, stop)


class UntilStopped(cotyledon.Service):
    """A role whose life is one call, ``work``, which returns soon after ``stop`` is set."""

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


class EngineRole(UntilStopped):
    """Runs and resumes the flows of deployments; beside it goes the sweep."""

    name = "engine"

    def work(self, built: api.Parts, stop: threading.Event) -> None:
        sweeper = Sweeper(self._conf, built.deployments, built.sessions)
        threading.Thread(target=sweeper.run, args=(stop,), name="sweep", daemon=True).start()
        Engine(self._conf, built.deployments, built.sessions, built.registry).run(stop)


class MonitorRole(UntilStopped):
    """Checks the health of every registered instance."""

    name = "monitor"

    def work(self, built: api.Parts, stop: threading.Event) -> None:
        with contextlib.closing(Tunnels(self._conf, built.deployments)) as tunnels:
            Monitor(self._conf, built.registry, tunnels.read).run(stop)


class RpcRole(UntilStopped):
    """Serves the registry over gRPC."""

    name = "rpc"

    def work(self, built: api.Parts, stop: threading.Event) -> None:
        conf = self._conf.rpc
        access = rpc.ByToken(Tokens(self._conf, built.sessions))
        servicer = rpc.RegistryService(built.registry, access, checked_registration)
        credentials = rpc.credentials(conf.cert_file, conf.key_file, conf.client_ca_file)
        address = f"{netutils.escape_ipv6(conf.host)}:{conf.port}"
        rpc.Listener(self._conf, servicer, address, credentials).serve(stop, conf.drain_timeout)


def _reserved(host: str, port: int) -> socket.socket:
    """Holds a port that several processes will listen on. Raises OSError when someone else does."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    held = socket.socket(family, socket.SOCK_STREAM)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((host, port))  # alone first: with the option a second gatewayd would be let in
        held.close()
        held = socket.socket(family, socket.SOCK_STREAM)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((host, port))
    except OSError as error:
        held.close()
        raise OSError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    return held


def _listener(conf: cfg.ConfigOpts) -> SocketHolder:
    """Raises OSError: granian says that a port is taken by a RuntimeError with a Rust backtrace in it."""
    try:
        return ListenerSpec(conf.api.host, conf.api.port, 1024).build()
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise OSError(f"cannot listen on {conf.api.host} port {conf.api.port}: {reason}") from error


def main() -> int:
    """The command ``gatewayd``."""
    try:
        conf = configured(sys.argv[1:])
        roles = conf.role or options.ROLES
        pathlib.Path(conf.state_path).mkdir(mode=0o750, parents=True, exist_ok=True)
        schema.upgrade(Database(conf))
        trusted_keys.load(conf)  # a file that is not there is told before anything starts
        vault.opened(conf)  # that its keys can be used is better said once, here, than by every process
        reserved: list[socket.socket] = []
        manager = cotyledon.ServiceManager()
        # SIGHUP: the files are read again, and every process drains and starts anew with what they say
        oslo_config_glue.setup(manager, conf)
        if "api" in roles:
            manager.add(Api, conf.api.workers, (conf, _listener(conf)))
        if "engine" in roles:
            manager.add(EngineRole, 1, (conf,))
        if "monitor" in roles:
            manager.add(MonitorRole, 1, (conf,))
        if "rpc" in roles:
            reserved.append(_reserved(conf.rpc.host, conf.rpc.port))
            rpc.credentials(conf.rpc.cert_file, conf.rpc.key_file, conf.rpc.client_ca_file)
            manager.add(RpcRole, conf.rpc.workers, (conf,))
    except (cfg.Error, OSError, sqlalchemy.exc.SQLAlchemyError, oslo_db.exception.DBError) as error:
        print(f"gatewayd: {error}", file=sys.stderr)
        return 1
    manager.run()
    return 0
