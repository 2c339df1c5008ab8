"""Signatures: checked as the documentation shows, made by others, the operator's command."""

import base64
import hmac
import json
import pathlib
import re
import subprocess
import sys
import time

import jwt
from behave import given, then, when
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from harness import clouds
from harness.asking import found
from harness.gatewayd import Gatewayd
from harness.own import own_gateway

_PAGE = pathlib.Path(__file__).parents[2] / "doc" / "source" / "signatures.rst"
_SECRET = b"a secret of more than 64 bytes, so that it would do for HS512 as well"


@then("the answer is kept as {name:S}")
def step_keep(context, name):
    (context.folder / name).write_text(context.answer.text)


@when("its port becomes {port:d}")
def step_other_port(context, port):
    _change(context, port=port)


@when("its signature is tampered with")
def step_tamper(context):
    head, claims, signature = json.loads((context.folder / "instance.json").read_text())["signature"].split(
        "."
    )
    changed = base64.urlsafe_b64decode(claims + "==").replace(b'"signed"', b'"forged"')
    claims = base64.urlsafe_b64encode(changed).rstrip(b"=").decode()
    _change(context, signature=".".join((head, claims, signature)))


def _change(context, **fields):
    file = context.folder / "instance.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


@then('the example of doc/source/signatures.rst says of it "{said}"')
def step_example(context, said):
    _check_example(context, said)


@then('the example of doc/source/signatures.rst says of it ""')
def step_example_silent(context):
    _check_example(context, "")


def _check_example(context, said):
    block = re.search(r"code-block:: python\n\n((?:   .*\n|\n)+)", _PAGE.read_text())[1]
    script = context.folder / "verify.py"
    script.write_text(re.sub(r"^   ", "", block, flags=re.MULTILINE))
    project = clouds.as_user("a member").current_project_id
    ran = subprocess.run(
        [sys.executable, script.name, "jwks.json", "instance.json", project],
        cwd=context.folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stderr.strip()) == (1 if said else 0, said), ran


@when("the operator runs gateway-manage signing-key rotate")
def step_rotate(context):
    config = context.gateway.command[1:]
    ran = subprocess.run(
        [sys.executable, "-m", "gateway.manage", *config, "signing-key", "rotate"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran
    context.told = ran.stdout


@then('"{place}" is the key that gateway-manage told of')
def step_told_key(context, place):
    assert found(context.answer, place) in context.told, context.told


@given("another's {kind:w} key, which the gateway of the scenario's own trusts")
def step_their_key(context, kind):
    file = context.folder / f"theirs-{kind}"
    if kind == "secret":
        file.write_bytes(_SECRET)
        context.their_key, option = _SECRET, "shared_secret_file"
    else:
        make = ed25519.Ed25519PrivateKey.generate if kind == "Ed25519" else _rsa
        context.their_key, option = make(), "trusted_keys"
        file.write_bytes(_pem(context.their_key))
    own_gateway(context, {"registry": {option: file}})


def _rsa():
    return rsa.generate_private_key(65537, 2048)


def _pem(private) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return private.public_key().public_bytes(serialization.Encoding.PEM, form)


@given("a token of it for the member's {type:w}, {validity}, signed {how}")
def step_their_token(context, type, validity, how):
    claims = {
        "project_id": clouds.as_user("a member").current_project_id,
        "type": type,
        "exp": int(time.time()) + (-60 if validity == "expired" else 3600),
    }
    context.names["token"] = _signed(claims, context.their_key, how)


def _signed(claims, key, how) -> str:
    if how == "not at all":
        return f"{_part({'alg': 'none'})}.{_part(claims)}."
    if how == "with its public key as a secret":
        head = f"{_part({'alg': 'HS256'})}.{_part(claims)}"
        return f"{head}.{_base64(hmac.digest(_pem(key), head.encode(), 'sha256'))}"
    return jwt.encode(claims, key, how.removeprefix("with "))


def _part(part: dict) -> str:
    return _base64(json.dumps(part).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@when("I start a gatewayd with [{section:w}] {option:w} = {value}")
def step_start_with(context, section, option, value):
    daemon = Gatewayd(context.folder / f"gatewayd-with-{option}", {section: {option: value}})
    context.ended = subprocess.run(daemon.command, capture_output=True, text=True, timeout=60)
