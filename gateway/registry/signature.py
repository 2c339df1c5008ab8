"""What proves an instance: a JWT of the gateway (EdDSA, ed25519) that says what it is and where it runs.

The keys are made on first use and kept sealed in the database, so every process signs and verifies with the
same ones; the ``kid`` in a token's header tells which. Claims: ``iss`` (gateway), ``iat``, ``exp``,
``project_id``, ``type``, ``host``, ``port``, and where known ``version``, ``server_id`` and ``host_key`` (the
fingerprint of the server's SSH host key, as ssh-keygen -l prints it: SHA256:…).
"""

import base64
import dataclasses
import hashlib
import time
from collections.abc import Callable, Iterator

import jwt
import sqlalchemy as sa
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from oslo_config import cfg

from gateway import errors
from gateway.db import Database, metadata
from gateway.vault import Vault

_ISSUER = "gateway"
_ALGORITHM = "EdDSA"  # the only one: a token's own header never chooses
_LEEWAY = 5  # seconds that clocks may differ

_signing_keys = sa.Table(
    "signing_keys",
    metadata,
    sa.Column("kid", sa.String(64), primary_key=True),
    sa.Column("private_key", sa.Text, nullable=False),  # sealed PEM
    sa.Column("created_at", sa.Double, nullable=False),
)


@dataclasses.dataclass(frozen=True)
class SigningKey:
    kid: str
    private: ed25519.Ed25519PrivateKey = dataclasses.field(repr=False)

    @property
    def public(self) -> ed25519.Ed25519PublicKey:
        return self.private.public_key()


class Signer:
    """Mints and verifies. Threads may share it."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        vault: Vault,
        database: Database,
        clock: Callable[[], float] = time.time,
    ):
        self._conf = conf
        self._vault = vault
        self._database = database
        self._clock = clock
        self._keys: dict[str, SigningKey] = {}

    def mint(
        self,
        *,
        project_id: str,
        type: str,
        host: str,
        port: int,
        version: str = "",
        server_id: str | None = None,
        host_key: str | None = None,
    ) -> str:
        """A signature for the service of ``type`` at ``host`` and ``port``, good for ``[registry]
        signature_lifetime`` seconds."""
        now = int(self._clock())
        claims = {
            "iss": _ISSUER,
            "iat": now,
            "exp": now + self._conf.registry.signature_lifetime,
            "project_id": project_id,
            "type": type,
            "host": host,
            "port": port,
        }
        extra = {"version": version, "server_id": server_id, "host_key": host_key}
        claims.update({name: value for name, value in extra.items() if value})
        key = self._newest()
        return jwt.encode(claims, key.private, algorithm=_ALGORITHM, headers={"kid": key.kid})

    def verify(self, token: str, project_id: str, type: str, host: str, port: int) -> dict:
        """The claims of a token that is ours, in time, and about exactly this. Raises Invalid."""
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            claims = jwt.decode(
                token,
                self._known(kid).public,
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                leeway=_LEEWAY,
                options={"require": ["iss", "iat", "exp", "project_id", "type", "host", "port"]},
            )
        except jwt.PyJWTError as error:
            raise _refused(f"it cannot be verified ({str(error).rstrip('.')})") from error
        wanted = {"project_id": project_id, "type": type, "host": host, "port": port}
        for name, value in wanted.items():
            if claims[name] != value:
                raise _refused(f"it is for another {name.removesuffix('_id')}")
        return claims

    def _newest(self) -> SigningKey:
        if not self._keys:
            self._load(make=True)
        return next(iter(self._keys.values()))

    def _known(self, kid: str | None) -> SigningKey:
        if kid not in self._keys:  # made by another process, perhaps
            self._load(make=False)
        if kid not in self._keys:
            raise jwt.InvalidKeyError("its key is not one of this gateway")
        return self._keys[kid]

    def _load(self, make: bool) -> None:
        with self._database.write() if make else self._database.read() as connection:
            rows = connection.execute(
                sa.select(_signing_keys).order_by(_signing_keys.c.created_at.desc())
            ).all()
            if make and not rows:
                rows = [self._make(connection)]
        self._keys = dict(self._opened(rows))

    def _make(self, connection: sa.Connection) -> sa.Row:
        private = ed25519.Ed25519PrivateKey.generate()
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        sealed = self._vault.seal(pem.decode())
        row = {"kid": thumbprint(private.public_key()), "private_key": sealed, "created_at": self._clock()}
        connection.execute(_signing_keys.insert(), row)
        return connection.execute(sa.select(_signing_keys).where(_signing_keys.c.kid == row["kid"])).one()

    def _opened(self, rows: list[sa.Row]) -> Iterator[tuple[str, SigningKey]]:
        for row in rows:
            pem = self._vault.open(row.private_key).encode()
            yield row.kid, SigningKey(row.kid, serialization.load_pem_private_key(pem, password=None))


def thumbprint(public: ed25519.Ed25519PublicKey) -> str:
    """RFC 7638 (with RFC 8037 for ed25519): the same key has the same name everywhere."""
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{_base64(raw)}"}}'
    return _base64(hashlib.sha256(canonical.encode()).digest())


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


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _refused(why: str) -> errors.Invalid:
    return errors.Invalid(
        "gateway.registry.signature",
        f"signature: {why}. Leave it empty to register unsigned.",
        field="signature",
    )
