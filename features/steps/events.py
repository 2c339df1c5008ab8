"""What is streamed or waited for: logs that are followed, the change feed."""

import concurrent.futures
import time

from behave import then, when
from harness.asking import call
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


@when("{who:Who} listens to {path:S} with Last-Event-ID: {id:S}")
def step_listen_badly(context, who, path, id):
    headers = {"Accept": "text/event-stream", "Last-Event-ID": id}
    call(context, who, "GET", path, headers=headers)


@when("it listens no longer")
def step_listen_no_longer(context):
    context.listener.close()


@when("{who:Who} begins to call GET {path:S}")
def step_begin(context, who, path):
    """Returns a while after it is sent: what is yet to happen shall find it waiting."""
    pool = concurrent.futures.ThreadPoolExecutor(1)
    context.begun = pool.submit(context.client.call, who, "GET", filled(path, context.names))
    time.sleep(1)


@then("what was begun is answered {status:d}")
def step_begun(context, status):
    context.answer = context.begun.result(60)
    assert context.answer.status_code == status, f"{context.answer.status_code} {context.answer.text}"


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


@then("both have heard the same since")
def step_heard_the_same(context):
    count = len(context.listener.heard) + context.skipped
    context.first.wait(lambda listener: len(listener.heard) >= count)
    assert context.listener.heard == context.first.heard[context.skipped : count], context.listener.heard


@then("it has heard all the rest, and nothing twice")
def step_all_the_rest(context):
    step_ends(context)
    context.first.wait(lambda listener: listener.ended)
    assert context.listener.heard == context.first.heard[context.skipped :], context.listener.heard
