"""What operators see of the gateway in numbers: every metric there is, and Prometheus' client behind them.

Nothing is counted until ``setup`` is called, which the daemon does where [metrics] has a port. Each process
then counts in files of its own, named for it (``begin``), and one of them shows the sums (``serve``). One
that is started again goes on in the files of the one before it.

No label names a project, a person or anything of theirs, and each has few values.
"""

import contextlib
import os
import pathlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import prometheus_client
import prometheus_client.core
import prometheus_client.multiprocess
import prometheus_client.values

ALL: list["Metric"] = []

#: What a scrape reads from elsewhere: each metric's values by their labels.
Standing = Mapping["Metric", Mapping[tuple[str, ...], float]]

_SECONDS = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
#: The first bound: what took no longer may be counted in one go (``observe_many``).
QUICK = _SECONDS[0]


class _Histogram(prometheus_client.Histogram):
    def observe_many(self, count: int, total: float) -> None:
        """``count`` of at most ``QUICK`` each, ``total`` together. The client observes one by one alone."""
        self._sum.inc(total)
        self._buckets[0].inc(count)


_KINDS = {"counter": prometheus_client.Counter, "histogram": _Histogram, "gauge": prometheus_client.Gauge}


class Metric:
    """``kind``: counter, histogram (of seconds), gauge, or standing: a gauge that is read when it is asked
    for. Labels are given in their order."""

    def __init__(self, kind: str, name: str, help: str, *labels: str, **options):
        self.kind, self.name, self.help, self.labels = kind, name, help, labels
        self._options = options | ({"buckets": _SECONDS} if kind == "histogram" else {})
        self._made = None
        self._children: dict[tuple[str, ...], object] = {}
        ALL.append(self)

    def make(self) -> None:
        self._children = {}
        if self.kind in _KINDS:
            self._made = _KINDS[self.kind](self.name, self.help, self.labels, registry=None, **self._options)

    def inc(self, *labels: str, by: float = 1) -> None:
        if self._made is not None:
            self._child(labels).inc(by)

    def set(self, value: float, *labels: str) -> None:
        if self._made is not None:
            self._child(labels).set(value)

    def observe(self, seconds: float, *labels: str) -> None:
        if self._made is not None:
            self._child(labels).observe(seconds)

    def observe_many(self, count: int, total: float, *labels: str) -> None:
        if self._made is not None:
            self._child(labels).observe_many(count, total)

    @contextlib.contextmanager
    def counting(self, *labels: str) -> Iterator[None]:
        """Counts what is done within, or by the function that it decorates; the last label is how it ended:
        ``ok``, or the last word of the code of what was raised."""
        try:
            yield
        except Exception as error:
            code = getattr(error, "code", None)
            self.inc(*labels, code.rpartition(".")[2] if isinstance(code, str) else type(error).__name__)
            raise
        self.inc(*labels, "ok")

    @contextlib.contextmanager
    def timing(self, *labels: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.observe(time.monotonic() - began, *labels)

    def _child(self, labels: tuple[str, ...]):
        child = self._children.get(labels)
        if child is None:
            child = self._children[labels] = self._made.labels(*labels) if labels else self._made
        return child


HTTP_REQUESTS = Metric(
    "counter",
    "gateway_http_requests_total",
    "Requests answered by HTTP; the route is the URL of the API's table, other for what is not in it.",
    "method",
    "route",
    "status",
)
HTTP_SECONDS = Metric(
    "histogram",
    "gateway_http_request_duration_seconds",
    "Until an answer began; of requests that wait for changes that is most of the time.",
    "method",
    "route",
)
RPC_CALLS = Metric(
    "counter",
    "gateway_rpc_calls_total",
    "Calls answered by gRPC; the result is the status' name, of Register the word that it answers.",
    "method",
    "result",
)
FLOWS = Metric(
    "counter",
    "gateway_flows_total",
    "What the engine did with deployments: create and update run their steps; finish, restore, remove and "
    "delete follow. The result is ok, failed, suspended (for a shutdown), or what is tried again.",
    "flow",
    "result",
)
FLOW_SECONDS = Metric("histogram", "gateway_flow_duration_seconds", "How long those runs took.", "flow")
STEPS = Metric(
    "counter",
    "gateway_steps_total",
    "Steps of deployments: ok, failed, or reverted, as those before a failed one are.",
    "step",
    "result",
)
STEP_SECONDS = Metric(
    "histogram",
    "gateway_step_duration_seconds",
    "How long steps took until they were done or had failed.",
    "step",
)
SSH_CONNECTIONS = Metric(
    "counter",
    "gateway_ssh_connections_total",
    "Logins on servers: ok, or why not (unreachable is tried again while a server boots).",
    "result",
)
SSH_COMMANDS = Metric(
    "counter",
    "gateway_ssh_commands_total",
    "Commands run on servers: ok, whatever their exit status, or what ended them.",
    "result",
)
CHECKS = Metric(
    "counter",
    "gateway_checks_total",
    "Health checks by their kind (tunnel: through a jump host), passed or failed.",
    "kind",
    "result",
)
CHECK_SECONDS = Metric(
    "histogram", "gateway_check_duration_seconds", "How long health checks took to be answered.", "kind"
)
CHANGE_LAG = Metric(
    "histogram",
    "gateway_change_lag_seconds",
    "From a change of the registry until who follows it was told: waiters, by an API process; webhooks, by a "
    "delivery that was taken; notifications, on the message bus.",
    "follower",
)
WEBHOOK_DELIVERIES = Metric(
    "counter",
    "gateway_webhook_deliveries_total",
    "Attempts to tell a webhook of a change: ok, failed, and of the failed the last one, given_up.",
    "result",
)
WEBHOOK_BEHIND = Metric(
    "gauge",
    "gateway_webhook_behind_seconds",
    "Age of the oldest change that a webhook is being told of now; 0 when none is.",
    multiprocess_mode="max",
)
BROKER_OPERATIONS = Metric(
    "counter",
    "gateway_broker_operations_total",
    "Calls of providers by their type: ok, Pending (asked for again later), or why not.",
    "provider",
    "operation",
    "result",
)
AUDIT_EVENTS = Metric(
    "counter",
    "gateway_audit_events_total",
    "Audit events: sent; failed, attempts that the message bus did not take; dropped, since too many wait.",
    "result",
)
BUILD = Metric(
    "gauge", "gateway_build_info", "1; its label is the version.", "version", multiprocess_mode="max"
)
DATABASE_UP = Metric("standing", "gateway_database_up", "Whether the database answered this scrape.")
PROCESSES = Metric(
    "standing",
    "gateway_processes_alive",
    "Processes of all gateways on this database that gave a sign of life in the last 30 seconds.",
    "role",
)
ENGINES = Metric("standing", "gateway_engines_alive", "Those of the role engine.")
MONITORS = Metric("standing", "gateway_monitors_alive", "Those of the role monitor.")
DEPLOYMENTS = Metric("standing", "gateway_deployments", "Deployments there are, of all projects.", "status")
SERVICES = Metric("standing", "gateway_broker_services", "Services of the broker there are.", "status")
INSTANCES = Metric(
    "standing", "gateway_registry_instances", "Instances in the registry, of all projects.", "status"
)
CHANGES_INDEX = Metric(
    "standing", "gateway_registry_changes_index", "Index of the last change of the registry."
)

_process = "main"


def setup(folder: pathlib.Path, version: str) -> None:
    """Counts from now on, from zero, in files in ``folder``. Call it once, before any fork."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    # by names of our own: with the client's process ids each restart would leave more files behind
    prometheus_client.values.ValueClass = prometheus_client.values.MultiProcessValue(lambda: _process)
    for metric in ALL:
        metric.make()
    BUILD.set(1, version)


def begin(process: str) -> None:
    """What is counted from now on is this process's. ``process`` is its alone while it lives, without _."""
    global _process
    _process = process


def serve(host: str, port: int, read: Callable[[], Standing]) -> Callable[[], None]:
    """Answers at /metrics, in threads; returns what ends that. Where ``read`` raises, the database is away,
    and its metrics are left out."""
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.multiprocess.MultiProcessCollector(registry)
    registry.register(_Read(read))
    server, _ = prometheus_client.start_http_server(port, host, registry)
    return server.shutdown


class _Read(prometheus_client.registry.Collector):
    def __init__(self, read: Callable[[], Standing]):
        self._read = read

    def describe(self) -> Sequence:
        """Nothing is read when it is registered."""
        return ()

    def collect(self) -> Iterator[prometheus_client.core.GaugeMetricFamily]:
        try:
            standing = {**self._read(), DATABASE_UP: {(): 1.0}}
        except Exception:
            standing = {DATABASE_UP: {(): 0.0}}
        for metric, values in standing.items():
            family = prometheus_client.core.GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
            for labels, value in values.items():
                family.add_metric(labels, value)
            yield family
