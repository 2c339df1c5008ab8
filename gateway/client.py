"""The Python client: ``from gateway.client import Gateway``, one method per endpoint of ``gateway.api.root``.

It takes and gives the plain dicts of the API, and raises one exception: ApiError. Nothing of the daemon is
imported.
"""

import contextlib
import json
import re
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any, BinaryIO

import requests
import sseclient
from keystoneauth1 import adapter, exceptions, session

SERVICE_TYPE = "gateway"
_PATIENCE = 60.0  # seconds that a gateway may be away, being restarted, while its events are read
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


class Gateway:
    """The API over a keystoneauth session, whose project and roles count.

    ``endpoint`` is the gateway's URL (http://127.0.0.1:8790); without it Keystone's catalogue is asked for
    the service type "gateway" in ``region_name`` and ``interface``. An Adapter that knows all this may be
    given in place of a session. Lists come whole: their pages are followed. Safe to share between threads as
    far as the session is.
    """

    def __init__(
        self,
        session_or_adapter: session.Session | adapter.Adapter,
        *,
        endpoint: str | None = None,
        region_name: str | None = None,
        interface: str = "public",
    ):
        if isinstance(session_or_adapter, adapter.Adapter):
            self._http = session_or_adapter
        else:
            self._http = adapter.Adapter(
                session_or_adapter,
                service_type=SERVICE_TYPE,
                endpoint_override=endpoint,
                region_name=region_name,
                interface=interface,
            )

    # The API itself

    def versions(self) -> list[dict]:
        return self._json("GET", "/")["versions"]

    def version(self) -> dict:
        """{"version": {…}, "resources": […]}"""
        return self._json("GET", "/v1")

    def is_healthy(self) -> bool:
        """Whether the daemon says that it is well; raises ApiError where it does not answer at all."""
        return self._send("GET", "/healthcheck").status_code == 200

    # What servers are made of

    def flavors(self) -> list[dict]:
        return list(self._pages("/v1/flavors", "flavors"))

    def flavor(self, name_or_id: str) -> dict:
        return self._json("GET", _path("/v1/flavors", name_or_id))["flavor"]

    def images(self) -> list[dict]:
        return list(self._pages("/v1/images", "images"))

    def image(self, name_or_id: str) -> dict:
        return self._json("GET", _path("/v1/images", name_or_id))["image"]

    def networks(self) -> list[dict]:
        return list(self._pages("/v1/networks", "networks"))

    def network(self, name_or_id: str) -> dict:
        return self._json("GET", _path("/v1/networks", name_or_id))["network"]

    def launch_options(self) -> dict:
        """{"flavors": […], "images": […], "networks": […]}"""
        return self._json("GET", "/v1/launch-options")

    # Servers

    def servers(self) -> list[dict]:
        return list(self._pages("/v1/servers", "servers"))

    def server(self, name_or_id: str) -> dict:
        return self._json("GET", _path("/v1/servers", name_or_id))["server"]

    def create_servers(self, server: dict) -> list[dict]:
        """Boots ``server["count"]`` (1) of them; returns those that are being built."""
        answer = self._json("POST", "/v1/servers", json={"server": server})
        return answer["servers"] if "servers" in answer else [answer["server"]]

    def delete_server(self, name_or_id: str) -> None:
        self._call("DELETE", _path("/v1/servers", name_or_id))

    # Deployments

    def create_artifact(self, file: BinaryIO) -> dict:
        """Uploads a tar.gz, streamed from a file that is open for reading: {"id", "sha256", "size"}."""
        # A second try after 401 would send what is left of the file: nothing.
        return self._json(
            "POST",
            "/v1/artifacts",
            data=file,
            headers={"Content-Type": "application/gzip"},
            allow_reauth=False,
        )["artifact"]

    def deployments(self) -> list[dict]:
        """The project's, without their steps."""
        return list(self._pages("/v1/deployments", "deployments"))

    def deployment(self, deployment_id: str) -> dict:
        return self._json("GET", _path("/v1/deployments", deployment_id))["deployment"]

    def create_deployment(self, deployment: dict, idempotency_key: str | None = None) -> dict:
        """Asks for it, or for the next release of a service that runs; the daemon goes on by itself, and
        ``deployment`` tells how far it is. With the same key and wish, a call that is made again is one."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        body = {"deployment": deployment}
        return self._json("POST", "/v1/deployments", json=body, headers=headers)["deployment"]

    def cancel_deployment(self, deployment_id: str) -> dict:
        """Takes back what is under way."""
        return self._json("POST", _path("/v1/deployments", deployment_id, "cancel"))["deployment"]

    def roll_back_deployment(self, deployment_id: str, release: int | None = None) -> dict:
        """To an earlier release, by its number, or to the one before."""
        body = {} if release is None else {"release": release}
        return self._json("POST", _path("/v1/deployments", deployment_id, "rollback"), json=body)[
            "deployment"
        ]

    def delete_deployment(self, deployment_id: str) -> None:
        """Undeploys; ``deployment`` raises a 404 once all is gone."""
        self._call("DELETE", _path("/v1/deployments", deployment_id))

    def deployment_log(self, deployment_id: str) -> list[dict]:
        """[{"at", "step", "target", "text", "id"}], oldest first."""
        return list(self._pages(_path("/v1/deployments", deployment_id) + "/log", "log"))

    def follow_deployment_log(
        self, deployment_id: str, after: int | None = None, patience: float = _PATIENCE
    ) -> Iterator[tuple[str, dict]]:
        """(event, data) as they happen, from the beginning or what came ``after`` that id, until the
        deployment has ended: "log" with a line's {"id", "at", "step", "target", "text"}, "step" {"id", "at",
        "step", "target", "state", "detail"}, "status" {"id", "at", "status"}, and last "end" {"id", "status",
        "fault"}, whose status is "deleted" where nothing is left. A connection that breaks is made again;
        ApiError says why that has not been possible for ``patience`` seconds."""
        path = _path("/v1/deployments", deployment_id) + "/log"
        return self._events(path, {"follow": "true"}, "end", after, patience)

    # The registry

    def registry_health(self) -> dict:
        return self._json("GET", "/registry/health")

    def changes(
        self, index: int | None = None, wait: int = 0, type: str | None = None, limit: int | None = None
    ) -> dict:
        """What came after ``index``, waiting up to ``wait`` seconds for it: {"index": to go on from,
        "changes": [{"index", "at", "type", "instance", "change", "service"}]}; without ``index`` what comes
        from now on. ApiError 410 for one that is not in the log any more."""
        query = {"index": index, "wait": wait or None, "type": type, "limit": limit}
        given = {name: value for name, value in query.items() if value is not None}
        return self._json("GET", "/registry/changes", params=given)

    def subscriptions(self) -> list[dict]:
        """The project's webhooks."""
        return list(self._pages("/registry/subscriptions", "subscriptions"))

    def subscription(self, subscription_id: str) -> dict:
        return self._json("GET", _path("/registry/subscriptions", subscription_id))["subscription"]

    def create_subscription(self, url: str, type: str | None = None, secret: str | None = None) -> dict:
        """Has changes posted to ``url``. What is returned has the ``secret`` that they are signed with."""
        wanted = {"url": url, "type": type, "secret": secret}
        given = {name: value for name, value in wanted.items() if value is not None}
        return self._json("POST", "/registry/subscriptions", json=given)["subscription"]

    def delete_subscription(self, subscription_id: str) -> None:
        self._call("DELETE", _path("/registry/subscriptions", subscription_id))

    def deliveries(self, subscription_id: str) -> list[dict]:
        """What did not get through to it."""
        return list(
            self._pages(_path("/registry/subscriptions", subscription_id, "deliveries"), "deliveries")
        )

    def resend_delivery(self, subscription_id: str, index: int) -> None:
        path = _path("/registry/subscriptions", subscription_id, "deliveries", str(index), "resend")
        self._call("POST", path)

    def resend_deliveries(self, subscription_id: str) -> int:
        """All of the dead; how many."""
        path = _path("/registry/subscriptions", subscription_id, "deliveries", "resend")
        return self._json("POST", path)["resent"]

    def service_types(self) -> list[str]:
        return [each["type"] for each in self._json("GET", "/registry/service/types")["types"]]

    def instances(self, service_type: str) -> list[dict]:
        return self._json("GET", _path("/registry/service/types", service_type))["services"]

    def best_instance(
        self,
        service_type: str,
        *,
        balancer: str | None = None,
        key: str | None = None,
        version: str | None = None,
        tag: str | None = None,
        explain: bool = False,
    ) -> dict:
        """The one to use now; ApiError 503 with ``retry_after`` while none passes its check.

        ``balancer``: RR, RND, WRR, WRND, LL or HASH, which a ``key`` means too. ``explain`` adds
        "explanation": of each instance of the type why it was chosen or not."""
        asked = {"balancer": balancer, "key": key, "version": version, "tag": tag}
        query = {name: value for name, value in asked.items() if value is not None}
        query |= {"explain": "true"} if explain else {}
        return self._json("GET", _path("/registry/service/types", service_type, "best"), params=query)

    def instance(self, name: str) -> dict:
        """By its name: hello-0."""
        return self._json("GET", _path("/registry/service", name))

    def instance_by_index(self, service_type: str, index: int) -> dict:
        return self._json("GET", _path("/registry/service/types", service_type, str(index)))

    def sign(self, service_type: str, **about: Any) -> dict:
        """A signature for a service that registers itself: {"token", "expires_at"}. ``about``: host, port,
        version, where it is for those alone."""
        return self._json("POST", "/registry/tokens", json={"type": service_type, **about})

    def signing_keys(self) -> dict:
        """The keys that verify the gateway's signatures, as a JWKS."""
        return self._json("GET", "/registry/.well-known/jwks.json")

    def find_instances(
        self,
        *,
        type: str | None = None,
        version: str | None = None,
        health: str | None = None,
        tag: str | None = None,
    ) -> list[dict]:
        """Of all types where none is given. ``version``: that very one, or a range: "~1.2" is any 1.2.x."""
        asked = {"type": type, "version": version, "health": health, "tag": tag}
        query = {name: value for name, value in asked.items() if value is not None}
        return list(self._pages("/registry/service", "services", **query))

    def prometheus_targets(self) -> list[dict]:
        """[{"targets": ["198.51.100.7:8080"], "labels": {"__meta_gateway_type": "web", …}}]"""
        return self._json("GET", "/registry/facades/http_sd")

    def register(self, instance: dict) -> dict:
        """{"status": "OK", "message": "OK", "instance": "hello-0", "change": "created", "index": 1}; raises
        ApiError where it is refused."""
        return self._json("POST", "/registry/service", json=instance)

    def replace_instance(self, name: str, instance: dict) -> dict:
        """As a whole: what ``instance`` leaves out is as in a new one. {"instance", "change": "changed",
        "index"}; the change is None where it was so already."""
        return self._json("PUT", _path("/registry/service", name), json=instance)

    def update_instance(self, name: str, changes: dict) -> dict:
        """Only what ``changes`` has; answers as ``replace_instance`` does."""
        return self._json("PATCH", _path("/registry/service", name), json=changes)

    def set_maintenance(self, name: str, enabled: bool, reason: str = "") -> dict:
        """Takes it out, or lets it in again once it passes; answers as ``replace_instance`` does."""
        body = {"enabled": enabled, **({"reason": reason} if reason else {})}
        return self._json("PUT", _path("/registry/service", name) + "/maintenance", json=body)

    def remove_instance(self, name: str) -> dict:
        """{"instance", "change": "removed", "index"}"""
        return self._json("DELETE", _path("/registry/service", name))

    def readings(self, name: str) -> dict:
        """{"name", "status", "since", "held", "check": {…}, "readings": [{"ok", "output", "at", "latency"}]},
        the newest first."""
        return self._json("GET", _path("/registry/service", name, "readings"))

    def heartbeat(self, name: str, *, status: str = "passing", output: str | None = None) -> dict:
        """For an instance with a ttl check: it lives, or says that it is critical."""
        body = {"status": status} if output is None else {"status": status, "output": output}
        return self._json("PUT", _path("/registry/service", name, "heartbeat"), json=body)

    # HTTP

    def _events(
        self, path: str, query: dict[str, str], last: str, after: int | None, patience: float
    ) -> Iterator[tuple[str, dict]]:
        """Server-sent events until one called ``last``, each once, whatever becomes of the connections."""
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
        has_body = "json" in options or "data" in options
        try:
            return self._http.request(path, method, raise_exc=False, log=not has_body, **options)
        except (exceptions.EndpointNotFound, exceptions.EmptyCatalog) as error:
            raise ApiError(
                "Keystone's catalogue has no service of the type gateway here: give the gateway's URL.",
                code="client.no_endpoint",
            ) from error
        except exceptions.ConnectionError as error:
            raise ApiError(_unreachable(error), code="client.unreachable") from error
        except exceptions.Unauthorized as error:
            raise ApiError(
                "Keystone refuses these credentials.",
                code="client.unauthorized",
                status=401,
                request_id=error.request_id,
            ) from error
        except exceptions.ClientException as error:
            raise ApiError(f"Keystone: {_first_line(error)}", code="client.keystone") from error


def _path(*parts: str) -> str:
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


def _unreachable(error: exceptions.ConnectionError) -> str:
    """keystoneauth keeps the URL and the cause only in its message, wrapped several times."""
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
