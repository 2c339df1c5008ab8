"""Receivers of webhooks, and what they are sent."""

import json
import time

import standardwebhooks
from behave import given, then, when
from harness.asking import call
from harness.receiver import Receiver

_SOON = 60  # seconds


@given("a receiver of webhooks")
def step_receiver(context):
    context.receiver = Receiver(context.names["here"])
    context.add_cleanup(context.receiver.stop)


@given("the receiver answers {status:d}")
@when("the receiver answers {status:d}")
def step_receiver_answers(context, status):
    context.receiver.answer = status


@when("{who:Who} subscribes the receiver to {type:w}")
def step_subscribe(context, who, type):
    wanted = {"url": context.receiver.url, "type": type}
    answer = call(context, who, "POST", "/registry/subscriptions", json=wanted)
    context.secret = answer.json()["subscription"]["secret"]


@then("the receiver is told {types}")
def step_told(context, types):
    wanted, deadline = types.split(", "), time.monotonic() + _SOON
    while (seen := [json.loads(body)["type"] for _, body in context.receiver.got]) != wanted:
        assert time.monotonic() < deadline, seen
        time.sleep(0.2)


@then("each message is about {instance:S} and verified with the secret")
def step_verified(context, instance):
    hook = standardwebhooks.Webhook(context.secret)
    messages = [hook.verify(body, headers) for headers, body in context.receiver.got]
    assert {message["data"]["instance"] for message in messages} == {instance}, messages
    indexes = [message["data"]["index"] for message in messages]
    assert indexes == sorted(set(indexes)), indexes
