"""Keys of others whose tokens are taken as signatures: files named in the configuration.

Each key has one algorithm, by its kind, and a token is verified with that alone, whatever its header says:
RSA RS256, EC P-256 ES256, P-384 ES384, P-521 ES512, Ed25519 EdDSA, the shared secret HS256.
"""

import dataclasses
import json
import pathlib
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from oslo_config import cfg

_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_MIN_SECRET = 32  # bytes: RFC 7518 asks for as many as SHA-256 has
_MIN_RSA = 2048  # bits


@dataclasses.dataclass(frozen=True)
class TrustedKey:
    kid: str | None  # None: for tokens that name any key or none
    algorithm: str
    key: Any = dataclasses.field(repr=False)


def load(conf: cfg.ConfigOpts) -> tuple[TrustedKey, ...]:
    """The keys of ``[registry] trusted_keys`` and ``shared_secret_file``. Raises OSError for a file that
    cannot be read, cfg.Error for one that holds something else."""
    keys = [key for name in conf.registry.trusted_keys for key in _of_file(pathlib.Path(name))]
    if conf.registry.shared_secret_file:
        keys.append(_secret(pathlib.Path(conf.registry.shared_secret_file)))
    return tuple(keys)


def _of_file(path: pathlib.Path) -> list[TrustedKey]:
    data = path.read_bytes()
    try:
        if data.lstrip().startswith(b"{"):
            return [_of_jwk(item) for item in json.loads(data)["keys"]]
        key = serialization.load_pem_public_key(data)
        return [TrustedKey(None, _algorithm(key), key)]
    except (ValueError, KeyError, TypeError, AttributeError, UnsupportedAlgorithm, jwt.PyJWTError) as error:
        raise cfg.Error(
            f"[registry] trusted_keys: {path} is neither a public key in PEM nor a JWKS of such keys: {error}"
        ) from error


def _of_jwk(item: dict) -> TrustedKey:
    """A secret does not belong in a file of public keys, so only these two kinds and OKP are taken."""
    if item["kty"] not in ("RSA", "EC", "OKP"):
        raise ValueError(f"kty {item['kty']}")
    key = jwt.PyJWK({name: value for name, value in item.items() if name != "alg"}).key
    algorithm = _algorithm(key)
    if item.get("alg", algorithm) != algorithm:
        raise ValueError(f"alg {item['alg']} where this key is for {algorithm}")
    return TrustedKey(item.get("kid"), algorithm, key)


def _algorithm(key: Any) -> str:
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _MIN_RSA:
        return "RS256"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "EdDSA"
    raise ValueError(f"a key of a kind that is not taken here ({type(key).__name__.strip('_')})")


def _secret(path: pathlib.Path) -> TrustedKey:
    secret = path.read_bytes().strip()
    if len(secret) < _MIN_SECRET:
        raise cfg.Error(f"[registry] shared_secret_file: {path} must hold at least {_MIN_SECRET} bytes")
    return TrustedKey(None, "HS256", secret)
