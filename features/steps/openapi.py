"""The page that shows the API; and schemathesis, which tries what its description promises."""

import pathlib
import subprocess
import sys

from behave import given, then
from harness import clouds
from harness.own import own_gateway

_EXPECTED = pathlib.Path(__file__).parents[1] / "harness" / "openapi.toml"


@given("a gateway of one's own")
def step_own(context):
    own_gateway(context, {})


@then("schemathesis, as {who:Who}, finds nothing wrong in {count:d} examples of each call")
def step_schemathesis(context, who, count):
    """Not as a member whose project others may use: what there is would be deleted."""
    context.clearing.begin(context.client)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", _EXPECTED, "run"),
        *(f"{context.client.url}/v1/openapi.json", "--checks", "all", "--phases", "coverage,fuzzing"),
        *("--max-examples", str(count), "--seed", "1", "--no-shrink", "--no-color", "--warnings", "off"),
        *("--continue-on-failure", "--request-timeout", "60", "--max-response-time", "60"),
    ]
    if who != "nobody":
        command += ["--header", f"X-Auth-Token: {clouds.as_user(who).auth_token}"]
    log = context.folder / "schemathesis.log"
    with log.open("w") as file:
        done = subprocess.run(command, cwd=context.folder, stdout=file, stderr=file, timeout=900)
    assert done.returncode == 0, log.read_text()[-6000:]


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
