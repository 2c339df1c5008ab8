"""Webhooks of the change feed: who is told, and what did not get through.

A receiver is sent {"type": "instance.created", "timestamp": …, "data": the change as the feed has it}, signed
with the subscription's secret as standardwebhooks.com says (headers webhook-id, -timestamp and -signature;
any of its libraries verifies them). It is told the changes one by one, in their order; what it does not
answer with 2xx within [webhooks] timeout is sent again, so that it may come twice: data.index tells. What is
given up after [webhooks] attempts is kept as a dead delivery, which can be sent again.

A subscription's ``index`` is the change up to which its receiver was told.
"""

import base64
import binascii
import json
import secrets
import time
import urllib.parse
import uuid

import pecan

from gateway import errors
from gateway.api.collection import PAGE, page
from gateway.api.expose import expose, isoformat
from gateway.api.shapes import Time, extended, listed, shape
from gateway.registry import guard
from gateway.registry.model import TYPE_PATTERN
from gateway.registry.subscriptions import Delivery, State, Subscription

_PREFIX = "whsec_"
_BODY = {
    "type": "object",
    "required": ["url"],
    "additionalProperties": False,
    "properties": {
        "url": {"type": "string", "maxLength": 2000, "error": "must be a URL, at most 2000 long."},
        "type": {"type": "string", "pattern": TYPE_PATTERN, "error": "must be a service type."},
        "secret": {"type": "string", "maxLength": 200, "error": "must be a text."},
    },
}
_DELIVERIES = {
    **PAGE,
    "marker": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1, "error": "must be an index."},
    "state": {"enum": list(State), "error": f"must be one of {', '.join(State)}."},
}
_SUBSCRIPTION = shape(
    id=str,
    url=str,
    type=str | None,
    index=int,
    attempts=int,
    error=str | None,
    created_at=Time,
)
_DELIVERY = shape(index=int, state=State, attempts=int, error=str, at=Time, message=dict)
_RESENT = shape(resent=int)


class Subscriptions:
    """``gateway.api.registry.Registry`` routes here."""

    def __init__(self, parts):
        self._conf = parts.conf
        self._store = parts.subscriptions
        self._feed = parts.registry.feed
        self._guard = guard.Guard(parts.conf)

    def route(self, segments: list[str]) -> tuple[dict, list[str]] | None:
        """The methods of a URL below /registry/subscriptions, and the segments that they take."""
        match segments:
            case []:
                return {"GET": self.get_all, "POST": self.post}, []
            case [id]:
                return {"GET": self.get_one, "DELETE": self.delete}, [id]
            case [id, "deliveries"]:
                return {"GET": self.get_deliveries}, [id]
            case [id, "deliveries", "resend"]:
                return {"POST": self.resend_all}, [id]
            case [id, "deliveries", index, "resend"] if index.isascii() and index.isdigit():
                return {"POST": self.resend}, [id, index]
        return None

    @expose(policy="gateway:subscriptions:get", query=PAGE, answer=listed("subscriptions", _SUBSCRIPTION))
    def get_all(self, context, limit=None, marker=None):
        def fetch(limit, marker):
            return self._store.of_project(context.project_id, limit, marker)

        return page("subscriptions", self._conf, fetch, _view, limit, marker)

    @expose(policy="gateway:subscriptions:get", answer=shape(subscription=_SUBSCRIPTION))
    def get_one(self, id, context):
        return {"subscription": _view(self._store.get(id, context.project_id))}

    @expose(
        policy="gateway:subscriptions:create",
        body=_BODY,
        status=201,
        answer=shape(subscription=extended(_SUBSCRIPTION, secret=str)),
        raises=[errors.Conflict],
        headers=["Location", "Cache-Control"],
    )
    def post(self, context, body):
        """The answer alone has the secret."""
        self._check_url(body["url"])
        subscription = Subscription(
            id=str(uuid.uuid4()),
            project_id=context.project_id,
            url=body["url"],
            type=body.get("type"),
            secret=_checked_secret(body["secret"]) if "secret" in body else _new_secret(),
            index=self._feed.refresh(),
            created_at=time.time(),
        )
        self._store.add(subscription, self._conf.webhooks.max_subscriptions)
        pecan.response.headers["Location"] = f"/registry/subscriptions/{subscription.id}"
        pecan.response.headers["Cache-Control"] = "no-store"
        return {"subscription": _view(subscription) | {"secret": subscription.secret}}

    @expose(policy="gateway:subscriptions:delete", status=204)
    def delete(self, id, context):
        self._store.remove(id, context.project_id)

    @expose(
        policy="gateway:subscriptions:get",
        query=_DELIVERIES,
        answer=listed("deliveries", _DELIVERY),
    )
    def get_deliveries(self, id, context, limit=None, marker=0, state=None):
        self._store.get(id, context.project_id)

        def fetch(limit, marker):
            return self._store.deliveries(id, state and State(state), limit, marker)

        return page("deliveries", self._conf, fetch, _delivery, limit, marker, mark=lambda each: each.index)

    @expose(policy="gateway:subscriptions:create", status=202, answer=_RESENT)
    def resend_all(self, id, context):
        self._store.get(id, context.project_id)
        return {"resent": self._store.resend(id)}

    @expose(policy="gateway:subscriptions:create", status=202, answer=_RESENT)
    def resend(self, id, index, context):
        self._store.get(id, context.project_id)
        resent = self._store.resend(id, int(index)) if len(index) < 19 else 0
        if not resent:
            raise errors.NotFound(
                "gateway.subscription.delivery_not_found", f"There is no dead delivery {index[:20]}."
            )
        return {"resent": resent}

    def _check_url(self, url: str) -> None:
        """Raises Invalid. What a name points to is judged when it is connected to."""
        try:
            parts = urllib.parse.urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise _bad_url(f"{url!r} is not a URL: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname or not url.isascii():
            raise _bad_url(f"{url!r} is not http://… or https://…, in ASCII")
        if parts.username is not None or parts.password is not None or parts.fragment or port == 0:
            raise _bad_url("no user, password, fragment or port 0 may be in it")
        if any(ord(character) <= 32 or ord(character) == 127 for character in url):
            raise _bad_url("no white space or control character may be in it")
        try:
            host = guard.parse(parts.hostname)
        except ValueError as error:
            raise _bad_url(str(error)) from error
        if not isinstance(host, str) and (network := self._guard.blocking(host)) is not None:
            raise _bad_url(f"{host} is in {network}, where nothing is sent ([registry] blocked_networks)")


def _bad_url(why: str) -> errors.Invalid:
    return errors.Invalid("gateway.subscription.url", f"url: {why}.", field="url")


def _new_secret() -> str:
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def _checked_secret(text: str) -> str:
    """Raises Invalid, which does not say the secret."""
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(_PREFIX) or not 24 <= len(key) <= 64:
        raise errors.Invalid(
            "gateway.subscription.secret",
            f"secret: must be {_PREFIX} and 24 to 64 bytes in base64; leave it out to be given one.",
            field="secret",
        )
    return text


def _view(subscription: Subscription) -> dict:
    return {
        "id": subscription.id,
        "url": subscription.url,
        "type": subscription.type,
        "index": subscription.index,
        "attempts": subscription.attempts,
        "error": subscription.error or None,
        "created_at": isoformat(subscription.created_at),
    }


def _delivery(delivery: Delivery) -> dict:
    return {
        "index": delivery.index,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "error": delivery.error,
        "at": isoformat(delivery.at),
        "message": json.loads(delivery.body),
    }
