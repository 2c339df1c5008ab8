"""What is streamed: logs that are followed."""

from behave import then, when
from harness.events import Listener
from harness.names import filled


@when("{who:Who} listens to {path:S}")
def step_listen(context, who, path):
    _listen(context, who, path)


@when("{who:Who} listens to {path:S} again, after event {number:d}")
def step_listen_again(context, who, path, number):
    context.first = context.listener
    context.listener.wait(lambda listener: len(listener.heard) >= number)
    _listen(context, who, path, context.listener.heard[number - 1].id)
    context.skipped = number


def _listen(context, who, path, after=None):
    context.listener = Listener(context.client, who, filled(path, context.names), after)
    context.add_cleanup(context.listener.close)
    assert context.listener.answer.status_code == 200, context.listener.answer.text
    assert context.listener.answer.headers["Content-Type"] == "text/event-stream"


@when("it has heard {name:w} with {place:w} {value}")
@then("it hears {name:w} with {place:w} {value}")
def step_hears(context, name, place, value):
    wanted = (name, filled(value, context.names))
    context.listener.wait(lambda listener: wanted in [(e.name, e.data.get(place)) for e in listener.heard])


@then("the stream ends")
def step_ends(context):
    context.listener.wait(lambda listener: listener.ended)


@then("its last event is {name:w} with {place:w} {value}")
def step_last_event(context, name, place, value):
    last = context.listener.heard[-1]
    assert (last.name, last.data.get(place)) == (name, value), last


@then("no event came twice or out of order")
def step_in_order(context):
    ids = [int(event.id) for event in context.listener.heard if event.name != "end"]
    assert ids == sorted(set(ids)), ids


@then("it has heard all the rest, and nothing twice")
def step_all_the_rest(context):
    step_ends(context)
    context.first.wait(lambda listener: listener.ended)
    assert context.listener.heard == context.first.heard[context.skipped :], context.listener.heard
