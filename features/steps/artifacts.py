"""Files to upload, made on the spot."""

import gzip
import hashlib
import io
import os
import tarfile

from behave import then, when
from harness.asking import call
from harness.gatewayd import MAX_ARTIFACT

GZIP = {"Content-Type": "application/gzip"}


def tar_gz(files: dict[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return whole.getvalue()


def upload(context, who: str, content: bytes):
    context.sent = content
    call(context, who, "POST", "/v1/artifacts", data=content, headers=GZIP)


@when("{who:Who} uploads a tar.gz with {name:S}")
def step_upload(context, who, name):
    text = context.text or "print('hello')\n"
    upload(context, who, tar_gz({name: text.encode()}))


@when("{who:Who} uploads it again")
def step_upload_again(context, who):
    upload(context, who, context.sent)


@when("{who:Who} uploads a compressed text")
def step_upload_text(context, who):
    upload(context, who, gzip.compress(b"no tar at all, only a text"))


@when("{who:Who} uploads a tar.gz of more than the option allows")
def step_upload_large(context, who):
    upload(context, who, tar_gz({"noise": os.urandom(MAX_ARTIFACT + 1)}))


@then('"artifact.sha256" is the sum of what was sent')
def step_sum(context):
    assert context.answer.json()["artifact"]["sha256"] == hashlib.sha256(context.sent).hexdigest()


@then('"artifact.size" is the size of what was sent')
def step_size(context):
    assert context.answer.json()["artifact"]["size"] == len(context.sent)
