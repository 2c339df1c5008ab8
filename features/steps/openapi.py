"""The page that shows the API."""

from behave import then


@then('a page is shown that has "{text}"')
def step_page(context, text):
    _check_shown(context, "text/html")
    assert text in context.answer.text, context.answer.text


@then("a script is shown")
def step_script(context):
    _check_shown(context, "text/javascript")


def _check_shown(context, kind):
    answer = context.answer
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == f"{kind}; charset=UTF-8", answer.headers
    assert answer.headers["X-Content-Type-Options"] == "nosniff", answer.headers
