"""A deployment's ``bind``: the broker's services whose credentials are in its environment."""

import pecan

from gateway import errors
from gateway.api import auth
from gateway.deploy import recipe

_NAME = {"type": "string", "minLength": 1, "maxLength": 64}
SCHEMA = {
    "type": "array",
    "maxItems": 50,
    "items": {
        "type": ["string", "object"],
        "minLength": 1,
        "maxLength": 64,
        "properties": {"service": _NAME, "prefix": {"type": "string", "pattern": recipe.ENV_NAME}},
        "required": ["service"],
        "additionalProperties": False,
        "error": 'each is the name of a service, or {"service": NAME, "prefix": "ORDERS_"}.',
    },
}


def wanted(wish: dict) -> list[tuple[str, str]]:
    """(name, prefix) of each. Raises Invalid for one that is named twice."""
    found = [
        (each, "") if isinstance(each, str) else (each["service"], each.get("prefix", ""))
        for each in wish.get("bind", ())
    ]
    names = [name for name, _ in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise errors.Invalid(
            "gateway.deployment.bind", f"bind: {twice[0]} is named twice.", field="deployment.bind"
        )
    return found


def check_allowed() -> None:
    """Raises Forbidden for who may not see the credentials: what is deployed could show them."""
    if not auth.may(pecan.request, "gateway:services:credentials"):
        raise errors.Forbidden(
            "gateway.policy.forbidden",
            "bind: your roles do not allow gateway:services:credentials.",
            field="deployment.bind",
        )
