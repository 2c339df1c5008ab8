"""MariaDB, PostgreSQL and Redis from Debian's packages, each with an admin's login, on a free port of
127.0.0.1, or another address, in a folder that is gone afterwards. They do not run as root.

    python -m gateway.tests.database_servers COMMAND…

runs COMMAND twice, with GATEWAY_TEST_DATABASE naming first a PostgreSQL, then a MariaDB.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import pg8000.native
import pymysql
import redis
import sqlalchemy as sa

USERNAME, PASSWORD = "manager", "the-manager's-password"
_UP = 60  # seconds
_CONNECTIONS = 1000  # at most


class Server:
    """``start`` starts it, ``stop`` ends it for good. ``certificate``: PEM of one and its key, for TLS, which
    is all that Redis speaks then."""

    type: str
    account: str  # whom it runs as, where we are root
    driver: str  # of SQLAlchemy, and the database that every server has
    database: str
    installed: bool

    def __init__(self, certificate: str | None = None, address: str = "127.0.0.1"):
        self.certificate, self.address = certificate, address
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"gateway-{self.type}-"))
        self.folder.chmod(0o700)
        if os.geteuid() == 0:
            shutil.chown(self.folder, self.account, self.account)
        with socket.create_server((address, 0)) as listener:
            self.port = listener.getsockname()[1]
        self.process: subprocess.Popen | None = None

    @property
    def _pem(self) -> pathlib.Path:
        """As the server may read it."""
        path = self.folder / "certificate.pem"
        path.touch(0o600)
        path.write_text(self.certificate)
        if os.geteuid() == 0:
            shutil.chown(path, self.account)
        return path

    def command(self, *arguments: str | pathlib.Path, **more) -> subprocess.Popen:
        if os.geteuid() == 0:
            more |= {"user": self.account, "group": self.account, "extra_groups": []}
        with (self.folder / "log").open("ab") as log:
            # in /tmp two MariaDBs would have temporary tables of the same name
            own = os.environ | {"TMPDIR": str(self.folder)}
            return subprocess.Popen(arguments, stdout=log, stderr=log, cwd=self.folder, env=own, **more)

    def done(self, *arguments: str | pathlib.Path) -> None:
        code = self.command(*arguments).wait(_UP)
        assert code == 0, f"{arguments[0]} ended with {code}:\n{self.tail()}"

    def until_up(self, attempt: Callable[[], None]) -> None:
        deadline = time.monotonic() + _UP
        while True:
            assert self.process.poll() is None, f"{self.type} ended:\n{self.tail()}"
            try:
                return attempt()
            except (pymysql.Error, pg8000.native.Error, redis.RedisError, OSError) as error:
                if time.monotonic() > deadline:
                    raise AssertionError(f"{error}\n{self.tail()}") from error
                time.sleep(0.1)

    @property
    def url(self) -> str:
        """For SQLAlchemy, as the manager."""
        place = sa.URL.create(self.driver, USERNAME, PASSWORD, self.address, self.port, self.database)
        return place.render_as_string(hide_password=False)

    def tail(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()  # nothing of it is kept
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class MariaDB(Server):
    type, account, driver, database = "mysql", "mysql", "mysql+pymysql", "mysql"
    installed = pathlib.Path("/usr/sbin/mariadbd").exists()

    def start(self) -> "MariaDB":
        data = self.folder / "data"
        self.done(
            "/usr/bin/mariadb-install-db",
            "--no-defaults",
            f"--datadir={data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )
        self.process = self.command(
            "/usr/sbin/mariadbd",
            "--no-defaults",
            f"--datadir={data}",
            f"--socket={self.folder}/socket",
            f"--bind-address={self.address}",
            f"--port={self.port}",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-flush-method=nosync",
            "--skip-log-bin",
            "--innodb-buffer-pool-size=16M",
            f"--max-connections={_CONNECTIONS}",
            *((f"--ssl-cert={self._pem}", f"--ssl-key={self._pem}") if self.certificate else ()),
        )
        self.until_up(self._add_manager)
        return self

    def _add_manager(self) -> None:
        with (
            contextlib.closing(pymysql.connect(unix_socket=f"{self.folder}/socket", user="root")) as root,
            root.cursor() as cursor,
        ):
            cursor.execute("CREATE USER %s@'%%' IDENTIFIED BY %s", (USERNAME, PASSWORD))
            cursor.execute("GRANT ALL ON *.* TO %s@'%%' WITH GRANT OPTION", (USERNAME,))

    def things(self) -> set[str]:
        """What it has of the broker's: databases and accounts."""
        with (
            contextlib.closing(
                pymysql.connect(host=self.address, port=self.port, user=USERNAME, password=PASSWORD)
            ) as manager,
            manager.cursor() as cursor,
        ):
            cursor.execute("SHOW DATABASES LIKE 'gw%'")
            found = {f"database {name}" for (name,) in cursor.fetchall()}
            cursor.execute("SELECT user FROM mysql.user WHERE user LIKE 'gw%'")
            return found | {f"account {name}" for (name,) in cursor.fetchall()}


class PostgreSQL(Server):
    """Its manager is no superuser."""

    type, account, driver, database = "postgresql", "postgres", "postgresql+psycopg2", "postgres"
    _programs = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), default=pathlib.Path("/nowhere"))
    installed = (_programs / "initdb").exists()

    def start(self) -> "PostgreSQL":
        data, password = self.folder / "data", self.folder / "password"
        password.write_text("root")
        if os.geteuid() == 0:
            shutil.chown(password, self.account)
        self.done(
            self._programs / "initdb",
            *("-U", "root", "-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "--no-sync"),
            data,
        )
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all samenet scram-sha-256\n")
        self.process = self.command(
            self._programs / "postgres",
            *("-D", data, "-p", str(self.port), "-h", self.address, "-k", self.folder),
            *("-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", f"max_connections={_CONNECTIONS}"),
            *(("-c", "ssl=on", "-c", f"ssl_cert_file={self._pem}") if self.certificate else ()),
            *(("-c", f"ssl_key_file={self._pem}") if self.certificate else ()),
        )
        self.until_up(self._add_manager)
        return self

    def _session(self, user: str, password: str) -> pg8000.native.Connection:
        return pg8000.native.Connection(
            user, host=self.address, port=self.port, password=password, database="postgres"
        )

    def _add_manager(self) -> None:
        with contextlib.closing(self._session("root", "root")) as root:
            password = pg8000.native.literal(PASSWORD)
            root.run(f"CREATE ROLE {USERNAME} LOGIN CREATEDB CREATEROLE PASSWORD {password}")

    def things(self) -> set[str]:
        with contextlib.closing(self._session(USERNAME, PASSWORD)) as manager:
            databases = manager.run("SELECT datname FROM pg_database WHERE datname LIKE 'gw%'")
            roles = manager.run("SELECT rolname FROM pg_roles WHERE rolname LIKE 'gw%'")
        return {f"database {name}" for (name,) in databases} | {f"role {name}" for (name,) in roles}


class Redis(Server):
    type, account = "redis", "redis"
    installed = pathlib.Path("/usr/bin/redis-server").exists()

    @property
    def url(self) -> str:
        """For tooz, which decodes nothing."""
        return f"redis://{USERNAME}:{PASSWORD}@{self.address}:{self.port}"

    def start(self) -> "Redis":
        acl = self.folder / "users.acl"
        acl.write_text(f"user default off\nuser {USERNAME} on ~* &* +@all >{PASSWORD}\n")
        if os.geteuid() == 0:
            shutil.chown(acl, self.account)
        self.process = self.command(
            "/usr/bin/redis-server",
            *("--bind", self.address, "--dir", self.folder, "--save", "", "--aclfile", acl),
            *(("--port", "0", "--tls-port") if self.certificate else ("--port",)),
            str(self.port),
            *(("--tls-cert-file", self._pem, "--tls-key-file", self._pem) if self.certificate else ()),
            *(("--tls-auth-clients", "no") if self.certificate else ()),
        )
        self.until_up(lambda: self._manager().ping())
        return self

    def _manager(self) -> redis.Redis:
        return redis.Redis(
            self.address,
            self.port,
            username=USERNAME,
            password=PASSWORD,
            decode_responses=True,
            ssl=self.certificate is not None,
            ssl_cert_reqs="none",
        )

    def things(self) -> set[str]:
        with self._manager() as manager:
            users = {f"user {name}" for name in manager.acl_users() if name.startswith("gw")}
            return users | {f"key {key}" for key in manager.scan_iter("gw*")}


def main(command: list[str]) -> int:
    """The exit status of the first run that fails, else 0."""
    if not (PostgreSQL.installed and MariaDB.installed):
        sys.exit("databases: apt-get install postgresql mariadb-server")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends us, the servers end, too
    with contextlib.ExitStack() as stack:
        servers = [PostgreSQL(), MariaDB()]
        for server in servers:
            stack.callback(server.stop)
            server.start()
        for server in servers:
            print(f"== {server.type}", flush=True)
            environment = os.environ | {"GATEWAY_TEST_DATABASE": server.url}
            if status := subprocess.run(command, env=environment).returncode:
                return status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
