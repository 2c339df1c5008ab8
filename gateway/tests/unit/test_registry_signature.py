import base64
import hmac
import json
import time

import jwt
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from oslo_config import cfg

from gateway import errors, vault
from gateway.db import Database, schema
from gateway.registry.signature import Signer, fingerprint
from gateway.tests.registered import configuration

ABOUT = {"project_id": "p", "type": "auth", "host": "10.0.0.5", "port": 80}


@pytest.fixture
def signer(tmp_path):
    return another(tmp_path)


def another(folder, clock=time.time, **registry) -> Signer:
    """The signer of one more process."""
    conf = configuration(folder, signature_lifetime=3600)
    database = Database(conf)
    schema.upgrade(database)
    for name, value in registry.items():
        conf.set_override(name, value, "registry")
    return Signer(conf, vault.opened(conf), database, clock)


def test_what_is_minted_verifies_in_any_process(signer, tmp_path):
    before = another(tmp_path)
    with pytest.raises(errors.Invalid):
        before.verify("a.b.c", **ABOUT)  # has looked for keys before there were any
    token = signer.mint(**ABOUT, version="1.0", server_id="s-1", host_key="SHA256:abc").text
    for verifier in (signer, before, another(tmp_path)):
        claims = verifier.verify(token, **ABOUT)
        assert {
            **ABOUT,
            "version": "1.0",
            "server_id": "s-1",
            "host_key": "SHA256:abc",
        }.items() <= claims.items()
        assert claims["exp"] - claims["iat"] == 3600
    assert another(tmp_path).mint(**ABOUT).text.split(".")[0] == token.split(".")[0]  # the same key


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
        signer.verify(signer.mint(**ABOUT).text, **{**ABOUT, field: value})
    assert (caught.value.code, caught.value.field) == ("gateway.registry.signature", "signature")


def test_what_is_too_old_is_refused(tmp_path):
    with pytest.raises(errors.Invalid, match="expired"):
        another(tmp_path).verify(another(tmp_path, lambda: time.time() - 3610).mint(**ABOUT).text, **ABOUT)


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
    token = signer.mint(**ABOUT).text
    key = signer.keys.for_token(0).public
    public = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    for forgery in forgeries(token, public).values():
        with pytest.raises(errors.Invalid):
            signer.verify(forgery, **ABOUT)


def test_a_token_of_ours_that_never_ends_is_refused(signer):
    token = signer.mint(**ABOUT).text
    key = signer.keys.for_token(0)
    claims = jwt.decode(token, options={"verify_signature": False})
    del claims["exp"]
    with pytest.raises(errors.Invalid, match="exp"):
        signer.verify(jwt.encode(claims, key.private, "EdDSA", {"kid": key.kid}), **ABOUT)


def test_a_fingerprint_is_openssh_s():
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl github"
    assert fingerprint(key) == "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"


def published(signer) -> list[str]:
    return [key["kid"] for key in signer.keys.jwks()["keys"]]


def kid(token) -> str:
    return jwt.get_unverified_header(token.text)["kid"]


def test_a_stranger_verifies_with_what_is_published(signer):
    token = signer.mint(**ABOUT).text
    (jwk,) = signer.keys.jwks()["keys"]
    assert set(jwk) == {"kty", "crv", "x", "kid", "alg", "use"}  # the public part alone
    assert jwt.decode(token, jwt.PyJWK(jwk), algorithms=["EdDSA"])["type"] == "auth"


def test_keys_rotate_and_stay_until_their_last_token_has_expired(tmp_path):
    now = time.time()
    signer = another(tmp_path, lambda: now, key_lifetime=10000)
    first = signer.mint(**ABOUT)
    now += 9000
    last = signer.mint(**ABOUT)
    now += 1001
    token = signer.mint(**ABOUT)
    assert kid(first) == kid(last) != kid(token)
    assert published(signer) == published(another(tmp_path)) == [kid(token), kid(first)]
    now = last.expires_at - 1
    assert kid(first) in published(signer)
    now += 3600
    assert published(signer) == [kid(token)]


def test_a_rotation_by_command_reaches_the_other_processes(tmp_path):
    now = time.time() - 100
    signer, other = another(tmp_path, lambda: now), another(tmp_path, lambda: now)
    old = signer.mint(**ABOUT)
    now += 1
    rotated = other.keys.rotate()
    now += 10
    new = signer.mint(**ABOUT)
    assert kid(new) == rotated != kid(old)
    for token in (old, new):
        other.verify(token.text, **ABOUT)


def test_a_token_for_a_type_is_good_for_any_of_its_hosts(signer):
    token = signer.mint(project_id="p", type="auth").text
    signer.verify(token, **ABOUT)
    with pytest.raises(errors.Invalid, match="another type"):
        signer.verify(token, **{**ABOUT, "type": "mail"})


def test_half_of_a_life(tmp_path):
    now = time.time()
    signer = another(tmp_path, lambda: now)
    token = signer.mint(**ABOUT).text
    assert signer.due([token]) == set()
    now += 1801
    others = [jwt.encode({"iss": "me", "iat": 0, "exp": 1}, "k" * 32, "HS256"), ""]
    assert signer.due([token, *others]) == {token}


def pem(public) -> bytes:
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


THEIRS = {**ABOUT, "exp": time.time() + 3600}


@pytest.mark.parametrize(
    ("private", "algorithm", "confused"),
    [
        (rsa.generate_private_key(65537, 2048), "RS256", "PS256"),
        (ec.generate_private_key(ec.SECP256R1()), "ES256", "ES256"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA", "EdDSA"),
    ],
)
def test_a_trusted_key_is_bound_to_its_algorithm(tmp_path, private, algorithm, confused):
    file = tmp_path / "theirs.pem"
    file.write_bytes(pem(private.public_key()))
    signer = another(tmp_path, trusted_keys=[str(file)])
    signer.verify(jwt.encode(THEIRS, private, algorithm), **ABOUT)
    signer.verify(jwt.encode(THEIRS, private, algorithm, {"kid": "whatever"}), **ABOUT)
    signer.verify(signer.mint(**ABOUT).text, **ABOUT)  # and the gateway's own
    forged = [hs256(THEIRS, file.read_bytes())]  # the public key as the secret
    if confused != algorithm:
        forged.append(jwt.encode(THEIRS, private, confused))
    for token in forged:
        with pytest.raises(errors.Invalid):
            signer.verify(token, **ABOUT)


def hs256(claims: dict, secret: bytes) -> str:
    """By hand: PyJWT will not sign with a public key."""
    head = f"{encoded({'alg': 'HS256', 'typ': 'JWT'})}.{encoded(claims)}"
    digest = hmac.digest(secret, head.encode(), "sha256")
    return f"{head}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def test_a_key_set_by_kid(tmp_path):
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    jwks = [
        {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())), "kid": f"k{number}"}
        for number, key in enumerate(keys)
    ]
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": jwks}))
    signer = another(tmp_path, trusted_keys=[str(file)])
    signer.verify(jwt.encode(THEIRS, keys[1], "ES256", {"kid": "k1"}), **ABOUT)
    for headers in ({"kid": "k0"}, {"kid": "k2"}, {}):
        with pytest.raises(errors.Invalid):
            signer.verify(jwt.encode(THEIRS, keys[1], "ES256", headers), **ABOUT)


def test_a_shared_secret(tmp_path):
    file = tmp_path / "secret"
    file.write_bytes(b"s" * 32 + b"\n")
    signer = another(tmp_path, shared_secret_file=str(file))
    signer.verify(hs256(THEIRS, b"s" * 32), **ABOUT)
    for claims in (
        {**THEIRS, "exp": time.time() - 60},
        {**THEIRS, "project_id": "q"},
        {name: value for name, value in THEIRS.items() if name != "exp"},
        {name: value for name, value in THEIRS.items() if name != "project_id"},
        {name: value for name, value in THEIRS.items() if name != "type"},
    ):
        with pytest.raises(errors.Invalid):
            signer.verify(hs256(claims, b"s" * 32), **ABOUT)


def test_whose_the_tokens_of_others_are(tmp_path):
    file = tmp_path / "secret"
    file.write_bytes(b"s" * 32)
    signer = another(tmp_path, shared_secret_file=str(file), trusted_project_id="p")
    anyone = {name: value for name, value in THEIRS.items() if name != "project_id"}
    signer.verify(hs256(anyone, b"s" * 32), **ABOUT)
    for claims, project in ((anyone, "q"), ({**THEIRS, "project_id": "q"}, "p")):
        with pytest.raises(errors.Invalid, match="another project"):
            signer.verify(hs256(claims, b"s" * 32), **{**ABOUT, "project_id": project})


@pytest.mark.parametrize(
    ("option", "content"),
    [
        ("trusted_keys", b"nonsense"),
        ("trusted_keys", b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'),
        ("trusted_keys", b'{"keys": "none"}'),
        ("trusted_keys", pem(rsa.generate_private_key(65537, 1024).public_key())),
        ("shared_secret_file", b"short"),
    ],
)
def test_files_that_hold_something_else(tmp_path, option, content):
    file = tmp_path / "file"
    file.write_bytes(content)
    value = [str(file)] if option == "trusted_keys" else str(file)
    with pytest.raises(cfg.Error, match=option):
        another(tmp_path, **{option: value})
