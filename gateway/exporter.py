"""Answers Prometheus: what the processes counted, and what stands in the database."""

from collections import Counter
from collections.abc import Callable

import sqlalchemy as sa
from oslo_config import cfg

from gateway import metrics
from gateway.broker.tables import services
from gateway.db import Database, alive
from gateway.db.question import Question
from gateway.deploy.tables import deployments
from gateway.registry.tables import instances, last_change


def serve(conf: cfg.ConfigOpts) -> Callable[[], None]:
    """On [metrics] host and port, in threads; returns what ends that. Raises OSError for a port that is
    taken."""
    question = Question(_Reader(conf).read, conf.metrics.database_timeout)
    return metrics.serve(conf.metrics.host, conf.metrics.port, question.answer)


class _Reader:
    def __init__(self, conf: cfg.ConfigOpts):
        self._conf = conf
        self._database: Database | None = None  # until it first answers

    def read(self) -> metrics.Standing:
        if self._database is None:
            self._database = Database(self._conf)
        with self._database.read() as connection:
            roles = Counter(role for role, ago in alive.seen(connection) if ago < alive.DOWN_AFTER)
            return {
                metrics.PROCESSES: {(role,): count for role, count in roles.items()},
                metrics.ENGINES: {(): roles["engine"]},
                metrics.MONITORS: {(): roles["monitor"]},
                metrics.DEPLOYMENTS: _by_status(connection, deployments),
                metrics.SERVICES: _by_status(connection, services),
                metrics.INSTANCES: _by_status(connection, instances),
                metrics.CHANGES_INDEX: {(): connection.scalar(sa.select(last_change.c.index)) or 0},
            }


def _by_status(connection: sa.Connection, table: sa.Table) -> dict[tuple[str, ...], float]:
    rows = connection.execute(sa.select(table.c.status, sa.func.count()).group_by(table.c.status))
    return {(status,): count for status, count in rows}
