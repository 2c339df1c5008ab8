"""Metrics that count in this process, as the daemon's do, for the length of a test."""

import contextlib
import os
import pathlib
import re
import urllib.request
from collections.abc import Iterator
from unittest import mock

import prometheus_client.multiprocess
import prometheus_client.values

from gateway import metrics


@contextlib.contextmanager
def counting(folder: pathlib.Path) -> Iterator[None]:
    with (
        mock.patch.dict(os.environ),
        mock.patch.object(prometheus_client.values, "ValueClass"),
        mock.patch.object(metrics, "_process", "main"),
    ):
        metrics.setup(folder / "metrics", "1.2.3")
        try:
            yield
        finally:
            for metric in metrics.ALL:
                metric._made, metric._children = None, {}


def scraped(url: str) -> str:
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:
        return answer.read().decode()


def value(text: str, series: str) -> float | None:
    """Of a series as it stands in a scrape: name{label="value",…}."""
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


def total(name: str, **labels: str) -> float:
    """Of a counter, over all processes, while counting."""
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.multiprocess.MultiProcessCollector(registry)
    return registry.get_sample_value(name, labels) or 0.0
