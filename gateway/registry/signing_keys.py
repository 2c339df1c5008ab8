"""The gateway's own keys (ed25519): sealed in the database, shared by every process, and changed in time.

The newest key signs. A new one is made when it is older than ``[registry] key_lifetime``, or by command
(``gateway-manage signing-key rotate``). An old one stays until the last token that it signed has expired,
in the key set that is published (JWKS, RFC 7517) and for the gateway's own verification.
"""

import base64
import dataclasses
import hashlib
import time
from collections.abc import Callable

import jwt
import sqlalchemy as sa
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from oslo_config import cfg

from gateway.db import Database, Sealed, metadata
from gateway.vault import Vault

ALGORITHM = "EdDSA"
_LOOK_AGAIN = 10  # seconds, for keys that another process has made

_signing_keys = sa.Table(
    "signing_keys",
    metadata,
    sa.Column("kid", sa.String(64), primary_key=True),
    sa.Column("private_key", Sealed, nullable=False),  # PEM
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("tokens_until", sa.Double, nullable=False),  # no token that it signed is valid after that
)


@dataclasses.dataclass(frozen=True)
class SigningKey:
    kid: str
    private: ed25519.Ed25519PrivateKey = dataclasses.field(repr=False)
    created_at: float
    tokens_until: float

    @property
    def public(self) -> ed25519.Ed25519PublicKey:
        return self.private.public_key()

    @property
    def jwk(self) -> dict:
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": _x(self.public),
            "kid": self.kid,
            "alg": ALGORITHM,
            "use": "sig",
        }


class SigningKeys:
    """Threads may share it."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        vault: Vault,
        database: Database,
        clock: Callable[[], float] = time.time,
    ):
        self._conf = conf.registry
        self._vault = vault
        self._database = database
        self._clock = clock
        self._keys: dict[str, SigningKey] = {}  # the newest first
        self._looked_at = 0.0

    def for_token(self, expires: float) -> SigningKey:
        """The key to sign a token with that is valid until ``expires``: it will be published that long."""
        now = self._clock()
        if now - self._looked_at >= _LOOK_AGAIN:
            self._look()
        newest = next(iter(self._keys.values()), None)
        if newest is None or newest.created_at + self._conf.key_lifetime <= now:
            newest = self._newest_made(unless_newer_than=now - self._conf.key_lifetime)
        if newest.tokens_until < expires:
            self._keep(newest, expires)
        return newest

    def public(self, kid: str | None) -> ed25519.Ed25519PublicKey:
        """Raises jwt.InvalidKeyError for what is not, or no longer, one of the gateway's keys."""
        if kid not in self._keys:  # made by another process, perhaps
            self._look()
        if kid not in self._keys:
            raise jwt.InvalidKeyError("its key is not one of this gateway")
        return self._keys[kid].public

    def jwks(self) -> dict:
        """The public keys as they are now: {"keys": [{"kty": "OKP", "crv": "Ed25519", "x", "kid", …}]}."""
        self._look()
        keys = list(self._keys.values())
        now = self._clock()
        return {"keys": [key.jwk for key in keys[:1] + [k for k in keys[1:] if k.tokens_until > now]]}

    def rotate(self) -> str:
        """Makes a new key now; other processes sign with it within ten seconds. Returns its ``kid``."""
        return self._newest_made(unless_newer_than=float("inf")).kid

    def _look(self) -> None:
        with self._database.read() as connection:
            self._take(_rows(connection))

    def _newest_made(self, unless_newer_than: float) -> SigningKey:
        """A new key, unless another process was first; those whose tokens have all expired are deleted."""
        now = self._clock()
        with self._database.write() as connection:
            rows = _rows(connection)
            if not rows or rows[0].created_at <= unless_newer_than:
                connection.execute(_signing_keys.insert(), self._new(now))
                connection.execute(
                    _signing_keys.delete().where(
                        _signing_keys.c.tokens_until <= now, _signing_keys.c.created_at < now
                    )
                )
                rows = _rows(connection)
        self._take(rows)
        return next(iter(self._keys.values()))

    def _new(self, now: float) -> dict:
        private = ed25519.Ed25519PrivateKey.generate()
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "kid": thumbprint(private.public_key()),
            "private_key": self._vault.seal(pem.decode()),
            "created_at": now,
            "tokens_until": now,
        }

    def _keep(self, key: SigningKey, expires: float) -> None:
        """A little longer than asked for, so that not every token costs a write."""
        until = expires + self._conf.signature_lifetime / 10
        column = _signing_keys.c.tokens_until
        with self._database.write() as connection:
            connection.execute(
                _signing_keys.update()
                .where(_signing_keys.c.kid == key.kid, column < until)
                .values(tokens_until=until)
            )
        self._keys = {**self._keys, key.kid: dataclasses.replace(key, tokens_until=until)}

    def _take(self, rows: list[sa.Row]) -> None:
        self._keys = {
            row.kid: SigningKey(row.kid, self._private(row), row.created_at, row.tokens_until) for row in rows
        }
        self._looked_at = self._clock()

    def _private(self, row: sa.Row) -> ed25519.Ed25519PrivateKey:
        if row.kid in self._keys:  # opened before
            return self._keys[row.kid].private
        pem = self._vault.open(row.private_key).encode()
        return serialization.load_pem_private_key(pem, password=None)


def thumbprint(public: ed25519.Ed25519PublicKey) -> str:
    """RFC 7638 (with RFC 8037 for ed25519): the same key has the same name everywhere."""
    canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{_x(public)}"}}'
    return _base64(hashlib.sha256(canonical.encode()).digest())


def _rows(connection: sa.Connection) -> list[sa.Row]:
    return connection.execute(sa.select(_signing_keys).order_by(_signing_keys.c.created_at.desc())).all()


def _x(public: ed25519.Ed25519PublicKey) -> str:
    return _base64(public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
