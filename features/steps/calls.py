"""Calls to the gateway and what they answer. ``"flavors.0.id"`` is a place in the JSON answer."""

import json

from behave import given, then, when
from harness.asking import call, found
from harness.names import filled


@when("{who:Who} calls {method:w} {path:S}")
def step_call(context, who, method, path):
    _call(context, who, method, path, {})


@when("{who:Who} calls {method:w} {path:S} with {header:S}: {value}")
def step_call_with_header(context, who, method, path, header, value):
    _call(context, who, method, path, {header: filled(value, context.names)})


def _call(context, who, method, path, headers):
    path = filled(path, context.names)
    data = None
    if context.text is not None:
        data = filled(context.text, context.names).encode()
        headers = {"Content-Type": "application/json"} | headers
    call(context, who, method, path, data=data, headers=headers)


@then("the answer is {status:d}")
def step_status(context, status):
    answer = context.answer
    assert answer.status_code == status, f"{answer.status_code}, not {status}: {answer.text}"
    assert answer.headers.get("X-Openstack-Request-Id", "").startswith("req-"), answer.headers
    if answer.content and answer.request.path_url != "/healthcheck":
        assert answer.headers["Content-Type"].startswith("application/json"), answer.headers
        answer.json()


@then("the error is {status:d} {code:S}")
def step_error(context, status, code):
    _check_error(context, status, code)


@then('the error is {status:d} {code:S}, which says "{text}"')
def step_error_says(context, status, code, text):
    detail = _check_error(context, status, code)["detail"]
    assert filled(text, context.names) in detail, f"{text!r} is not in {detail!r}"


_OF_THE_REGISTRY = {"status", "message", "explanation", "oldest", "index"}  # what its errors say besides


def _check_error(context, status, code) -> dict:
    answer = context.answer
    assert answer.status_code == status, f"{answer.status_code}, not {status}: {answer.text}"
    body = answer.json()
    assert set(body) - _OF_THE_REGISTRY == {"errors"}, answer.text
    assert len(body["errors"]) == 1, answer.text
    error = body["errors"][0]
    assert set(error) - {"field"} == {"status", "code", "title", "detail", "request_id"}, answer.text
    assert (error["status"], error["code"]) == (status, code), answer.text
    assert error["request_id"] == answer.headers["X-Openstack-Request-Id"], answer.text
    assert error["title"], answer.text
    assert error["detail"], answer.text
    assert "Traceback" not in answer.text, answer.text
    return error


@then('its field is "{field}"')
def step_error_field(context, field):
    error = context.answer.json()["errors"][0]
    assert error.get("field") == field, error


@then("its header {header:S} is {value}")
def step_header(context, header, value):
    assert context.answer.headers.get(header) == filled(value, context.names), context.answer.headers


@then('its header {header:S} has "{text}"')
def step_header_has(context, header, text):
    value = context.answer.headers.get(header, "")
    assert filled(text, context.names) in value, f"{header}: {value}"


@given('"{place}" is remembered as {name:w}')
@when('"{place}" is remembered as {name:w}')
@then('"{place}" is remembered as {name:w}')
def step_remember(context, place, name):
    context.names[name] = str(found(context.answer, place))


@then('"{place}" is not {value:Json}')
def step_value_not(context, place, value):
    seen = found(context.answer, place)
    assert seen != json.loads(filled(value, context.names)), f"{place} is {seen!r}"


@then('"{place}" is {value:Json}')
def step_value(context, place, value):
    seen = found(context.answer, place)
    assert seen == json.loads(filled(value, context.names)), f"{place} is {seen!r}"


@then('"{place}" says "{text}"')
def step_says(context, place, text):
    seen = found(context.answer, place)
    assert filled(text, context.names) in seen, f"{place} is {seen!r}"


@then('"{place}" are {count:d}')
def step_count(context, place, count):
    seen = found(context.answer, place)
    assert len(seen) == count, f"{place} are {len(seen)}: {seen}"


@then('each of "{place}" has {fields}')
def step_each_has(context, place, fields):
    items = found(context.answer, place)
    assert items, f"{place} is empty"
    for item in items:
        missing = [name for name in fields.replace(" and ", ", ").split(", ") if name not in item]
        assert not missing, f"no {missing} in {item}"


@then('"{place}" has {fields}')
def step_has(context, place, fields):
    item = found(context.answer, place)
    missing = [name for name in fields.replace(" and ", ", ").split(", ") if name not in item]
    assert not missing, f"no {missing} in {item}"


@then('every one of "{place}" has {field:w} "{value}"')
def step_each_has_value(context, place, field, value):
    seen = {item.get(field) for item in found(context.answer, place)}
    assert seen == {filled(value, context.names)}, f"the {field}s are {seen}"


@then('one of "{place}" has {field:w} "{value}"')
def step_one_has(context, place, field, value):
    seen = [item.get(field) for item in found(context.answer, place)]
    assert filled(value, context.names) in seen, f"the {field}s are {seen}"


@then('none of "{place}" has {field:w} "{value}"')
def step_none_has(context, place, field, value):
    seen = [item.get(field) for item in found(context.answer, place)]
    assert filled(value, context.names) not in seen, f"the {field}s are {seen}"


@then('the answer never mentions "{text}"')
def step_never_mentions(context, text):
    assert filled(text, context.names) not in context.answer.text, context.answer.text
