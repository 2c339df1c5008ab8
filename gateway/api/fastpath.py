"""The few reads that are asked most, answered before the pipeline: the best of a type, a type, an instance.

A GET of these without parameters, with a token that this process has seen accepted, needs none of what the
pipeline is made of; its answer is the same to the byte. Everything else, and whatever is not a plain 200,
goes the whole way, whose token is not validated again either. One line in the log stands for all answers to
a URL within a second.
"""

import itertools
import json
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from oslo_config import cfg
from oslo_log import log

from gateway import errors, metrics
from gateway.api import auth, routes
from gateway.api.service import service
from gateway.api.tokens import Known
from gateway.registry.model import Instance, split_name
from gateway.registry.registry import Registry

LOG = log.getLogger(__name__)

_PREFIX = "/registry/service/"
_TYPES = _PREFIX + "types/"
_RULE = "gateway:registry:get"
_MOST_BODIES = 200_000
_LOG_EVERY = 1.0  # seconds
_NONE = (0, 0.0, 0.0)
_QUICK = metrics.QUICK

#: What a request may bring that asks for more than a plain answer.
_UNUSUAL = ("HTTP_ORIGIN", "HTTP_X_SERVICE_TOKEN", "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING")
_ACCEPTED = (None, "*/*", "application/json")


class _Bodies:
    """Encoded answers, each with what it was made from: that never changes, so one look at its identity
    tells whether it is still the answer."""

    def __init__(self, encode: Callable[[Any], Any]):
        self._encode = encode
        self._made: dict[int, tuple[Any, bytes]] = {}

    def of(self, source: Any) -> bytes:
        made = self._made.get(id(source))
        if made is None or made[0] is not source:
            if len(self._made) >= _MOST_BODIES:
                self._made.clear()
            made = self._made[id(source)] = source, json.dumps(self._encode(source)).encode() + b"\n"
        return made[1]


class FastPath:
    """A WSGI application before another one."""

    def __init__(
        self,
        app: Callable,
        conf: cfg.ConfigOpts,
        registry: Registry,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._app = app
        self._registry = registry
        self._known = Known(conf.keystone_authtoken.token_cache_time, clock)
        self._instances = _Bodies(service)
        self._types = _Bodies(lambda found: {"services": [service(i) for i in found.instances.values()]})
        self._log = _Log()
        # as unique as any other, without asking the system for random bytes each time
        self._ids = f"req-{uuid.uuid4()}"[:-12]
        self._numbers = itertools.count(secrets.randbits(40))

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        found = self.answer(environ)
        if found is None:
            return self.pass_on(environ, start_response)
        headers, body = found
        start_response("200 OK", headers)
        return [body]

    def answer(self, environ: dict[str, Any]) -> tuple[list[tuple[str, str]], bytes] | None:
        """The headers and the body of a 200, for a server that need not make all of WSGI's environ for it;
        None for what is to be passed on."""
        began = time.perf_counter()
        token = environ.get("HTTP_X_AUTH_TOKEN")
        body = self._body(token, environ) if token is not None and _is_plain(environ) else None
        if body is None:
            return None
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("X-Openstack-Request-Id", f"{self._ids}{next(self._numbers):012x}"),
        ]
        self._log.note(environ["PATH_INFO"], time.perf_counter() - began)
        return headers, body

    def pass_on(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        """To the pipeline, whose word about the token is remembered."""
        token = environ.get("HTTP_X_AUTH_TOKEN")
        if token is None or "HTTP_X_SERVICE_TOKEN" in environ:
            return self._app(environ, start_response)
        caller = self._known.caller(token)
        if caller is not None:
            environ[auth.CALLER] = caller
            return self._app(environ, start_response)
        answer = self._app(environ, start_response)
        if auth.CALLER in environ:
            self._known.remember(token, environ[auth.CALLER])
        return answer

    def _body(self, token: str, environ: dict[str, Any]) -> bytes | None:
        caller = self._known.caller(token)
        if caller is None or not caller.may(_RULE):
            return None
        try:
            return self._read(caller.project_id, environ["PATH_INFO"])
        except (errors.GatewayError, ValueError):  # the pipeline says it
            return None

    def _read(self, project_id: str, path: str) -> bytes | None:
        """Raises what the registry raises, ValueError for no name of an instance."""
        if not path.startswith(_TYPES):
            return self._instances.of(self._instance(project_id, path.removeprefix(_PREFIX)))
        type_, slash, rest = path.removeprefix(_TYPES).partition("/")
        if not slash:
            return self._types.of(self._registry.service_type(project_id, type_))
        if rest == "best":
            return self._instances.of(self._registry.best(project_id, type_))
        return None

    def _instance(self, project_id: str, name: str) -> Instance:
        return self._registry.instance(project_id, *split_name(name))


def _is_plain(environ: dict[str, Any]) -> bool:
    return (
        environ["REQUEST_METHOD"] == "GET"
        and environ["PATH_INFO"].startswith(_PREFIX)
        and not environ.get("QUERY_STRING")
        and environ.get("HTTP_ACCEPT") in _ACCEPTED
        and environ.keys().isdisjoint(_UNUSUAL)
    )


class _Log:
    """Counts answers, and tells of them once a second: at the rates that this is for, a line for each would
    cost more than the answer."""

    def __init__(self):
        self._counts: dict[str, tuple[int, float, float]] = {}  # by path: how many, seconds, at most
        self._slow: dict[str, list[float]] = {}
        self._lock = threading.Lock()
        self._writing: threading.Thread | None = None

    def note(self, path: str, seconds: float) -> None:
        with self._lock:
            count, total, longest = self._counts.get(path, _NONE)
            self._counts[path] = count + 1, total + seconds, seconds if seconds > longest else longest
            if seconds > _QUICK:
                self._slow.setdefault(path, []).append(seconds)
            if self._writing is None:
                self._writing = threading.Thread(target=self._write, name="fastpath-log", daemon=True)
                self._writing.start()

    def _write(self) -> None:
        while True:
            time.sleep(_LOG_EVERY)
            with self._lock:
                counts, self._counts = self._counts, {}
                slow, self._slow = self._slow, {}
            for path, (count, total, longest) in counts.items():
                LOG.info('"GET %s" status: 200 answers: %d time: %.6f at most', path, count, longest)
                _count(path, count, total, slow.get(path, ()))


def _count(path: str, count: int, total: float, slow: Sequence[float]) -> None:
    labels = "GET", routes.route(path).template
    metrics.HTTP_REQUESTS.inc(*labels, "200", by=count)
    metrics.HTTP_SECONDS.observe_many(count - len(slow), total - sum(slow), *labels)
    for seconds in slow:
        metrics.HTTP_SECONDS.observe(seconds, *labels)
