"""The directive ``metrics``: a table of what Prometheus reads, by the definitions in ``gateway.metrics``."""

from collections.abc import Iterator

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from gateway import metrics

_KINDS = {"standing": "gauge, at the scrape"}


def _lines() -> Iterator[str]:
    yield from (".. list-table::", "   :header-rows: 1", "   :widths: 34 12 54", "")
    yield from _row("Metric, labels", "Kind", "What it says")
    for metric in metrics.ALL:
        labels = ", ".join(metric.labels)
        named = f"``{metric.name}`` {labels and f'({labels})'}".strip()
        text = metric.help.replace("_", r"\_")  # else "Pending_" would be a link
        yield from _row(named, _KINDS.get(metric.kind, metric.kind), text)


def _row(*cells: str) -> Iterator[str]:
    yield f"   * - {cells[0]}"
    yield from (f"     - {cell}" for cell in cells[1:])


class Metrics(Directive):
    def run(self) -> list[nodes.Node]:
        self.state.document.settings.env.note_dependency(metrics.__file__)
        node = nodes.container()
        self.state.nested_parse(StringList(list(_lines()), "metrics"), 0, node)
        return node.children


def setup(app) -> dict:
    app.add_directive("metrics", Metrics)
    return {"parallel_read_safe": True}
