"""The features are the specification: every row of the URL table is routed, and some scenario calls it."""

import pathlib
import re

import behave.parser
import pytest
import webob

from gateway import conf as options
from gateway import daemon
from gateway.db import Database, schema
from gateway.tests import url_table

_FEATURES = pathlib.Path(__file__).parents[3] / "features"
_CALL = re.compile(r"\bcalls (GET|POST|PUT|PATCH|DELETE) (/[^\s?]*)")


@pytest.fixture(scope="module")
def application(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gateway")
    config = folder / "gateway.conf"
    config.write_text(f"""
[DEFAULT]
state_path = {folder}
[keystone_authtoken]
auth_type = password
auth_url = http://keystone.invalid/v3
www_authenticate_uri = http://keystone.invalid/v3
username = gateway
password = secret
project_name = service
user_domain_name = Default
project_domain_name = Default
""")
    conf = options.load(["--config-file", str(config)])
    schema.upgrade(Database(conf))
    return daemon.wsgi_application(conf)


def _calls():
    """(method, path) of every step of every scenario, outlines filled in."""
    for path in _FEATURES.rglob("*.feature"):
        for scenario in behave.parser.parse_file(str(path)).walk_scenarios():
            for step in scenario.steps:
                yield from _CALL.findall(step.name)


def test_some_scenario_calls_each_endpoint():
    untouched = url_table.untouched(_calls())
    assert not untouched, "no feature, no endpoint: " + ", ".join(map(str, untouched))


@pytest.mark.parametrize("endpoint", url_table.endpoints(), ids=str)
def test_each_endpoint_is_routed(application, endpoint):
    """Without a token: public ones answer, the others ask for one; none says that there is no such URL."""
    path = re.sub(r"{\w+}", "0", endpoint.path)
    answer = webob.Request.blank(path, method=endpoint.method).get_response(application)
    assert not re.search(r"gateway\.request\.(not_found|method_not_allowed)", answer.text)
    assert answer.status_int in (200, 204, 400, 401, 404), answer.text


def test_what_is_not_in_the_table_is_not_routed(application):
    answer = webob.Request.blank("/v1/floppies").get_response(application)
    assert (answer.status_int, "nothing at this URL" in answer.text) == (404, True)
