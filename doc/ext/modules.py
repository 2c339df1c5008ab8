"""The directive ``modules``: what each module of a package says of itself, in its docstring's first words."""

import ast
import pathlib
import re
from collections.abc import Iterator

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

_ROOT = pathlib.Path(__file__).parents[2]


def _lines(package: str) -> Iterator[str]:
    yield from (".. list-table::", "   :widths: 24 76", "")
    for path in sorted((_ROOT / package).rglob("*.py")):
        said = ast.get_docstring(ast.parse(path.read_text()))
        if said and not path.name.endswith("_pb2.py") and "migrations" not in path.parts:
            first = said.partition("\n\n")[0]
            yield f"   * - ``{path.relative_to(_ROOT / package)}``"
            yield f"     - {_escaped(' '.join(first.split()).removesuffix(':'))}"


def _escaped(text: str) -> str:
    """OS_… would be a link."""
    return re.sub(r"(``.*?``)|_(?!\w)", lambda found: found[1] or r"\_", text)


class Modules(Directive):
    """Its argument is the package's folder, as gateway/deploy."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        node = nodes.container()
        self.state.nested_parse(StringList(list(_lines(self.arguments[0])), self.arguments[0]), 0, node)
        return node.children


def setup(app) -> dict:
    app.add_directive("modules", Modules)
    return {"parallel_read_safe": True}
