"""Locks in the database server, by which processes on several hosts wait for each other. Each ends with the
connection that holds it. SQLite, which is on one host, gives them all."""

import contextlib
import threading
import time
from collections.abc import Iterator

import sqlalchemy as sa

_LOOK_INTERVAL = 0.2  # seconds

#: Both are of the database, not of the whole server.
_TAKE = {
    "postgresql": "SELECT pg_try_advisory_lock(hashtext('gateway ' || :name))",
    "mysql": "SELECT GET_LOCK(CONCAT(DATABASE(), ' gateway ', :name), 0)",
}


@contextlib.contextmanager
def held(engine: sa.Engine, name: str, seconds: float, stop: threading.Event | None = None) -> Iterator[bool]:
    """Waits for it, for so many seconds or until ``stop``; whether it is held then, until the end."""
    if engine.dialect.name not in _TAKE:
        yield True
        return
    wanted = {"name": name}
    take, until = sa.text(_TAKE[engine.dialect.name]), time.monotonic() + seconds
    stop = stop or threading.Event()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()  # closed at the end, which frees it, however that comes
        if engine.dialect.name == "mysql":
            connection.execute(sa.text("SET SESSION wait_timeout = 31536000"))  # a year without a word
        while not (taken := bool(connection.scalar(take, wanted))):
            if time.monotonic() > until or stop.wait(_LOOK_INTERVAL):
                break
        yield taken
