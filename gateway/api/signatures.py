"""Signatures of the registry's instances: the keys that verify them, and new ones for members."""

import pecan

from gateway.api.expose import expose, isoformat
from gateway.api.shapes import Time, many, shape
from gateway.registry.model import TYPE_PATTERN

_MAX_AGE = 300  # seconds that clients may keep the keys; one who meets an unknown kid asks again

_TOKEN = {
    "type": "object",
    "required": ["type"],
    "additionalProperties": False,
    "properties": {
        "type": {
            "type": "string",
            "pattern": TYPE_PATTERN,
            "error": "must be 1 to 64 of a-z A-Z 0-9 _ . - and begin with a letter or digit.",
        },
        "host": {"type": "string", "minLength": 1, "maxLength": 64, "error": "must be an IP address."},
        "port": {
            "type": "integer",
            "minimum": 1,
            "maximum": 65535,
            "error": "must be a number from 1 to 65535.",
        },
        "version": {
            "type": "string",
            "pattern": r"^[!-~]{1,64}(?!\n)$",
            "error": "must be 1 to 64 printable ASCII characters, no spaces.",
        },
    },
}
_KEYS = shape(keys=many(shape(kty=str, crv=str, x=str, kid=str, alg=str, use=str)))


class Signatures:
    """Methods of ``gateway.api.registry.Registry``, which routes to them."""

    def __init__(self, registry):
        self._registry = registry

    @expose(policy=None, answer=_KEYS, headers=["Cache-Control"])
    def keys(self):
        pecan.response.headers["Cache-Control"] = f"public, max-age={_MAX_AGE}"
        return self._registry.public_keys()

    @expose(
        policy="gateway:registry:sign",
        body=_TOKEN,
        status=201,
        answer=shape(token=str, expires_at=Time),
        headers=["Cache-Control"],
    )
    def mint(self, context, body):
        token = self._registry.mint(context.project_id, **body)
        pecan.response.headers["Cache-Control"] = "no-store"
        return {"token": token.text, "expires_at": isoformat(token.expires_at)}
