"""How the client speaks to the gateway: over a keystoneauth session; and what it raises.

keystoneauth and what it stands on are imported when they are used: who is given what speaks as an Adapter
does (gateway.cli.quick) may not need them, and they are half of a quick command's time.
"""

import contextlib
import json
import re
import time
import urllib.parse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keystoneauth1 import adapter, exceptions, session

SERVICE_TYPE = "gateway"
PATIENCE = 60.0  # seconds that a gateway may be away, being restarted, while its events are read
_RETRY = 1.0


class ApiError(Exception):
    """What went wrong, for the person who called.

    ``status``: the HTTP status, None where no answer came. ``code``: the API's permanent code
    ("gateway.flavor.not_found"), or "client.…" where the fault is on the way. ``request_id`` and ``field``
    (the part of the request that is wrong) are None where unknown; ``retry_after``: seconds, or None.
    """

    def __init__(
        self,
        detail: str,
        *,
        code: str,
        status: int | None = None,
        request_id: str | None = None,
        field: str | None = None,
        retry_after: int | None = None,
    ):
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.status = status
        self.request_id = request_id
        self.field = field
        self.retry_after = retry_after

    @property
    def is_away(self) -> bool:
        """Nobody is there to answer now, as while the gateway is restarted."""
        return self.code == "client.unreachable" or self.status in (502, 503, 504)


class Http:
    """What the parts of ``gateway.client.Gateway`` stand on."""

    def __init__(
        self,
        session_or_adapter: "session.Session | adapter.Adapter",
        *,
        endpoint: str | None = None,
        region_name: str | None = None,
        interface: str = "public",
        service_type: str = SERVICE_TYPE,
    ):
        if hasattr(session_or_adapter, "endpoint_override"):
            self._http = session_or_adapter
        else:
            place = (endpoint, region_name, interface, service_type)
            self._http = adapted(session_or_adapter, *place)

    def _events(
        self, path: str, query: dict[str, str], last: str | None, after: int | None, patience: float
    ) -> Iterator[tuple[str, dict]]:
        """Server-sent events until one called ``last``, each once, whatever becomes of the connections."""
        import requests
        import sseclient

        deadline = time.monotonic() + patience
        while True:
            try:
                seen = {} if after is None else {"Last-Event-ID": str(after)}
                headers = {"Accept": "text/event-stream", **seen}
                response = self._call("GET", path, params=query, headers=headers, stream=True)
                with contextlib.closing(response):
                    for event in sseclient.SSEClient(response).events():
                        data = {"id": int(event.id), **json.loads(event.data)}
                        after = data["id"]
                        yield event.event, data
                        if event.event == last:
                            return
                if response.status_code == 204:  # all was seen
                    return
                deadline = time.monotonic() + patience
            except (requests.RequestException, json.JSONDecodeError):  # broke off while it was read
                deadline = time.monotonic() + patience
            except ApiError as error:
                if not error.is_away or time.monotonic() > deadline:
                    raise
            time.sleep(_RETRY)

    def _pages(self, path: str, name: str, **query: str) -> Iterator[dict]:
        while True:
            page = self._json("GET", path, params=query)
            yield from page[name]
            following = next((k["href"] for k in page.get(f"{name}_links", ()) if k["rel"] == "next"), None)
            if following is None:
                return
            # Only the query is taken over: behind a proxy the host of the link may not be the one to ask.
            query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(following).query))

    def _json(self, method: str, path: str, **options: Any) -> Any:
        response = self._call(method, path, **options)
        answer = _decoded(response)
        if not isinstance(answer, dict):
            raise ApiError(
                f"{response.url} does not answer as a gateway does. Is it the gateway's URL?",
                code="client.not_a_gateway",
                status=response.status_code,
            )
        return answer

    def _call(self, method: str, path: str, **options: Any) -> Any:
        response = self._send(method, path, **options)
        if response.status_code >= 400:
            raise _error(response)
        return response

    def _send(self, method: str, path: str, **options: Any) -> Any:
        # Bodies hold secrets and private keys, so that keystoneauth may only log requests that have none.
        options.setdefault("log", "json" not in options and "data" not in options)
        try:
            return self._http.request(path, method, raise_exc=False, **options)
        except Exception as error:
            fault = _fault(error, getattr(self._http, "service_type", SERVICE_TYPE))
            if fault is None:
                raise
            raise fault from error


def adapted(
    session: "session.Session",
    endpoint: str | None,
    region_name: str | None,
    interface: str,
    service_type: str = SERVICE_TYPE,
) -> "adapter.Adapter":
    """To the gateway, wherever it is."""
    from keystoneauth1 import adapter

    return adapter.Adapter(
        session,
        service_type=service_type,
        endpoint_override=endpoint,
        region_name=region_name,
        interface=interface,
    )


def _fault(error: Exception, service_type: str) -> ApiError | None:
    """What keystoneauth raises, for people; None for anything else."""
    from keystoneauth1 import exceptions

    match error:
        case exceptions.EndpointNotFound() | exceptions.EmptyCatalog():
            return ApiError(
                f"Keystone's catalogue has no service of the type {service_type} here: "
                "give the gateway's URL.",
                code="client.no_endpoint",
            )
        case exceptions.ConnectionError():
            return ApiError(_unreachable(error), code="client.unreachable")
        case exceptions.Unauthorized():
            return ApiError(
                "Keystone refuses these credentials.",
                code="client.unauthorized",
                status=401,
                request_id=error.request_id,
            )
        case exceptions.ClientException():
            return ApiError(f"Keystone: {_first_line(error)}", code="client.keystone")
    return None


def url_path(*parts: str) -> str:
    return "/".join([parts[0], *(urllib.parse.quote(part, safe="") for part in parts[1:])])


def _decoded(response: Any) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _error(response: Any) -> ApiError:
    """The first of the body's errors; a proxy's own page where the body is none of ours."""
    body = _decoded(response)
    entry = body["errors"][0] if isinstance(body, dict) and body.get("errors") else {}
    retry_after = response.headers.get("Retry-After", "")
    return ApiError(
        entry.get("detail") or f"{response.url} answered {response.status_code} {response.reason}.",
        code=entry.get("code") or "client.http",
        status=response.status_code,
        request_id=entry.get("request_id") or response.headers.get("x-openstack-request-id"),
        field=entry.get("field"),
        retry_after=int(retry_after) if retry_after.isdigit() else None,
    )


def _unreachable(error: "exceptions.ConnectionError") -> str:
    """keystoneauth keeps the URL and the cause only in its message, wrapped several times."""
    from keystoneauth1 import exceptions

    text = str(error)
    found = re.search(r"https?://[^\s/?]+", text)
    where = found.group().rstrip(":") if found else "the service"
    if isinstance(error, exceptions.SSLError):
        why = "its TLS certificate is not trusted" if "certificate verify" in text else "TLS failed"
    elif isinstance(error, exceptions.ConnectTimeout):
        why = "no answer in time"
    elif errno := re.search(r"\[Errno -?\d+\] ([^'\")]+)", text):
        why = errno.group(1).strip().lower()
    else:
        why = "the connection broke"
    return f"Cannot reach {where}: {why}."


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
