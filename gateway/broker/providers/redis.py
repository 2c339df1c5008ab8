"""Redis, 7 and later: users of its ACL, for keys and channels that begin with the service's name and ":"."""

import contextlib
import hashlib
import socket
import ssl
from collections.abc import Iterator, Mapping

import redis
from redis import backoff, retry

from gateway import errors
from gateway.broker.model import Binding, Offers, Plan, Service, on_server
from gateway.broker.providers.login import Login

#: What tells of the keys, channels and scripts of others or touches them, and what Redis calls dangerous.
_DENIED = (
    *("@admin", "@dangerous", "scan", "randomkey", "dbsize", "pubsub", "function", "script"),
    *("client|tracking", "cluster|getkeysinslot", "cluster|countkeysinslot"),
)
_ALLOWED = ("script|load", "script|exists")
_BATCH = 1000  # keys


class _Tls(redis.SSLConnection):
    def __init__(self, context: ssl.SSLContext, **options):
        super().__init__(**options)
        self._context = context

    def _wrap_socket_with_ssl(self, sock: socket.socket) -> ssl.SSLSocket:
        return self._context.wrap_socket(sock)


class Redis:
    def __init__(self, login: Login):
        self._login = login

    def check(self, offers: Offers) -> Offers:
        with self._session() as session:
            version = session.info("server")["redis_version"]
            if int(version.partition(".")[0]) < 7:
                raise self._login.refused(f"it is Redis {version}, older than 7")
            session.acl_users()
            self._keep(session)
        return offers

    def ensure(self, service: Service, plan: Plan) -> None:
        """A prefix needs nothing."""

    def bind(self, service: Service, binding: Binding, plan: Plan) -> Mapping[str, str]:
        name = on_server(service.id)
        with self._session(name) as session:
            session.acl_setuser(
                binding.user,
                enabled=True,
                reset=True,
                hashed_passwords="+" + hashlib.sha256(binding.password.encode()).hexdigest(),
                keys=[f"{name}:*"],
                channels=[f"{name}:*"],
                categories=["+@all", *(f"-{each}" for each in _DENIED if each.startswith("@"))],
                commands=[
                    *(f"-{each}" for each in _DENIED if not each.startswith("@")),
                    *(f"+{each}" for each in _ALLOWED),
                ],
            )
            self._keep(session)
        url = self._login.for_client(binding.user, binding.password, "0")
        if self._login.uses_tls:
            url = url.replace("redis:", "rediss:", 1)
        return {"REDIS_URL": url, "REDIS_PREFIX": f"{name}:"}

    def unbind(self, service: Service, binding: Binding, plan: Plan) -> None:
        with self._session(on_server(service.id)) as session:
            session.acl_deluser(binding.user)  # and its connections
            self._keep(session)

    def remove(self, service: Service, plan: Plan) -> None:
        name = on_server(service.id)
        with self._session(name) as session:
            if users := [user for user in session.acl_users() if user.startswith(name)]:
                session.acl_deluser(*users)
            self._keep(session)
            databases = [int(database.removeprefix("db")) for database in session.info("keyspace")]
        for database in databases:
            with self._session(name, database) as session:
                keys: list[bytes] = []
                for key in session.scan_iter(f"{name}:*", _BATCH):
                    keys.append(key)
                    if len(keys) == _BATCH:
                        session.unlink(*keys)
                        keys.clear()
                if keys:
                    session.unlink(*keys)

    def _keep(self, session: redis.Redis) -> None:
        """On disk: a server that starts anew would forget its users."""
        try:
            session.acl_save()
        except redis.ResponseError:  # it has no aclfile
            try:
                session.config_rewrite()
            except redis.ResponseError as error:
                raise self._login.refused(
                    "it would forget its users when it is started anew: it needs an aclfile, or a "
                    "configuration file that it may write"
                ) from error

    @contextlib.contextmanager
    def _session(self, name: str = "", database: int = 0) -> Iterator[redis.Redis]:
        """Ends those of the same name that were given up."""
        login = self._login
        try:
            pool = redis.ConnectionPool(
                **{"connection_class": _Tls, "context": login.tls()} if login.uses_tls else {},
                host=login.address,
                port=login.provider.port,
                db=database,
                username=login.provider.username,
                password=login.provider.password or None,
                client_name=name or None,
                socket_connect_timeout=login.timeout,
                socket_timeout=login.timeout,
                retry=retry.Retry(backoff.NoBackoff(), 0),
                decode_responses=True,
                max_connections=1,
            )
            with redis.Redis.from_pool(pool) as session:
                own = str(session.client_id())
                for client in session.client_list() if name else ():
                    if client["name"] == name and client["id"] != own:
                        session.client_kill_filter(_id=client["id"])
                yield session
        except (redis.RedisError, OSError) as error:
            raise _fault(login, error) from error


def _fault(login: Login, error: Exception) -> errors.GatewayError:
    if isinstance(error, redis.TimeoutError | TimeoutError):
        return login.late()
    if isinstance(error, redis.AuthenticationError | redis.ResponseError):
        return login.refused(error)
    return login.unreachable(error)
