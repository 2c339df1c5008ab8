"""OpenStack's message bus, listened to as Ceilometer does."""

import time
import uuid

import oslo_messaging
from behave import given, then
from harness import clouds
from harness.own import own_gateway
from oslo_config import cfg

_RABBIT = "rabbit://guest:guest@127.0.0.1:5672/"  # devstack/aio's
_SOON = 60  # seconds


class _Heard:
    def __init__(self):
        self.messages = []

    def info(self, context, publisher_id, event_type, payload, metadata):
        self.messages.append((event_type, payload))


@given("a gateway of the scenario's own, whose notifications go to RabbitMQ")
def step_gateway(context):
    topic = f"gateway-features-{uuid.uuid4().hex[:8]}"
    context.heard = _Heard()
    transport = oslo_messaging.get_notification_transport(cfg.ConfigOpts(), _RABBIT)
    listener = oslo_messaging.get_notification_listener(
        transport, [oslo_messaging.Target(topic=topic)], [context.heard], executor="threading"
    )
    listener.start()
    context.add_cleanup(listener.wait)
    context.add_cleanup(listener.stop)
    section = {"driver": "messagingv2", "transport_url": _RABBIT, "topics": topic}
    own_gateway(context, {"oslo_messaging_notifications": section})


@then("RabbitMQ has instance.created and instance.removed of {instance:S}")
def step_heard(context, instance):
    deadline = time.monotonic() + _SOON
    while True:
        types = [type for type, payload in context.heard.messages if payload.get("instance") == instance]
        if types == ["instance.created", "instance.removed"]:
            return
        assert time.monotonic() < deadline, context.heard.messages
        time.sleep(0.5)


@then("RabbitMQ has these events of who did what")
def step_audited(context):
    """And no others."""
    wanted = sorted(_wanted(row) for row in context.table)
    deadline = time.monotonic() + _SOON
    while (seen := sorted(_audited(payload) for payload in _events(context))) != wanted:
        assert time.monotonic() < deadline, f"{seen}, not {wanted}"
        time.sleep(0.5)


def _events(context) -> list[dict]:
    return [payload for type, payload in context.heard.messages if type == "audit.http.response"]


def _wanted(row) -> tuple:
    who = row["who"]
    id = "unknown" if who == "nobody" else clouds.as_user(who).current_user_id
    return (id, *(row[name] for name in ("action", "target", "outcome", "status")))


def _audited(payload: dict) -> tuple:
    reason, target = payload["reason"], payload["target"]
    told = payload["action"], target["id"], payload["outcome"], reason["reasonCode"]
    return (payload["initiator"]["id"], *told)


@then("none of them has a token or a body")
def step_nothing_secret(context):
    text = str(_events(context))
    assert clouds.as_user("a member").auth_token not in text
    assert "httpPort" not in text
    assert "/health" not in text
