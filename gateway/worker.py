"""What each process of the daemon does besides its role: it counts under its own name, gives signs of life,
and writes a report of itself upon SIGUSR2 (a guru meditation, as OpenStack calls it)."""

import functools
import importlib.metadata
import pathlib
import socket
import threading

import cotyledon
from oslo_config import cfg
from oslo_reports import guru_meditation_report as guru
from oslo_reports.generators import conf as reported

from gateway import metrics
from gateway.db import alive

_FAREWELL = 2.0  # seconds for the database to be told that a process ends


class _Version:
    """As oslo.reports wants to be told it."""

    def vendor_string(self) -> str:
        return "gateway"

    def product_string(self) -> str:
        return "gatewayd"

    def version_string_with_package(self) -> str:
        return importlib.metadata.version("gateway")


def setup(manager: cotyledon.ServiceManager, conf: cfg.ConfigOpts) -> None:
    """In the first process, before any other is there."""
    if conf.metrics.port:
        # a host's gateways may share a state_path, and so may hosts
        folder = f"metrics-{socket.gethostname()}-{conf.metrics.port}"
        version = importlib.metadata.version("gateway")
        metrics.setup(pathlib.Path(conf.state_path) / folder, version)
    # the report's own section shows a configuration that nobody uses here
    guru.TextGuruMeditation.register_section("gatewayd's Configuration", reported.ConfigReportGenerator(conf))
    _report_as("gatewayd", conf)
    manager.register_hooks(on_new_worker=functools.partial(_begin, conf))


def _report_as(name: str, conf: cfg.ConfigOpts) -> None:
    guru.TextGuruMeditation.setup_autorun(_Version(), name, conf=conf)


def _begin(conf: cfg.ConfigOpts, service_id, worker_id: int, service: cotyledon.Service) -> None:
    """In a new process, before its role's ``run``."""
    name = f"{service.name}-{worker_id}"
    metrics.begin(name)
    _report_as(f"gatewayd-{name}", conf)
    stop = threading.Event()
    life = threading.Thread(target=alive.live, args=(conf, service.name, stop), name="alive", daemon=True)
    life.start()
    terminate = service.terminate

    def ended() -> None:
        terminate()
        stop.set()
        life.join(_FAREWELL)

    service.terminate = ended
