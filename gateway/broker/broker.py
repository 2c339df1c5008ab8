"""Makes and removes, at their providers, what the store says; it holds whenever the process is killed.

What is wanted is stored first, with the passwords; then one call after another makes it so, each of which may
be made again, and the store is told last. What fails is removed by its name, again and again until that is
done. What a provider takes long for is asked for again, and no thread waits for it.
"""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import functools
import ipaddress
import pathlib
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping

import fasteners
from oslo_config import cfg
from oslo_log import log

from gateway import errors, metrics, periodic
from gateway.broker.model import Binding, Fault, Pending, Plan, Provider, Service, Status
from gateway.broker.providers import TYPES, Driver
from gateway.broker.providers.login import Login
from gateway.broker.roll import Roll
from gateway.broker.store import BrokerStore
from gateway.registry import guard

LOG = log.getLogger(__name__)

_RETRY_FIRST, _RETRY_MOST = 1.0, 60.0  # seconds between tries
_AT_ONE_PROVIDER = 4  # services worked on at the same time: one that hangs does not stop the others
_CHECKS_AT_ONCE = 8
_FORGETTING = 3600.0  # seconds between looks for what failed long ago


class Reach:
    """Which providers may be connected to, and how. ``drivers`` are those by type that have no login."""

    def __init__(self, conf: cfg.ConfigOpts, drivers: Mapping[str, Driver] | None = None):
        self._conf = conf
        self._drivers = drivers or {}
        self._guard = guard.Guard(conf)
        self._allowed = [ipaddress.ip_network(network) for network in conf.broker.allowed_networks]

    def driver(self, provider: Provider) -> Driver:
        """Raises Invalid for a host that is none or may not be connected to, ProviderError for a name that
        is not known."""
        if provider.type in self._drivers:
            return _Counted(self._drivers[provider.type], provider.type)
        login = Login(provider, self._address(provider), self._conf.broker.timeout)
        return _Counted(TYPES[provider.type].driver(login), provider.type)

    def _address(self, provider: Provider) -> str:
        """Resolved anew each time: a name may point elsewhere tomorrow."""
        try:
            address = guard.parse(provider.host)
            if provider.port == 0:
                raise ValueError("port 0 is none")
        except ValueError as error:
            raise bad_host(provider.type, str(error)) from error
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
            raise bad_host(
                provider.type,
                f"{provider.host} is in {blocking} of [registry] blocked_networks, and not in [broker] "
                "allowed_networks",
            )
        return str(address)


class _Counted:
    """A driver whose calls are counted."""

    def __init__(self, driver: Driver, type: str):
        self._driver, self._type = driver, type

    def __getattr__(self, name: str):
        return metrics.BROKER_OPERATIONS.counting(self._type, name)(getattr(self._driver, name))


def bad_host(type: str, why: str) -> errors.Invalid:
    member = "url" if "url" in TYPES[type].needs else "host"
    return errors.Invalid("gateway.provider.host", f"{member}: {why}.", field=f"provider.{member}")


class Broker:
    """The one of a gateway: of its state_path or, where engines share the work out, of them all. ``run`` may
    be called again when it has returned."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        store: BrokerStore,
        roll: Roll,
        drivers: Mapping[str, Driver] | None = None,
    ):
        self._conf = conf
        self._store = store
        self._roll = roll
        self._driver = Reach(conf, drivers).driver
        self._lock = fasteners.InterProcessLock(pathlib.Path(conf.state_path) / "broker.lock")
        self._is_alone = bool(conf.coordination.backend_url)  # without the lock
        self._stop = threading.Event()
        self._running: dict[str, tuple[str, concurrent.futures.Future]] = {}  # by service: its provider
        self._retries = periodic.Retries(_RETRY_FIRST, _RETRY_MOST)
        self._forgotten_at = 0.0
        self._checked_at = time.monotonic()  # providers were, when they were attached
        self._measured_at = 0.0
        self._checkers: concurrent.futures.ThreadPoolExecutor
        self._checks: dict[str, concurrent.futures.Future] = {}  # by provider

    def run(self, stop: threading.Event) -> None:
        """Until ``stop``; what is under way then gets [engine] drain_timeout, and goes on at the next
        start, or where another engine has it next. Nothing more is begun once ``stop`` is set, however late
        that is seen."""
        self._stop = stop
        self._checkers = concurrent.futures.ThreadPoolExecutor(_CHECKS_AT_ONCE, "provider")
        pool = concurrent.futures.ThreadPoolExecutor(self._conf.broker.max_work, "broker")
        look = functools.partial(self._take, pool)
        periodic.every(
            self._conf.engine.poll_interval, stop, "Looking for work", look, self._store.commits().looking
        )
        futures = [future for _, future in self._running.values()]
        concurrent.futures.wait(futures, self._conf.engine.drain_timeout)
        # the lock ends with the process: what hangs yet has it
        pool.shutdown(wait=False, cancel_futures=True)
        self._checkers.shutdown(wait=False, cancel_futures=True)

    def _take(self, pool: concurrent.futures.ThreadPoolExecutor) -> None:
        is_ours = self._is_alone or self._lock.acquired or self._lock.acquire(blocking=False)
        if not is_ours:  # another one may yet drain
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
        interval = self._conf.broker.size_interval
        if interval and time.monotonic() - self._measured_at > interval:
            self._measured_at = time.monotonic()
            self._measure_all()
        if time.monotonic() - self._checked_at > self._conf.broker.check_interval:
            self._checked_at = time.monotonic()
            self._check_all()
        if time.monotonic() - self._forgotten_at > _FORGETTING:
            self._forgotten_at = time.monotonic()
            self._store.forget_failed(time.time() - self._conf.broker.failed_kept_for)

    def _measure_all(self) -> None:
        for provider in self._store.providers():
            if TYPES[provider.type].measures:
                self._checkers.submit(self._measure, provider)

    def _measure(self, provider: Provider) -> None:
        try:
            self._store.keep_sizes(provider.name, self._driver(provider).sizes())
        except errors.GatewayError as error:
            LOG.info("The sizes on provider %s: %s", provider.name, error.message)
        except Exception:
            LOG.exception("The sizes on provider %s", provider.name)

    def _check_all(self) -> None:
        """Each for itself: those that hang keep none of the others waiting."""
        providers = self._store.providers()
        self._roll.keep(providers)
        for each in providers:
            if each.name not in self._checks or self._checks[each.name].done():
                self._checks[each.name] = self._checkers.submit(self._check, each)

    def _check(self, provider: Provider) -> None:
        """What it offers is kept, too, where it has a catalogue."""
        try:
            offers = self._driver(provider).check(provider.offers)
            if self._stop.is_set():
                return
            if TYPES[provider.type].has_catalogue and self._store.keep_catalogue(provider.name, offers):
                LOG.info("Provider %s offers something else than before", provider.name)
            self._roll.tell(provider, True, "it answers, and lets its manager in")
        except errors.NotFound:
            pass  # it is gone or going
        except errors.GatewayError as error:
            LOG.info("A check of provider %s: %s", provider.name, error.message)
            self._roll.tell(provider, False, error.message)
        except Exception:
            LOG.exception("A check of provider %s", provider.name)

    def _work_on(self, id: str) -> None:
        service = self._store.by_id(id)
        if service is None or self._stop.is_set():
            return
        try:
            self._advance(service, self._store.provider(service.provider))
            self._retries.forget(id)
        except Pending as pending:
            self._store.keep_operation(pending.about, pending.operation)
            self._retries.later(id, pending.after)
        except Exception as error:
            self._store.forget_operations(id)
            delay = self._retries.failed(id)
            known = isinstance(error, errors.GatewayError)
            told = error.message if known else "the gateway failed"
            LOG.warning("Service %s: %s; trying again in %.0f s", id, told, delay, exc_info=not known)

    def _advance(self, service: Service, provider: Provider) -> None:
        """Raises what is to be tried again, and Pending."""
        match service.status:
            case Status.CREATING:
                self._create(service, provider)
            case Status.UPDATING:
                self._update(service, provider)
            case Status.READY:
                self._advance_bindings(service, provider)
            case Status.REVERTING | Status.DELETING:
                self._driver(provider).remove(service, _plan_in_force(service, provider))
                if service.status is Status.DELETING:
                    self._store.remove(service)
                    if provider.status is Status.DELETING:  # it goes with its last one
                        self._roll.keep(self._store.providers())
                else:
                    self._store.move(service, Status.FAILED, service.fault)

    def _create(self, service: Service, provider: Provider) -> None:
        try:
            with self._in_time(service.updated_at, _plan(service, provider)):
                made = self._make(service, provider)
        except Pending:
            raise
        except Exception as error:
            self._store.move(service, Status.REVERTING, _fault(service.id, error))
            return
        self._settle(service, made)

    def _update(self, service: Service, provider: Provider) -> None:
        """It is there and works: what fails is tried again until it is as wanted."""
        try:
            made = self._make(service, provider)
        except Pending:
            raise
        except Exception as error:
            if service.fault is None or service.operation is not None:
                self._store.move(service, Status.UPDATING, _fault(service.id, error))
            raise
        self._settle(service, made)

    def _make(self, service: Service, provider: Provider) -> list[Binding]:
        """Its bindings, with their credentials."""
        driver, plan = self._driver(provider), _plan(service, provider)
        driver.ensure(service, plan)
        return [
            dataclasses.replace(each, credentials=driver.bind(service, each, plan))
            for each in service.bindings
            if each.status in (Status.CREATING, Status.READY)
        ]

    def _settle(self, service: Service, made: list[Binding]) -> None:
        for binding in made:
            self._store.move_binding(binding, Status.READY)
        self._store.move(service, Status.READY)

    def _advance_bindings(self, service: Service, provider: Provider) -> None:
        """Each of them, whatever becomes of the others."""
        failures: list[Exception] = []
        for binding in service.bindings:
            try:
                self._advance_binding(service, provider, binding)
            except Pending as pending:
                self._store.keep_operation(binding, pending.operation)
                failures.append(pending)
            except Exception as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def _advance_binding(self, service: Service, provider: Provider, binding: Binding) -> None:
        plan = _plan_in_force(service, provider)
        match binding.status:
            case Status.CREATING:
                try:
                    with self._in_time(binding.created_at, plan):
                        credentials = self._driver(provider).bind(service, binding, plan)
                except Pending:
                    raise
                except Exception as error:
                    self._store.move_binding(binding, Status.REVERTING, _fault(service.id, error))
                else:
                    made = dataclasses.replace(binding, credentials=credentials)
                    self._store.move_binding(made, Status.READY)
            case Status.REVERTING:
                self._driver(provider).unbind(service, binding, plan)
                self._store.move_binding(binding, Status.FAILED, binding.fault)
            case Status.DELETING:
                self._driver(provider).unbind(service, binding, plan)
                self._store.remove_binding(binding)

    @contextlib.contextmanager
    def _in_time(self, began: float, plan: Plan) -> Iterator[None]:
        """What is pending for too long is given up: raises Timeout."""
        most = min(self._conf.broker.operation_timeout, plan.patience or float("inf"))
        try:
            yield
        except Pending as pending:
            if time.time() - began < most:
                raise
            raise errors.Timeout(
                "gateway.provider.timeout", f"The provider did not get done with it within {most:g} s."
            ) from pending


def _plan(service: Service, provider: Provider) -> Plan:
    return provider.offers[service.type][service.plan]


def _plan_in_force(service: Service, provider: Provider) -> Plan:
    return provider.plan(service.type, service.in_force or service.plan) or _plan(service, provider)


def _fault(service_id: str, error: Exception) -> Fault:
    if isinstance(error, errors.GatewayError):
        LOG.info("Service %s: %s", service_id, error.message)
        return Fault(error.code, error.message)
    LOG.exception("Service %s failed", service_id, exc_info=error)
    return Fault("gateway.internal", "The gateway failed; its log has more.")
