"""The description of the API is whole, and made of what checks requests. That answers are as it says, the
tests that call the API check (gateway.tests.described), and so do the features."""

# ruff: noqa: F401, F811  (pytest finds the fixtures by these names)
import re

import jsonschema
import pytest
import webob

from gateway.api import wish
from gateway.api.collection import Collection
from gateway.tests import url_table
from gateway.tests.functional.test_features_cover import application


@pytest.fixture(scope="module")
def document(application):
    answer = webob.Request.blank("/v1/openapi.json").get_response(application)
    assert (answer.status_int, answer.content_type) == (200, "application/json")
    return answer.json


def operations(document):
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def schemas(node):
    if isinstance(node, dict):
        if "schema" in node:
            yield node["schema"]
        node = list(node.values())
    for each in node if isinstance(node, list) else ():
        yield from schemas(each)


def test_every_endpoint_is_in_it(document):
    table = {(row.method, row.path) for row in url_table.endpoints() if not row.is_for_platforms}
    assert set(operations(document)) == table


@pytest.mark.parametrize("kind", Collection.__subclasses__(), ids=lambda kind: kind.__name__)
def test_what_a_collection_exposes_it_routes(kind):
    tables = [kind.on_collection, kind.on_member, *kind.on_part.values(), *kind.on_part_member.values()]
    routed = [name for table in tables for name in table.values()]
    assert sorted(routed) == sorted(name for name, each in vars(kind).items() if hasattr(each, "description"))


def test_schemas_are_good_ones_and_have_no_keyword_of_our_own(document):
    for schema in schemas(document):
        jsonschema.Draft202012Validator.check_schema(schema)
        assert '"error": "' not in str(schema).replace("'", '"')


def test_bodies_are_described_by_what_checks_them(document):
    told = operations(document)["POST", "/v1/deployments"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    wanted, checked = (each["properties"]["deployment"] for each in (told, wish.BODY))
    assert wanted["required"] == checked["required"]
    assert wanted["properties"].keys() == checked["properties"].keys()
    assert wanted["properties"]["service"]["pattern"] == checked["properties"]["service"]["pattern"]
    assert "a service is named with" in wanted["properties"]["service"]["description"].lower()


def test_names_of_operations_are_unique(document):
    names = [operation["operationId"] for operation in operations(document).values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["", "/page.js", "/page.css", "/swagger-ui-bundle.js", "/swagger-ui.css"])
def test_the_page_asks_no_other_host(application, name):
    answer = webob.Request.blank(f"/v1/docs{name}").get_response(application)
    assert answer.status_int == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    if name in ("", "/page.js", "/page.css"):
        assert not re.search("(https?:)?//[a-z]", answer.text)


@pytest.mark.parametrize("name", ["LICENSE", "nope.js", "..%2fdocs.py", "%2e%2e"])
def test_nothing_else_is_to_be_had_there(application, name):
    assert webob.Request.blank(f"/v1/docs/{name}").get_response(application).status_int == 404
