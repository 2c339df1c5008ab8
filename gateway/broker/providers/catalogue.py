"""What an Open Service Broker says that it offers. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

import jsonschema

from gateway.broker.model import Offers, Plan

_ID = {"type": "string", "minLength": 1, "maxLength": 255}
_NAME = {
    "type": "string",
    "pattern": r"^[A-Za-z][A-Za-z0-9.-]{0,53}(?!\n)$",
}  # with nine more it is a service's
_FLAG = {"type": "boolean"}
_PLAN = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {
        "id": _ID,
        "name": _NAME,
        "description": {"type": "string"},
        "bindable": _FLAG,
        "plan_updateable": _FLAG,
        "maximum_polling_duration": {"type": "integer", "minimum": 1},
    },
}
_OFFERING = {
    "type": "object",
    "required": ["id", "name", "bindable", "plans"],
    "properties": {
        "id": _ID,
        "name": _NAME,
        "bindable": _FLAG,
        "plan_updateable": _FLAG,
        "plans": {"type": "array", "minItems": 1, "maxItems": 100, "items": _PLAN},
    },
}
_SCHEMA = jsonschema.Draft202012Validator(
    {
        "type": "object",
        "required": ["services"],
        "properties": {
            "services": {"type": "array", "minItems": 1, "maxItems": 100, "items": _OFFERING},
        },
    }
)
_MOST_DESCRIBED = 256  # characters


def offers(catalogue: Mapping[str, Any] | None) -> Offers:
    """Raises ValueError, which says what is wrong with it. What it says besides is not looked at."""
    for error in _SCHEMA.iter_errors(catalogue):
        raise ValueError(f"{error.json_path}: {error.message[:200]}")
    offerings = catalogue["services"]
    _check_unique("services", (each["name"] for each in offerings))
    return {each["name"]: _plans(each) for each in offerings}


def _plans(offering: Mapping[str, Any]) -> dict[str, Plan]:
    _check_unique(f"plans of {offering['name']}", (each["name"] for each in offering["plans"]))
    return {each["name"]: _plan(offering, each) for each in offering["plans"]}


def _plan(offering: Mapping[str, Any], plan: Mapping[str, Any]) -> Plan:
    """What it does not say itself its offering does."""
    return Plan(
        description=plan.get("description", "")[:_MOST_DESCRIBED],
        settings={"service_id": offering["id"], "plan_id": plan["id"]},
        is_bindable=plan.get("bindable", offering["bindable"]),
        is_updateable=plan.get("plan_updateable", offering.get("plan_updateable", False)),
        patience=plan.get("maximum_polling_duration"),
    )


def _check_unique(what: str, names: Iterable[str]) -> None:
    seen = set()
    for name in names:
        if name in seen:
            raise ValueError(f"two {what} are called {name}")
        seen.add(name)
