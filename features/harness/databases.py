"""The database servers of a run, started side by side when a scenario needs one; and clients of theirs."""

import concurrent.futures
import contextlib
import urllib.parse
from collections.abc import Iterator

import pg8000.native
import pymysql
import redis

from gateway.tests.database_servers import PASSWORD, USERNAME, MariaDB, PostgreSQL, Redis, Server

__all__ = ["PASSWORD", "USERNAME", "Refused", "client", "installed", "server"]
_KINDS = (MariaDB, PostgreSQL, Redis)
_TIMEOUT = 20  # seconds

installed = all(kind.installed for kind in _KINDS)
_servers: dict[str, Server] = {}


def server(context, type: str) -> Server:
    """Of the run."""
    if not _servers:
        made = [kind() for kind in _KINDS]
        for each in made:
            context.add_cleanup(each.stop, layer="testrun")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(lambda each: each.start(), made))
        _servers.update({each.type: each for each in made})
    return _servers[type]


class Refused(Exception):
    """The server does not let the client do that."""


@contextlib.contextmanager
def client(credentials: dict[str, str]) -> Iterator["_SqlClient | _RedisClient"]:
    """Logged in with them. Raises Refused, at any time."""
    (url,) = (value for name, value in credentials.items() if name.endswith("_URL"))
    place = urllib.parse.urlsplit(url)
    try:
        if place.scheme == "redis":
            with redis.Redis.from_url(url, socket_timeout=_TIMEOUT, decode_responses=True) as session:
                session.ping()
                yield _RedisClient(session, credentials.get("REDIS_PREFIX", ""))
        else:
            connect = _mysql if place.scheme == "mysql" else _postgresql
            with contextlib.closing(connect(place)) as session:
                yield _SqlClient(session, place)
    except (pymysql.Error, pg8000.native.Error, redis.RedisError) as error:
        raise Refused(str(error)) from error


def _mysql(place: urllib.parse.SplitResult):
    return _MySqlSession(
        host=place.hostname,
        port=place.port,
        user=place.username,
        password=place.password,
        database=place.path[1:],
        connect_timeout=_TIMEOUT,
        read_timeout=_TIMEOUT,
        autocommit=True,
    )


class _MySqlSession(pymysql.Connection):
    def run(self, statement: str) -> list[list]:
        with self.cursor() as cursor:
            cursor.execute(statement)
            return [list(row) for row in cursor.fetchall()]


def _postgresql(place: urllib.parse.SplitResult):
    return pg8000.native.Connection(
        place.username,
        host=place.hostname,
        port=place.port,
        password=place.password,
        database=place.path[1:],
        timeout=_TIMEOUT,
    )


class _SqlClient:
    """Notes are rows of a table."""

    def __init__(self, session, place: urllib.parse.SplitResult):
        self._session = session
        self._place = place

    def write(self, text: str) -> None:
        self._session.run("CREATE TABLE IF NOT EXISTS notes (note VARCHAR(100))")
        self._session.run(f"INSERT INTO notes VALUES ('{text}')")

    def read(self) -> list[str]:
        return [note for (note,) in self._session.run("SELECT note FROM notes")]

    def alter(self) -> None:
        """As who owns it may."""
        self._session.run("ALTER TABLE notes ADD COLUMN more INTEGER")

    def sleep(self, seconds: float) -> None:
        name = "SLEEP" if self._place.scheme == "mysql" else "pg_sleep"
        self._session.run(f"SELECT {name}({seconds})")

    def look_into(self, other: dict[str, str]) -> None:
        """Raises Refused, as it should."""
        (url,) = other.values()
        theirs = urllib.parse.urlsplit(url)
        if theirs.scheme == "mysql":
            assert [theirs.path[1:]] not in self._session.run("SHOW DATABASES")
            self._session.run(f"SELECT * FROM {theirs.path[1:]}.notes")
        else:
            with contextlib.closing(_postgresql(self._place._replace(path=theirs.path))):
                pass


_TELLING = (
    *(("SCAN", "0"), ("KEYS", "*"), ("RANDOMKEY",), ("DBSIZE",), ("CLIENT", "TRACKING", "ON", "BCAST")),
    *(("PUBSUB", "CHANNELS"), ("FUNCTION", "LIST"), ("SCRIPT", "FLUSH"), ("FLUSHALL",), ("MONITOR",)),
    *(("PSUBSCRIBE", "*"), ("ACL", "LIST"), ("CONFIG", "GET", "*")),
)


class _RedisClient:
    """Notes are the items of a list."""

    def __init__(self, session: redis.Redis, prefix: str):
        self._session = session
        self._key = f"{prefix}notes"

    def write(self, text: str) -> None:
        self._session.rpush(self._key, text)

    def read(self) -> list[str]:
        return self._session.lrange(self._key, 0, -1)

    def alter(self) -> None:
        self._session.persist(self._key)

    def look_into(self, other: dict[str, str]) -> None:
        """Raises Refused, as it should."""
        for command in _TELLING:
            with contextlib.suppress(redis.exceptions.NoPermissionError):
                raise AssertionError(f"{command} is answered: {self._session.execute_command(*command)}")
        self._session.lrange(f"{other['REDIS_PREFIX']}notes", 0, -1)
