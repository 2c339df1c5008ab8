"""JSON Schemas of answers, from the types of what they show: dataclasses, enums, ``list[str]``, unions."""

import collections.abc
import dataclasses
import enum
import types
import typing
from typing import Annotated, Any, Literal, NamedTuple

#: As ``gateway.api.expose.isoformat`` writes it, or OpenStack.
Time = Annotated[str, "date-time"]

_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null", dict: "object"}


class Maybe(NamedTuple):
    """A member that is not always there."""

    kind: Any


def of(kind: Any) -> dict[str, Any]:
    """The schema of values of a type, as JSON has them. A schema stands for itself."""
    if isinstance(kind, dict):
        return kind
    if kind is None:
        return {"type": "null"}
    if kind is Any:
        return {}
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if dataclasses.is_dataclass(kind):
        return shape(kind)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"type": "string", "enum": [each.value for each in kind]}
    return _of_generic(kind)


def _of_generic(kind: Any) -> dict[str, Any]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return of(arguments[0]) | {"format": arguments[1]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (typing.Union, types.UnionType):
        return _any(arguments)
    if issubclass(origin, collections.abc.Mapping):
        return {"type": "object", "additionalProperties": of(arguments[1])}
    return {"type": "array", "items": of(arguments[0])}


def _any(kinds: tuple[Any, ...]) -> dict[str, Any]:
    schemas = [of(kind) for kind in kinds]
    if all(schema.keys() == {"type"} for schema in schemas):
        return {"type": [schema["type"] for schema in schemas]}
    return {"anyOf": schemas}


def shape(dataclass: type | None = None, /, **members: Any) -> dict[str, Any]:
    """Of an object with the members of the dataclass, and ``members`` in place of them or besides."""
    kinds = (typing.get_type_hints(dataclass) if dataclass else {}) | members
    return {
        "type": "object",
        "properties": {
            name: of(kind.kind if isinstance(kind, Maybe) else kind) for name, kind in kinds.items()
        },
        "required": [name for name, kind in kinds.items() if not isinstance(kind, Maybe)],
    }


def extended(schema: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Of an object as ``shape`` has described it, with more members."""
    more = shape(**members)
    return {
        "type": "object",
        "properties": schema["properties"] | more["properties"],
        "required": schema["required"] + more["required"],
    }


def many(kind: Any) -> dict[str, Any]:
    return {"type": "array", "items": of(kind)}


_LINKS = many(shape(rel=Literal["next"], href=str))


def listed(name: str, kind: Any) -> dict[str, Any]:
    """Of a page, as ``gateway.api.collection.page`` makes it."""
    return shape(**{name: many(kind), f"{name}_links": Maybe(_LINKS)})
