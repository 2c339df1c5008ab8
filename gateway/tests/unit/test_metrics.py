"""What is counted is what a scrape shows."""

import json
import pathlib
import re
import socket

import pytest
import yaml

from gateway import errors, exporter, metrics
from gateway.api import routes
from gateway.db import Database, alive, schema
from gateway.registry.model import Registration
from gateway.tests import counted, registered, url_table


@pytest.fixture
def scrape(tmp_path, free_port):
    """Starts to count, with what stands in the database of ``tmp_path``."""
    conf = registered.configuration(tmp_path)
    conf.set_override("port", free_port, "metrics")
    schema.upgrade(Database(conf))
    with counted.counting(tmp_path):
        close = exporter.serve(conf)
        yield lambda: counted.scraped(f"http://127.0.0.1:{free_port}")
        close()


@pytest.fixture
def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_before_anyone_asks_nothing_is_counted():
    metrics.HTTP_REQUESTS.inc("GET", "/v1/servers", "200")
    with metrics.SSH_CONNECTIONS.counting(), metrics.FLOW_SECONDS.timing("create"):
        pass
    assert metrics.HTTP_REQUESTS._made is None


def test_the_processes_are_summed_and_one_that_is_started_again_goes_on(scrape):
    for process in ("api-0", "api-1", "api-0"):
        metrics.begin(process)
        metrics.HTTP_REQUESTS.inc("GET", "/v1/servers", "200")
    series = 'gateway_http_requests_total{method="GET",route="/v1/servers",status="200"}'
    assert counted.value(scrape(), series) == 3


def test_what_was_quick_is_observed_in_one_go(scrape):
    metrics.HTTP_SECONDS.observe_many(1000, 0.25, "GET", "/v1/servers")
    metrics.HTTP_SECONDS.observe(0.02, "GET", "/v1/servers")
    text = scrape()
    labels = 'method="GET",route="/v1/servers"'
    name = "gateway_http_request_duration_seconds"
    assert counted.value(text, f'{name}_bucket{{le="0.001",{labels}}}') == 1000
    assert counted.value(text, f'{name}_bucket{{le="0.025",{labels}}}') == 1001
    assert counted.value(text, f"{name}_count{{{labels}}}") == 1001
    assert counted.value(text, f"{name}_sum{{{labels}}}") == pytest.approx(0.27)


def test_a_result_is_the_last_word_of_a_code(scrape):
    @metrics.SSH_CONNECTIONS.counting()
    def connect(error):
        if error:
            raise error

    connect(None)
    for error in (errors.Unavailable("gateway.ssh.unreachable", "away"), OSError("what nobody expected")):
        with pytest.raises(type(error)):
            connect(error)
    text = scrape()
    for result in ("ok", "unreachable", "OSError"):
        assert counted.value(text, f'gateway_ssh_connections_total{{result="{result}"}}') == 1


def test_what_stands_in_the_database_is_read_when_it_is_asked_for(scrape, tmp_path):
    registry = registered.registry(registered.configuration(tmp_path))
    for port in (80, 81):
        registry.register("p", Registration("mail", "http", "10.0.0.1", port), verify=False)
    database = Database(registered.configuration(tmp_path))
    alive._say(database, "here:1", "engine")
    with database.write() as connection:
        connection.execute(alive.processes.insert().values(id="there:1", role="engine", seen_at=1.0))
    text = scrape()
    assert counted.value(text, 'gateway_registry_instances{status="passing"}') == 2
    assert counted.value(text, "gateway_registry_changes_index") == 2
    assert counted.value(text, "gateway_engines_alive") == 1
    assert counted.value(text, "gateway_monitors_alive") == 0
    assert counted.value(text, "gateway_database_up") == 1
    assert counted.value(text, 'gateway_build_info{version="1.2.3"}') == 1


def test_without_its_database_a_scrape_says_so_and_shows_the_rest(scrape, tmp_path):
    metrics.CHECKS.inc("http", "ok")
    assert counted.value(scrape(), "gateway_database_up") == 1
    for path in tmp_path.glob("*.db*"):
        path.write_bytes(b"no database")
    text = scrape()
    assert counted.value(text, "gateway_database_up") == 0
    assert counted.value(text, 'gateway_checks_total{kind="http",result="ok"}') == 1
    assert "gateway_deployments" not in text


@pytest.mark.parametrize("endpoint", url_table.endpoints(), ids=str)
def test_a_path_is_known_by_its_row_in_the_table(endpoint):
    path = re.sub(r"{(\w+)}", r"a-\1", endpoint.path)
    found = routes.route(path)
    assert found == (endpoint.path, tuple(f"a-{name}" for name in re.findall(r"{(\w+)}", endpoint.path)))


@pytest.mark.parametrize("path", ["/v1/floppies", "/v1/servers/a/b/c", "/wp-admin", "/v1/deployments/1/keys"])
def test_what_is_not_in_the_table_is_other(path):
    assert routes.route(path).template == "other"


_ETC = pathlib.Path(__file__).parents[3] / "etc" / "gateway"
_SUFFIXES = r"(?:_bucket|_count|_sum)?"


def _dashboard():
    panels = json.loads((_ETC / "grafana-dashboard.json").read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def _alerts():
    (group,) = yaml.safe_load((_ETC / "alerts.yml").read_text())["groups"]
    return [rule["expr"] for rule in group["rules"]]


@pytest.mark.parametrize("expression", [*_dashboard(), *_alerts()])
def test_a_dashboard_and_the_alerts_ask_for_what_there_is(expression):
    """The metrics, their labels in selections and groups."""
    asked = re.findall(r"gateway_\w+", expression) or ["up"]
    for name in asked:
        known = [metric for metric in metrics.ALL if re.fullmatch(metric.name + _SUFFIXES, name)]
        assert known or name == "up", name
        labels = {label for metric in known for label in metric.labels} | {"le", "job", "instance"}
        selected = re.findall(r"(\w+)\s*=~?\s*\"", expression)
        groups = re.findall(r"by \(([^)]*)\)", expression)
        grouped = [each.strip() for group in groups for each in group.split(",")]
        assert {*selected, *grouped} <= labels


def test_the_dashboard_shows_every_metric():
    shown = "\n".join(_dashboard())
    missing = [metric.name for metric in metrics.ALL if metric.name not in shown]
    assert missing == []
