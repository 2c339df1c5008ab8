"""Signs of life: each process of each gateway on a database says there that it lives, every few seconds."""

import os
import socket
import threading
import time

import sqlalchemy as sa
from oslo_config import cfg
from oslo_log import log

from gateway.db import Database, metadata

LOG = log.getLogger(__name__)

_EVERY = 5.0  # seconds
DOWN_AFTER = 30.0  # seconds without a sign: it may be gone
_FORGOTTEN_AFTER = 86400.0  # seconds

processes = sa.Table(
    "processes",
    metadata,
    sa.Column("id", sa.String(255), primary_key=True),  # HOST:PID
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("seen_at", sa.Double, nullable=False),
)


def live(conf: cfg.ConfigOpts, role: str, stop: threading.Event) -> None:
    """Gives this process's signs until ``stop`` is set; then it is known to be gone."""
    id, database, told = f"{socket.gethostname()}:{os.getpid()}"[-255:], None, False
    while not stop.is_set():
        try:
            database = database or Database(conf)
            _say(database, id, role)
            told = False
        except Exception as error:
            if not told:
                LOG.warning("No sign of life can be given: %s", error)
            told = True
        stop.wait(_EVERY)
    if database is not None and not told:
        with database.write() as connection:
            connection.execute(processes.delete().where(processes.c.id == id))


def _say(database: Database, id: str, role: str) -> None:
    now = time.time()
    mine = processes.update().where(processes.c.id == id).values(role=role, seen_at=now)
    with database.write() as connection:
        if not connection.execute(mine).rowcount:
            connection.execute(processes.insert().values(id=id, role=role, seen_at=now))
            old = processes.c.seen_at < now - _FORGOTTEN_AFTER
            connection.execute(processes.delete().where(old))


def seen(connection: sa.Connection) -> list[tuple[str, float]]:
    """The role of each process that is not known to be gone, and the seconds since its last sign."""
    now = time.time()
    rows = connection.execute(sa.select(processes.c.role, processes.c.seen_at)).all()
    return [(role, max(0.0, now - seen_at)) for role, seen_at in rows]
