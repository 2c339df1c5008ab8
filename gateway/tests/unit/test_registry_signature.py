import base64
import json
import time

import jwt
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from gateway import errors
from gateway.db import Database, schema
from gateway.registry.signature import Signer, fingerprint
from gateway.tests.registered import configuration
from gateway.vault import Vault

ABOUT = {"project_id": "p", "type": "auth", "host": "10.0.0.5", "port": 80}


@pytest.fixture
def signer(tmp_path):
    return another(tmp_path)


def another(folder, clock=time.time) -> Signer:
    """The signer of one more process."""
    conf = configuration(folder, signature_lifetime=3600)
    database = Database(conf)
    schema.upgrade(database)
    return Signer(conf, Vault(conf.secrets.key_repository), database, clock)


def test_what_is_minted_verifies_in_any_process(signer, tmp_path):
    before = another(tmp_path)
    with pytest.raises(errors.Invalid):
        before.verify("a.b.c", **ABOUT)  # has looked for keys before there were any
    token = signer.mint(**ABOUT, version="1.0", server_id="s-1", host_key="SHA256:abc")
    for verifier in (signer, before, another(tmp_path)):
        claims = verifier.verify(token, **ABOUT)
        assert {
            **ABOUT,
            "version": "1.0",
            "server_id": "s-1",
            "host_key": "SHA256:abc",
        }.items() <= claims.items()
        assert claims["exp"] - claims["iat"] == 3600
    assert another(tmp_path).mint(**ABOUT).split(".")[0] == token.split(".")[0]  # the same key


def test_the_private_key_is_sealed(signer, tmp_path):
    signer.mint(**ABOUT)
    with Database(configuration(tmp_path)).read() as connection:
        (stored,) = connection.scalars(sa.text("SELECT private_key FROM signing_keys")).all()
    assert "PRIVATE" not in stored


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("project_id", "q", "project"),
        ("type", "other", "type"),
        ("host", "10.0.0.6", "host"),
        ("port", 81, "port"),
    ],
)
def test_what_is_about_something_else_is_refused(signer, field, value, word):
    with pytest.raises(errors.Invalid, match=f"another {word}") as caught:
        signer.verify(signer.mint(**ABOUT), **{**ABOUT, field: value})
    assert (caught.value.code, caught.value.field) == ("gateway.registry.signature", "signature")


def test_what_is_too_old_is_refused(tmp_path):
    with pytest.raises(errors.Invalid, match="expired"):
        another(tmp_path).verify(another(tmp_path, lambda: time.time() - 3610).mint(**ABOUT), **ABOUT)


def encoded(part: dict) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def forgeries(token: str, public: bytes) -> dict[str, str]:
    header, body, signature = token.split(".")
    kid, claims = (
        jwt.get_unverified_header(token)["kid"],
        jwt.decode(token, options={"verify_signature": False}),
    )
    stranger = ed25519.Ed25519PrivateKey.generate()
    hmac_key = base64.urlsafe_b64encode(public).decode() * 2
    return {
        "no algorithm": f"{encoded({'alg': 'none', 'kid': kid})}.{body}.",
        "no algorithm, signed": f"{encoded({'alg': 'none', 'kid': kid})}.{body}.{signature}",
        "symmetric": jwt.encode(claims, hmac_key, "HS256", {"kid": kid}),
        "a stranger's key": jwt.encode(claims, stranger, "EdDSA", {"kid": kid}),
        "an unknown key": jwt.encode(claims, stranger, "EdDSA", {"kid": "x"}),
        "no kid": jwt.encode(claims, stranger, "EdDSA"),
        "kid of a wrong kind": f"{encoded({'alg': 'EdDSA', 'kid': ['x']})}.{body}.{signature}",
        "other claims": f"{header}.{encoded({**claims, 'type': 'admin'})}.{signature}",
        "no time limit": f"{header}.{encoded({k: v for k, v in claims.items() if k != 'exp'})}.{signature}",
        "junk": "junk",
    }


def test_forgeries_are_refused(signer):
    token = signer.mint(**ABOUT)
    key = next(iter(signer._keys.values())).public
    public = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    for forgery in forgeries(token, public).values():
        with pytest.raises(errors.Invalid):
            signer.verify(forgery, **ABOUT)


def test_a_token_of_ours_that_never_ends_is_refused(signer):
    token = signer.mint(**ABOUT)
    key = next(iter(signer._keys.values()))
    claims = jwt.decode(token, options={"verify_signature": False})
    del claims["exp"]
    with pytest.raises(errors.Invalid, match="exp"):
        signer.verify(jwt.encode(claims, key.private, "EdDSA", {"kid": key.kid}), **ABOUT)


def test_a_fingerprint_is_openssh_s():
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl github"
    assert fingerprint(key) == "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
