"""What proves an instance: a JWT that says what it is and where it runs.

The gateway's own are signed with its keys (``signing_keys``, EdDSA); the ``kid`` in the header tells which.
Claims: ``iss`` (gateway), ``iat``, ``exp``, ``project_id``, ``type``, and where known ``host``, ``port``,
``version``, ``server_id`` and ``host_key`` (the fingerprint of the server's SSH host key, as ssh-keygen -l
prints it: SHA256:…). Tokens of others (``trusted_keys``) need ``exp``, ``type`` and ``project_id``, the last
only where ``[registry] trusted_project_id`` does not say whose they are.
"""

import base64
import hashlib
import math
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import jwt
from oslo_config import cfg

from gateway import errors
from gateway.db import Database
from gateway.registry import trusted_keys
from gateway.registry.signing_keys import ALGORITHM, SigningKeys
from gateway.vault import Vault

_ISSUER = "gateway"
_LEEWAY = 5  # seconds that clocks may differ


class Token(NamedTuple):
    text: str
    expires_at: float


class Signer:
    """Mints and verifies. Threads may share it. Raises what ``trusted_keys.load`` does."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        vault: Vault,
        database: Database,
        clock: Callable[[], float] = time.time,
    ):
        self._conf = conf.registry
        self._clock = clock
        self.keys = SigningKeys(conf, vault, database, clock)
        self._trusted = trusted_keys.load(conf)
        self._halves: dict[str, float] = {}

    def mint(self, *, project_id: str, type: str, **about) -> Token:
        """A signature for a service of ``type``, good for ``[registry] signature_lifetime`` seconds.
        ``about``: host, port, version, server_id, host_key; empty ones are left out."""
        now = int(self._clock())
        expires = now + self._conf.signature_lifetime
        claims = {"iss": _ISSUER, "iat": now, "exp": expires, "project_id": project_id, "type": type}
        claims.update({name: value for name, value in about.items() if value})
        key = self.keys.for_token(expires)
        token = jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.kid})
        return Token(token, expires)

    def due(self, tokens: Iterable[str]) -> set[str]:
        """Those of the gateway's own that have lived half of their life; never another's. It remembers when
        those that it is asked about are due, since to read so many costs more than all else."""
        self._halves = {token: self._halves.get(token) or _half(token) for token in tokens}
        now = self._clock()
        return {token for token, at in self._halves.items() if at <= now}

    def verify(self, token: str, project_id: str, type: str, host: str, port: int) -> dict:
        """The claims of a token that a known key signed, in time, and about exactly this. Raises Invalid."""
        try:
            claims = self._decoded(token)
        except jwt.PyJWTError as error:
            raise _refused(f"it cannot be verified ({str(error).rstrip('.')})") from error
        wanted = {"project_id": project_id, "type": type, "host": host, "port": port}
        for name, value in wanted.items():
            if name not in claims and name in ("host", "port"):
                continue  # a token for a type, wherever it runs
            if claims[name] != value:
                raise _refused(f"it is for another {name.removesuffix('_id')}")
        return claims

    def _decoded(self, token: str) -> dict:
        """By the gateway's key or the trusted ones that may have signed it; each decides on the algorithm."""
        header = jwt.get_unverified_header(token)
        kid = header.get("kid")
        candidates = [key for key in self._trusted if kid is not None and key.kid == kid]
        candidates = candidates or [key for key in self._trusted if key.kid is None]
        same = [key for key in candidates if key.algorithm == header.get("alg")]
        for key in same:
            try:
                return self._of_trusted(token, key)
            except jwt.InvalidSignatureError:
                continue
        return _decode(token, self.keys.public(kid), ALGORITHM, ["iss", "iat", "project_id"], _ISSUER)

    def _of_trusted(self, token: str, key: trusted_keys.TrustedKey) -> dict:
        owner = self._conf.trusted_project_id
        claims = _decode(token, key.key, key.algorithm, [] if owner else ["project_id"])
        return {"project_id": owner, **claims}


def _half(token: str) -> float:
    """When it has lived half of its life."""
    claims = claimed(token)
    if claims.get("iss") != _ISSUER or "iat" not in claims or "exp" not in claims:
        return math.inf
    return (claims["iat"] + claims["exp"]) / 2


def _decode(token: str, key, algorithm: str, required: list[str], issuer: str | None = None) -> dict:
    options = {"require": ["exp", "type", *required], "verify_aud": False}
    return jwt.decode(token, key, algorithms=[algorithm], issuer=issuer, leeway=_LEEWAY, options=options)


def fingerprint(host_key: str) -> str:
    """Of a public key as OpenSSH writes it, as ssh-keygen -l prints it."""
    blob = base64.b64decode(host_key.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).rstrip(b"=").decode()


def claimed(token: str) -> dict:
    """The claims of a token that was verified, or minted, before; {} of what is none."""
    try:
        return jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return {}


def _refused(why: str) -> errors.Invalid:
    return errors.Invalid(
        "gateway.registry.signature",
        f"signature: {why}. Leave it empty to register unsigned.",
        field="signature",
    )
