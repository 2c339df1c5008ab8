"""Who did what: an event on OpenStack's message bus (audit.http.response, in CADF's form) for each request
that changes something, shows credentials, or is refused for who asks, where the configuration has a section
[oslo_messaging_notifications]. Calls by gRPC: ``gateway.api.audit_rpc``.

Heartbeats of instances are left out. Neither bodies nor query strings are told, nor anything secret.
keystonemiddleware's own audit is not used: it sends before it answers, so that a bus which is away holds up
every request, tells of tokens, and guesses at what the URL table knows.
"""

import functools
import logging
import queue
import threading
import time
import warnings
from collections.abc import Callable

import pycadf.cadftaxonomy as taxonomy
from oslo_config import cfg
from pycadf import event as cadf
from pycadf import host, resource
from pycadf.reason import Reason

from gateway import metrics
from gateway.api import auth, routes
from gateway.registry import notifications

LOG = logging.getLogger(__name__)

READ, UNKNOWN = taxonomy.ACTION_READ, taxonomy.UNKNOWN

# what is called by a name is known by that
warnings.filterwarnings("ignore", "Invalid uuid")

_MOST_WAITING = 10_000
_TOLD_EVERY = 60.0  # seconds between lines about events that are not told
_RETRY_AFTER = 1.0  # seconds, when the bus took none
_ACTIONS = {"POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}
_VERBS = frozenset({"cancel", "rollback", "rotate", "resend", "maintenance"})
_BINDING = "/osb/v2/service_instances/{instance}/service_bindings/{binding}"
_CREDENTIALS = frozenset({"/v1/services/{service}", "/v1/services/{service}/bindings/{binding}", _BINDING})
_HEARTBEAT = "/registry/service/{instance}/heartbeat"


class Audit:
    """The events of one process, which wait for the bus in a thread. Make it after any fork."""

    def __init__(self, conf: cfg.ConfigOpts, most: int = _MOST_WAITING):
        self.is_on = notifications.is_on(conf)
        self._conf = conf
        self._waiting: queue.Queue[dict | None] = queue.Queue(most)
        self._lock = threading.Lock()
        self._sending: threading.Thread | None = None
        self._warned_at = -_TOLD_EVERY

    def tell(self, payload: dict) -> None:
        """Never waits: where too many do, it is dropped, and counted."""
        with self._lock:
            if self._sending is None:
                self._sending = threading.Thread(target=self._send, name="audit", daemon=True)
                self._sending.start()
        try:
            self._waiting.put_nowait(payload)
        except queue.Full:
            metrics.AUDIT_EVENTS.inc("dropped")
            self._warn("are dropped, too many wait already")

    def close(self, seconds: float) -> None:
        """Those that wait get so long."""
        if self._sending is not None and not self._waiting.full():
            self._waiting.put_nowait(None)
            self._sending.join(seconds)

    def _send(self) -> None:
        notifier, failures = notifications.notifier(self._conf), _Failures()
        logging.getLogger("oslo_messaging.notify.messaging").addFilter(failures)
        while (payload := self._waiting.get()) is not None:
            context = {name: payload["initiator"][name] for name in ("project_id", "request_id")}
            send = functools.partial(notifier.info, context, "audit.http.response", payload)
            while error := failures.of(send):
                metrics.AUDIT_EVENTS.inc("failed")
                self._warn(f"wait, the message bus does not take them: {error}")
                time.sleep(_RETRY_AFTER)
            metrics.AUDIT_EVENTS.inc("sent")

    def _warn(self, what: str) -> None:
        if time.monotonic() - self._warned_at > _TOLD_EVERY:
            self._warned_at = time.monotonic()
            LOG.warning("Audit events %s", what)


class _Failures(logging.Filter):
    """Oslo.messaging's drivers tell of what they could not send in the log alone, with the whole event. This
    keeps that of its own thread out of it, and knows."""

    def __init__(self):
        super().__init__()
        self._thread = threading.get_ident()
        self._error: BaseException | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self._thread or record.levelno < logging.ERROR:
            return True
        self._error = record.exc_info[1] if record.exc_info else RuntimeError(record.getMessage())
        return False

    def of(self, send: Callable[[], None]) -> BaseException | None:
        """What went wrong."""
        self._error = None
        try:
            send()
        except Exception as error:
            return error
        return self._error


def audited(app: Callable, audit: Audit) -> Callable:
    """WSGI middleware around the whole pipeline, which leaves in the environ who called."""

    def serve(environ, start_response):
        seen = [500, ""]

        def start(status, headers, *more):
            location = next((value for name, value in headers if name.lower() == "location"), "")
            seen[:] = int(status.partition(" ")[0]), location
            return start_response(status, headers, *more)

        try:
            return app(environ, start)
        finally:
            status, location = seen
            if _counts(environ["REQUEST_METHOD"], routes.route(environ["PATH_INFO"]), status):
                audit.tell(described(environ, status, location))

    return serve if audit.is_on else app


def _counts(method: str, route: routes.Route, status: int) -> bool:
    if method in _ACTIONS:
        return route.template != _HEARTBEAT
    return status in (401, 403) or (route.template in _CREDENTIALS and status == 200)


def described(environ: dict, status: int, location: str) -> dict:
    """The event; ``location`` names what was made."""
    method, route = environ["REQUEST_METHOD"], routes.route(environ["PATH_INFO"])
    verb = route.template.rpartition("/")[2]
    caller, address = environ.get(auth.CALLER), environ.get("REMOTE_ADDR")
    agent, request_id = environ.get("HTTP_USER_AGENT", "")[:255], environ.get("openstack.request_id")
    return event(
        f"update/{verb}" if verb in _VERBS else _ACTIONS.get(method, READ),
        succeeded=status < 400,
        reason=("HTTP", str(status)),
        target=_target(route, location),
        initiator=initiator(caller, address, agent, request_id),
        path=environ["PATH_INFO"],
    )


def event(
    action: str, succeeded: bool, reason: tuple[str, str], target: tuple[str, str], initiator: dict, path: str
) -> dict:
    """In CADF's form. ``reason``: the protocol, and its word for what came of it; ``target``: id, typeURI."""
    id, kind = target
    made = cadf.Event(
        action=action,
        outcome=taxonomy.OUTCOME_SUCCESS if succeeded else taxonomy.OUTCOME_FAILURE,
        reason=Reason(*reason),
        target=resource.Resource(id=id, typeURI=kind),
        observer=resource.Resource(id="gateway", typeURI="service/gateway"),
    ).as_dict()
    return {**made, "initiator": initiator, "requestPath": path}


def initiator(
    caller: auth.Caller | None, address: str | None, agent: str = "", request_id: str | None = None
) -> dict:
    """CADF's, with OpenStack's additions. ``caller``: None for who was not known."""
    made = resource.Resource(
        id=(caller and caller.user_id) or UNKNOWN,
        name=(caller and caller.user_name) or None,
        typeURI=taxonomy.ACCOUNT_USER,
        host=host.Host(address=address, agent=agent or None),
    ).as_dict()
    return {**made, "project_id": caller.project_id if caller else None, "request_id": request_id}


def _target(route: routes.Route, location: str) -> tuple[str, str]:
    id = location.rstrip("/").rpartition("/")[2] or (route.values[-1] if route.values else UNKNOWN)
    kind = route.template.strip("/").replace("{", "").replace("}", "")
    return id, f"service/gateway/{kind}".rstrip("/")
