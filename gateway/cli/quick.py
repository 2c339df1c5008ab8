"""A plain GET with the token that is kept (--cache-token), by http.client alone: to import keystoneauth and
requests takes as long as all the rest of such a command.

What is no plain GET goes the whole way, and so does whatever is not answered 2xx, which is asked again there
and told as always.
"""

import dataclasses
import datetime
import functools
import http.client
import json
import os
import ssl
import urllib.parse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gateway.client import SERVICE_TYPE

if TYPE_CHECKING:
    from keystoneauth1 import adapter

_STALE = 30.0  # seconds before its end that a token is not used any more, as keystoneauth has it
_PLAIN = {"params", "log", "raise_exc"}


@dataclasses.dataclass(frozen=True)
class Answer:
    """As much of a requests.Response as the client looks at."""

    url: str
    status_code: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Quick:
    """Speaks to the gateway as a keystoneauth Adapter does. ``whole`` makes that Adapter."""

    def __init__(
        self,
        token: str,
        endpoint: str,
        context: ssl.SSLContext | None,
        timeout: float,
        whole: Callable[[], "adapter.Adapter"],
    ):
        self.endpoint_override = endpoint.rstrip("/")
        place = urllib.parse.urlsplit(self.endpoint_override)
        if place.scheme == "https":
            self._connection = http.client.HTTPSConnection(place.netloc, timeout=timeout, context=context)
        else:
            self._connection = http.client.HTTPConnection(place.netloc, timeout=timeout)
        self._base = place.path
        self._headers = {"X-Auth-Token": token, "Accept": "application/json", "User-Agent": "gateway-cli"}
        self._make_whole = whole

    @functools.cached_property
    def _whole(self) -> "adapter.Adapter":
        return self._make_whole()

    def request(self, path: str, method: str, **options: Any) -> Any:
        if method == "GET" and options.keys() <= _PLAIN and "_whole" not in vars(self):
            answer = self._got(path, options.get("params"))
            if answer is not None:
                return answer
        return self._whole.request(path, method, **options)

    def _got(self, path: str, params: dict | None) -> Answer | None:
        given = {name: value for name, value in (params or {}).items() if value is not None}
        query = f"?{urllib.parse.urlencode(given, doseq=True)}" if given else ""
        try:
            self._connection.request("GET", f"{self._base}{path}{query}", headers=self._headers)
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            return None
        if not 200 <= response.status < 300:
            return None
        url = f"{self.endpoint_override}{path}{query}"
        return Answer(url, response.status, response.reason, response.headers, body)


def opened(kept: str | None, cloud: Any, endpoint: str | None, timeout: float, whole: Callable) -> Any:
    """A Quick where the ``kept`` state of a plugin has a good token, the gateway's URL is ``endpoint`` or in
    its catalogue, and the way there is a plain one; else what ``whole`` makes."""
    found = _token(kept)
    if found is None or cloud.cert or not cloud.verify or _is_proxied():
        return whole()
    token, body = found
    endpoint = endpoint or _in_catalogue(body, cloud)
    bundle = cloud.verify if isinstance(cloud.verify, str) else _bundle()
    if endpoint is None or not os.path.isfile(bundle):
        return whole()
    context = ssl.create_default_context(cafile=bundle) if endpoint.startswith("https:") else None
    return Quick(token, endpoint, context, timeout, whole)


def _token(kept: str | None) -> tuple[str, dict] | None:
    """It, and what Keystone said of it."""
    try:
        state = json.loads(kept or "")
        token, body = state["auth_token"], state["body"]["token"]
        left = datetime.datetime.fromisoformat(body["expires_at"]) - datetime.datetime.now(datetime.UTC)
    except (ValueError, KeyError, TypeError):
        return None
    return (token, body) if left.total_seconds() > _STALE else None


def _in_catalogue(body: dict, cloud: Any) -> str | None:
    wanted, region = cloud.service_type or SERVICE_TYPE, cloud.region_name
    found = (
        endpoint["url"]
        for service in body.get("catalog", ())
        if service["type"] == wanted
        for endpoint in service["endpoints"]
        if endpoint["interface"] == cloud.interface and region in (None, endpoint.get("region"))
    )
    return next(found, None)


def _is_proxied() -> bool:
    return any(name.lower().endswith("_proxy") and value for name, value in os.environ.items())


def _bundle() -> str:
    """The certificate authorities that requests trusts."""
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    if named:
        return named
    import certifi

    return certifi.where()
