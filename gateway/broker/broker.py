"""Makes and removes, on their servers, what the store says: so that it holds whenever the process is killed.

What is wanted is stored first, with the passwords; then one call after another makes it so, each of which may
be made again, and the store is told last. What fails is removed by its name, again and again until that is
done.
"""

import asyncio
import concurrent.futures
import functools
import ipaddress
import pathlib
import threading
import time
from collections import Counter

import fasteners
from oslo_config import cfg
from oslo_log import log

from gateway import errors, periodic
from gateway.broker.model import Binding, Fault, Provider, Service, Status, on_server
from gateway.broker.providers import TYPES, Server
from gateway.broker.providers.login import Login
from gateway.broker.store import BrokerStore
from gateway.registry import guard

LOG = log.getLogger(__name__)

_RETRY_FIRST, _RETRY_MOST = 1.0, 60.0  # seconds between tries
_AT_ONE_PROVIDER = 4  # services worked on at the same time: one that hangs does not stop the others
_FORGETTING = 3600.0  # seconds between looks for what failed long ago


class Reach:
    """Which servers may be connected to, and how."""

    def __init__(self, conf: cfg.ConfigOpts):
        self._conf = conf
        self._guard = guard.Guard(conf)
        self._allowed = [ipaddress.ip_network(network) for network in conf.broker.allowed_networks]

    def server(self, provider: Provider) -> Server:
        """Raises Invalid for a host that is none or may not be connected to, ProviderError for a name that
        is not known."""
        login = Login(
            provider.name,
            self._address(provider),
            provider.port,
            provider.username,
            provider.password,
            self._conf.broker.timeout,
        )
        return TYPES[provider.type].server(login)

    def _address(self, provider: Provider) -> str:
        """Resolved anew each time: a name may point elsewhere tomorrow."""
        try:
            address = guard.parse(provider.host)
        except ValueError as error:
            raise _bad_host(str(error)) from error
        if isinstance(address, str):
            try:
                address = asyncio.run(guard.resolved(address))
            except OSError as error:  # a timeout is such, too
                raise errors.ProviderError(
                    "gateway.provider.unreachable",
                    f"Provider {provider.name}: the host name {provider.host} is not known.",
                ) from error
        blocking = self._guard.blocking(address)
        if blocking is not None and not any(address in network for network in self._allowed):
            raise _bad_host(
                f"{provider.host} is in {blocking} of [registry] blocked_networks, and not in [broker] "
                "allowed_networks"
            )
        return str(address)


def _bad_host(why: str) -> errors.Invalid:
    return errors.Invalid("gateway.provider.host", f"host: {why}.", field="provider.host")


class Broker:
    """The one of a gateway's state_path; ``run`` is its whole life."""

    def __init__(self, conf: cfg.ConfigOpts, store: BrokerStore):
        self._conf = conf
        self._store = store
        self._server = Reach(conf).server
        self._lock = fasteners.InterProcessLock(pathlib.Path(conf.state_path) / "broker.lock")
        self._running: dict[str, tuple[str, concurrent.futures.Future]] = {}  # by service: its provider
        self._retries = periodic.Retries(_RETRY_FIRST, _RETRY_MOST)
        self._forgotten_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Until ``stop``; what is under way then gets [engine] drain_timeout, and goes on at the next
        start."""
        pool = concurrent.futures.ThreadPoolExecutor(self._conf.broker.max_work, "broker")
        look = functools.partial(self._take, pool)
        periodic.every(self._conf.engine.poll_interval, stop, "Looking for work", look)
        futures = [future for _, future in self._running.values()]
        concurrent.futures.wait(futures, self._conf.engine.drain_timeout)
        # the lock ends with the process: what hangs yet has it
        pool.shutdown(wait=False, cancel_futures=True)

    def _take(self, pool: concurrent.futures.ThreadPoolExecutor) -> None:
        if not (self._lock.acquired or self._lock.acquire(blocking=False)):  # another one may yet drain
            return
        self._running = {id: each for id, each in self._running.items() if not each[1].done()}
        busy = Counter(provider for provider, _ in self._running.values())
        waiting = self._store.unfinished()
        self._retries.forget_all_but([id for id, _ in waiting])
        for id, provider in waiting:
            is_free = id not in self._running and busy[provider] < _AT_ONE_PROVIDER
            if is_free and self._retries.is_due(id):
                busy[provider] += 1
                self._running[id] = provider, pool.submit(self._work_on, id)
        if time.monotonic() - self._forgotten_at > _FORGETTING:
            self._forgotten_at = time.monotonic()
            self._store.forget_failed(time.time() - self._conf.broker.failed_kept_for)

    def _work_on(self, id: str) -> None:
        service = self._store.by_id(id)
        if service is None:
            return
        try:
            self._advance(service, self._store.provider(service.provider))
            self._retries.forget(id)
        except Exception as error:
            delay = self._retries.failed(id)
            known = isinstance(error, errors.GatewayError)
            told = error.message if known else "the gateway failed"
            LOG.warning("Service %s: %s; trying again in %.0f s", id, told, delay, exc_info=not known)

    def _advance(self, service: Service, provider: Provider) -> None:
        """Raises what is to be tried again."""
        match service.status:
            case Status.CREATING:
                self._create(service, provider)
            case Status.UPDATING:
                self._update(service, provider)
            case Status.READY:
                for binding in service.bindings:
                    self._advance_binding(service, provider, binding)
            case Status.REVERTING | Status.DELETING:
                self._server(provider).remove(on_server(service.id))
                if service.status is Status.DELETING:
                    self._store.remove(service)
                else:
                    self._store.move(service, Status.FAILED, service.fault)

    def _create(self, service: Service, provider: Provider) -> None:
        try:
            self._make(service, provider)
        except Exception as error:
            self._store.move(service, Status.REVERTING, _fault(service.id, error))
            return
        self._settle(service)

    def _update(self, service: Service, provider: Provider) -> None:
        """It is there and works: what fails is tried again until it is as wanted."""
        try:
            self._make(service, provider)
        except Exception as error:
            if service.fault is None:
                self._store.move(service, Status.UPDATING, _fault(service.id, error))
            raise
        self._settle(service)

    def _make(self, service: Service, provider: Provider) -> None:
        server, name, limits = self._server(provider), on_server(service.id), provider.plans[service.plan]
        server.ensure(name, limits)
        for binding in service.bindings:
            if binding.status in (Status.CREATING, Status.READY):
                server.bind(name, binding.user, binding.password, limits)

    def _settle(self, service: Service) -> None:
        for binding in service.bindings:
            if binding.status is Status.CREATING:
                self._store.move_binding(binding, Status.READY)
        self._store.move(service, Status.READY)

    def _advance_binding(self, service: Service, provider: Provider, binding: Binding) -> None:
        name = on_server(service.id)
        match binding.status:
            case Status.CREATING:
                try:
                    limits = provider.plans[service.plan]
                    self._server(provider).bind(name, binding.user, binding.password, limits)
                except Exception as error:
                    self._store.move_binding(binding, Status.REVERTING, _fault(service.id, error))
                else:
                    self._store.move_binding(binding, Status.READY)
            case Status.REVERTING:
                self._server(provider).unbind(name, binding.user)
                self._store.move_binding(binding, Status.FAILED, binding.fault)
            case Status.DELETING:
                self._server(provider).unbind(name, binding.user)
                self._store.remove_binding(binding)


def _fault(service_id: str, error: Exception) -> Fault:
    if isinstance(error, errors.GatewayError):
        LOG.info("Service %s: %s", service_id, error.message)
        return Fault(error.code, error.message)
    LOG.exception("Service %s failed", service_id, exc_info=error)
    return Fault("gateway.internal", "The gateway failed; its log has more.")
