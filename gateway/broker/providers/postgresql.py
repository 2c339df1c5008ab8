"""PostgreSQL, 13 and later: a database and roles of it.

The database belongs to the broker's own login, so that nobody else may lift its limits. Who logs in acts as a
role that all logins of the service share, and that owns what they make: so it stays when one of them goes.
"""

import base64
import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Iterator, Mapping

import pg8000.native
from pg8000.native import identifier, literal

from gateway import errors
from gateway.broker.model import Binding, Offers, Plan, Service, on_server
from gateway.broker.providers.login import Login

_MAINTENANCE = "postgres"  # the database that every server has
_ITERATIONS = 4096  # PostgreSQL's own


class PostgreSQL:
    def __init__(self, login: Login):
        self._login = login

    def check(self, offers: Offers) -> Offers:
        with self._session() as session:
            ((version, may),) = session.run(
                "SELECT current_setting('server_version_num')::int, "
                "rolsuper OR (rolcreatedb AND rolcreaterole) FROM pg_roles WHERE rolname = current_user"
            )
        if version < 130000:
            raise self._login.refused("it is older than PostgreSQL 13")
        if not may:
            raise self._login.refused(f"{self._login.provider.username} needs CREATEDB and CREATEROLE")
        return offers

    def ensure(self, service: Service, plan: Plan) -> None:
        name, limits = on_server(service.id), plan.limits
        database = identifier(name)
        with self._locked(name) as session:
            if not session.run("SELECT 1 FROM pg_roles WHERE rolname = :name", name=name):
                session.run(f"CREATE ROLE {database} NOLOGIN")
            session.run(f"GRANT {database} TO CURRENT_USER")
            if not session.run("SELECT 1 FROM pg_database WHERE datname = :name", name=name):
                session.run(f"CREATE DATABASE {database} CONNECTION LIMIT 0")
            session.run(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
            session.run(f"GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {database} TO {database}")
            session.run(f"ALTER DATABASE {database} CONNECTION LIMIT {limits.connections or -1:d}")
            timeout = round((limits.statement_timeout or 0) * 1000)
            session.run(f"ALTER DATABASE {database} SET statement_timeout = {timeout:d}")
            with self._session(name) as inside:
                inside.run("SET statement_timeout = 0")
                inside.run(f"ALTER SCHEMA public OWNER TO {database}")

    def bind(self, service: Service, binding: Binding, plan: Plan) -> Mapping[str, str]:
        name, user = on_server(service.id), binding.user
        role = identifier(user)
        with self._locked(name) as session:
            if not session.run("SELECT 1 FROM pg_roles WHERE rolname = :user", user=user):
                session.run(f"CREATE ROLE {role} NOLOGIN")
            session.run(f"GRANT {identifier(name)} TO {role}")
            session.run(f"ALTER ROLE {role} SET role = {literal(name)}")
            session.run(f"ALTER ROLE {role} LOGIN PASSWORD {literal(_verifier(binding.password))}")
        return {"POSTGRESQL_URL": self._login.for_client(user, binding.password, name)}

    def unbind(self, service: Service, binding: Binding, plan: Plan) -> None:
        name, user = on_server(service.id), binding.user
        with self._locked(name) as session:
            if session.run("SELECT 1 FROM pg_roles WHERE rolname = :user", user=user):
                _shut_out(session, user)
                with self._session(name) as inside:
                    for each in (inside, session):  # it may have made something as itself
                        each.run(f"REASSIGN OWNED BY {identifier(user)} TO {identifier(name)}")
                        each.run(f"DROP OWNED BY {identifier(user)}")
                session.run(f"DROP ROLE {identifier(user)}")

    def remove(self, service: Service, plan: Plan) -> None:
        name = on_server(service.id)
        with self._locked(name) as session:
            roles = [
                role
                for (role,) in session.run(
                    "SELECT rolname FROM pg_roles WHERE rolname LIKE :like", like=f"{name}%"
                )
            ]
            for role in roles:
                _shut_out(session, role)
            session.run(f"DROP DATABASE IF EXISTS {identifier(name)} WITH (FORCE)")
            for role in sorted(roles, reverse=True):  # the one that they share last
                session.run(f"DROP OWNED BY {identifier(role)}")
                session.run(f"DROP ROLE {identifier(role)}")

    def sizes(self) -> Mapping[str, int]:
        with self._session() as session:
            rows = session.run(
                "SELECT datname, pg_database_size(oid) FROM pg_database WHERE datname LIKE :like",
                like=on_server("%"),
            )
        return {name: size for name, size in rows}  # noqa: C416 (rows are lists)

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[pg8000.native.Connection]:
        """Holds the server's lock of that name: who was given up before it has ended."""
        with self._session() as session:
            session.run(f"SET lock_timeout = {round(self._login.timeout * 500):d}")
            session.run("SELECT pg_advisory_lock(:key)", key=_key(name))
            yield session

    @contextlib.contextmanager
    def _session(self, database: str = _MAINTENANCE) -> Iterator[pg8000.native.Connection]:
        login = self._login
        try:
            with contextlib.closing(
                pg8000.native.Connection(
                    login.provider.username,
                    host=login.address,
                    port=login.provider.port,
                    password=login.provider.password,
                    database=database,
                    timeout=login.timeout,
                    application_name="gateway",
                    ssl_context=login.tls() if login.uses_tls else None,
                )
            ) as session:
                yield session
        except (pg8000.native.Error, OSError) as error:
            raise _fault(login, error) from error


def _shut_out(session: pg8000.native.Connection, role: str) -> None:
    """Who is no superuser must be a member to do that, and what follows."""
    session.run(f"GRANT {identifier(role)} TO CURRENT_USER")
    session.run(f"ALTER ROLE {identifier(role)} NOLOGIN")
    session.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = :role", role=role)


def _key(name: str) -> int:
    """Of an advisory lock: 64 bits with a sign."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def _verifier(password: str) -> str:
    """What PostgreSQL keeps of a password (RFC 5803): itself it is in no statement then, and in no log."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(each).decode() for each in (salt, stored, server)]
    return "SCRAM-SHA-256${}:{}${}:{}".format(_ITERATIONS, *encoded)


def _fault(login: Login, error: Exception) -> errors.GatewayError:
    if isinstance(error, pg8000.native.DatabaseError):
        told = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
        if told.get("C") == "55P03":  # lock_not_available
            return login.late()
        return login.refused(told.get("M", "no reason given"))
    causes = (error, error.__cause__, error.__context__)
    if any(isinstance(cause, TimeoutError) for cause in causes):
        return login.late()
    return login.unreachable(
        next((cause.strerror for cause in causes if getattr(cause, "strerror", None)), error)
    )
