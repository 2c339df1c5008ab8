"""What operators see: metrics, logs, reports."""

import json
import pathlib
import re
import signal
import subprocess
import time

import psutil
from behave import given, then, when
from harness import clouds
from harness.own import own_gateway
from harness.running import promtool

from gateway.tests import counted

_ROOT = pathlib.Path(__file__).parents[2]
_SOON = 60  # seconds
_BUS_PASSWORD = "of-the-bus-alone"


def _scrape(context) -> str:
    context.scraped = counted.scraped(context.gateway.metrics_url)
    return context.scraped


@then("soon Prometheus reads at least 1 of each of these")
def step_reads(context):
    wanted, deadline = [row["series"] for row in context.table], time.monotonic() + _SOON
    while missing := [each for each in wanted if (counted.value(_scrape(context), each) or 0) < 1]:
        assert time.monotonic() < deadline, f"{missing}:\n{context.scraped}"
        time.sleep(0.5)


@then("promtool finds no fault with what it reads")
def step_no_fault(context):
    _run([promtool(), "check", "metrics"], input=context.scraped)


@then("what it reads names neither {service:w} nor a project")
def step_names_nobody(context, service):
    ids = [clouds.cloud(name).current_project_id for name in clouds.MEMBERS]
    assert not [each for each in (service, *ids) if each in context.scraped], context.scraped


@then("promtool takes {config:S} and {rules:S}")
def step_takes(context, config, rules):
    _run([promtool(), "check", "config", _ROOT / config])
    _run([promtool(), "check", "rules", _ROOT / rules])


def _run(command, **kwargs):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, **kwargs)
    assert done.returncode == 0, done.stdout + done.stderr


@given("a gateway of the scenario's own with JSON logs, a folder for reports, and a bus that is away")
def step_json(context):
    context.reports = context.folder / "reports"
    context.reports.mkdir()
    options = {
        "DEFAULT": {"use_json": "true", "debug": "true"},
        "api": {"health_networks": "192.0.2.0/24"},
        "oslo_reports": {"log_dir": context.reports},
        "oslo_messaging_notifications": {
            "driver": "messagingv2",
            "transport_url": f"rabbit://gateway:{_BUS_PASSWORD}@127.0.0.1:9/",
        },
    }
    own_gateway(context, options)


def _lines(context) -> list[dict]:
    return [json.loads(line) for line in context.gateway.log.read_text().splitlines()]


@then("each line of the daemon's log is JSON")
def step_each_line(context):
    assert len(_lines(context)) > 10, context.gateway.tail()


@then("one of them is the answer's, with its request id, its user and its project")
def step_context(context):
    user = clouds.as_user("a member")
    wanted = context.answer.headers["X-Openstack-Request-Id"], user.current_user_id, user.current_project_id
    seen = [
        (each["context"].get("request_id"), each["context"].get("user"), each["context"].get("project_id"))
        for each in _lines(context)
        if "status: 404" in each["message"]
    ]
    assert wanted in seen, f"{wanted} is not in {seen}"


@when("each process of the daemon gets the signal USR2")
def step_signal(context):
    first = psutil.Process(context.gateway.pid)
    context.processes = [first, *first.children(recursive=True)]
    for process in context.processes:
        process.send_signal(signal.SIGUSR2)


@then("soon the folder has a report of each, with its threads and its configuration")
def step_reports(context):
    deadline = time.monotonic() + _SOON
    while len(there := _reports(context)) < len(context.processes):
        assert time.monotonic() < deadline, f"{len(context.processes)} processes: {there}"
        time.sleep(0.2)
    names = {path.name.partition("_")[0] for path in there}
    assert {"gatewayd", "gatewayd-api-0", "gatewayd-engine-0", "gatewayd-monitor-0"} <= names, names


def _reports(context) -> list[pathlib.Path]:
    """Those that are whole."""
    parts = ("Threads", "gatewayd's Configuration", "state_path")
    return [path for path in context.reports.iterdir() if all(part in path.read_text() for part in parts)]


@then("neither the log nor a report has a token or a password")
def step_no_secret(context):
    token, password = clouds.as_user("a member").auth_token, re.escape(context.gateway.password)
    for path in (context.gateway.log, *context.reports.iterdir()):
        text = path.read_text()
        assert token not in text, path
        assert _BUS_PASSWORD not in text, path
        assert not re.search(rf"password\W+{password}\b", text, re.IGNORECASE), path
