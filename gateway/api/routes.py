"""Which URL of the table a request's path is one of."""

import re
from typing import Any, NamedTuple

from gateway.api import root

OTHER = "other"


class Route(NamedTuple):
    template: str  # /v1/servers/{server}; OTHER for what is not in the table
    values: tuple[str, ...]  # of its variables


_NONE = Route(OTHER, ())


def _tree() -> dict[str, Any]:
    """By segment; "{}" is a variable, and "" the template that ends there."""
    tree: dict[str, Any] = {}
    for template in re.findall(r"^[A-Z]+ +(/\S*)", root.__doc__, re.MULTILINE):
        node = tree
        for segment in filter(None, template.split("/")):
            node = node.setdefault("{}" if segment[0] == "{" else segment, {})
        node[""] = template
    return tree


_TREE = _tree()


def route(path: str) -> Route:
    """``path`` as WSGI has it. A literal wins over a variable, as with the router."""
    node, values = _TREE, []
    for segment in path.strip("/").split("/"):
        if not segment:
            continue
        if segment not in node or segment == "{}":
            values.append(segment)
            segment = "{}"
        if segment not in node:
            return _NONE
        node = node[segment]
    return Route(node[""], tuple(values)) if "" in node else _NONE
