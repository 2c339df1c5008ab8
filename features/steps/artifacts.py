"""Files to upload, made on the spot."""

import gzip
import hashlib
import io
import os
import pathlib
import re
import shutil
import subprocess
import tarfile

from behave import given, then, when
from harness.asking import call
from harness.gatewayd import MAX_ARTIFACT

GZIP = {"Content-Type": "application/gzip"}


def tar_gz(files: dict[str, bytes], mode: int = 0o644) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            tar.addfile(member, io.BytesIO(content))
    return whole.getvalue()


def upload(context, who: str, content: bytes):
    context.sent = content
    call(context, who, "POST", "/v1/artifacts", data=content, headers=GZIP)


@when("{who:Who} uploads a tar.gz with {name:S}")
def step_upload(context, who, name):
    text = context.text or "print('hello')\n"
    upload(context, who, tar_gz({name: text.encode()}))


@given("an artifact of an admin's with the redis-server of this machine")
def step_redis(context):
    """And with the libraries that it needs beside the C library: servers have no way to a package mirror."""
    program = shutil.which("redis-server")
    linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    libraries = [pathlib.Path(path) for path in re.findall(r"=> (/\S+)", linked)]
    files = {f"lib/{each.name}": each for each in libraries if each.name not in ("libc.so.6", "libm.so.6")}
    files["redis-server"] = pathlib.Path(program)
    upload(context, "an admin", tar_gz({name: path.read_bytes() for name, path in files.items()}, 0o755))
    assert context.answer.status_code == 201, context.answer.text
    context.names["artifact"] = context.answer.json()["artifact"]["id"]


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
