"""MariaDB and MySQL: a database and accounts of it."""

import contextlib
from collections.abc import Iterator, Mapping

import pymysql
from pymysql.constants import CR, ER
from pymysql.cursors import Cursor

from gateway import errors
from gateway.broker.model import Binding, Offers, Plan, Service, on_server
from gateway.broker.providers.login import Login

#: Errors whose text names accounts and databases; that of a syntax error repeats the statement.
_TELLING = (ER.ACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR, ER.SPECIFIC_ACCESS_DENIED_ERROR)
_UNREACHABLE = (CR.CR_CONNECTION_ERROR, CR.CR_CONN_HOST_ERROR, CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST)
_THREAD_GONE = 1094


class MySQL:
    def __init__(self, login: Login):
        self._login = login

    def check(self, offers: Offers) -> Offers:
        with self._session() as session:
            session.execute("SELECT user FROM mysql.user LIMIT 1")
            is_mariadb = _is_mariadb(session)
        plans = [plan for of_type in offers.values() for plan in of_type.values()]
        if not is_mariadb and any(plan.limits.statement_timeout for plan in plans):
            raise self._login.refused("statement_timeout is MariaDB's; MySQL has no such limit of an account")
        return offers

    def ensure(self, service: Service, plan: Plan) -> None:
        name = on_server(service.id)
        with self._session(name) as session:
            session.execute(f"CREATE DATABASE IF NOT EXISTS {_quoted(name)} CHARACTER SET utf8mb4")

    def bind(self, service: Service, binding: Binding, plan: Plan) -> Mapping[str, str]:
        name, user, password, limits = on_server(service.id), binding.user, binding.password, plan.limits
        allowed = f"WITH MAX_USER_CONNECTIONS {limits.connections or 0:d}"
        with self._session(name) as session:
            if _is_mariadb(session):
                allowed += f" MAX_STATEMENT_TIME {limits.statement_timeout or 0:f}"
            session.execute("CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY %s", (user, password))
            session.execute(f"ALTER USER %s@'%%' IDENTIFIED BY %s {allowed}", (user, password))
            session.execute(f"GRANT ALL ON {_quoted(name)}.* TO %s@'%%'", (user,))
        return {"MYSQL_URL": self._login.for_client(user, password, name)}

    def unbind(self, service: Service, binding: Binding, plan: Plan) -> None:
        with self._session(on_server(service.id)) as session:
            _drop_account(session, binding.user)

    def remove(self, service: Service, plan: Plan) -> None:
        name = on_server(service.id)
        with self._session(name) as session:
            session.execute("SELECT user FROM mysql.user WHERE user LIKE %s", (f"{name}b%",))
            for (user,) in session.fetchall():
                _drop_account(session, user)
            session.execute(f"DROP DATABASE IF EXISTS {_quoted(name)}")

    def sizes(self) -> Mapping[str, int]:
        with self._session() as session:
            session.execute(
                "SELECT s.schema_name, CAST(COALESCE(SUM(t.data_length + t.index_length), 0) AS UNSIGNED) "
                "FROM information_schema.schemata s LEFT JOIN information_schema.tables t "
                "ON t.table_schema = s.schema_name WHERE s.schema_name LIKE %s GROUP BY s.schema_name",
                (on_server("%"),),
            )
            return dict(session.fetchall())

    @contextlib.contextmanager
    def _session(self, lock: str | None = None) -> Iterator[Cursor]:
        """Holds the server's lock of that name: who was given up before it has ended."""
        login = self._login
        try:
            with (
                contextlib.closing(
                    pymysql.connect(
                        host=login.address,
                        port=login.provider.port,
                        user=login.provider.username,
                        password=login.provider.password,
                        connect_timeout=login.timeout,
                        read_timeout=login.timeout,
                        write_timeout=login.timeout,
                        autocommit=True,
                        charset="utf8mb4",
                        ssl=login.tls() if login.uses_tls else None,
                    )
                ) as connection,
                connection.cursor() as session,
            ):
                if lock is not None:
                    session.execute("SELECT GET_LOCK(%s, %s)", (lock, login.timeout / 2))
                    if session.fetchone() != (1,):
                        raise login.late()
                yield session
        except (pymysql.Error, OSError) as error:
            raise _fault(login, error) from error


def _is_mariadb(session: Cursor) -> bool:
    session.execute("SELECT VERSION()")
    return "MariaDB" in session.fetchone()[0]


def _drop_account(session: Cursor, user: str) -> None:
    session.execute("DROP USER IF EXISTS %s@'%%'", (user,))
    session.execute("SELECT id FROM information_schema.processlist WHERE user = %s", (user,))
    for (connection,) in session.fetchall():  # which would go on, else
        try:
            session.execute("KILL CONNECTION %s", (connection,))
        except pymysql.Error as error:
            if error.args[0] != _THREAD_GONE:
                raise


def _fault(login: Login, error: Exception) -> errors.GatewayError:
    number, text = error.args if len(error.args) == 2 else (0, str(error))
    causes = (error, error.__cause__, error.__context__, getattr(error, "original_exception", None))
    if any(isinstance(cause, TimeoutError) for cause in causes):
        return login.late()
    if number in _UNREACHABLE or isinstance(error, OSError):
        return login.unreachable(text)
    return login.refused(text if number in _TELLING else f"error {number}")


def _quoted(name: str) -> str:
    """Of hexadecimal digits and "gw", by gateway.broker.model."""
    return f"`{name}`"
