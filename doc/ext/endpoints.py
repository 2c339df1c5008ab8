"""The directive ``endpoints``: a table of the API's calls, by the document that /v1/openapi.json answers."""

import json
import logging
import pathlib
import tempfile
from collections.abc import Iterator

import webob
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.util.nodes import nested_parse_with_titles

from gateway import conf, daemon, vault
from gateway.api import app as api
from gateway.db import Database, schema

_HEAD = [".. list-table::", "   :header-rows: 1", "   :widths: 8 50 42", ""]
_COLUMNS = ("Method", "URL", "What it does")


def _document() -> dict:
    with tempfile.TemporaryDirectory() as folder:
        options = conf.load([], [])
        options.set_override("state_path", folder)
        schema.upgrade(Database(options))
        vault.opened(options)
        logging.getLogger("keystonemiddleware").setLevel(logging.ERROR)  # nobody is asked here
        application = api.application(daemon.parts(options))
        return json.loads(webob.Request.blank("/v1/openapi.json").get_response(application).body)


def _lines(document: dict) -> Iterator[str]:
    for tag in document["tags"]:
        name = tag["name"]
        title = name.replace("-", " ").capitalize()
        yield from ("", title, "-" * len(title), "", *_HEAD)
        yield from _row(*_COLUMNS)
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if name in operation["tags"]:
                    yield from _row(f"``{method.upper()}``", f"``{path}``", operation["summary"])


def _row(*cells: str) -> Iterator[str]:
    yield f"   * - {cells[0]}"
    yield from (f"     - {cell}" for cell in cells[1:])


class Endpoints(Directive):
    def run(self) -> list[nodes.Node]:
        self.state.document.settings.env.note_dependency(str(pathlib.Path(api.__file__).with_name("root.py")))
        node = nodes.section(document=self.state.document)
        nested_parse_with_titles(self.state, StringList(list(_lines(_document())), "openapi.json"), node)
        return node.children


def setup(app) -> dict:
    app.add_directive("endpoints", Endpoints)
    return {"parallel_read_safe": True}
