"""/v1/artifacts: what deployments unpack on their servers."""

import contextlib
import gzip
import hashlib
import pathlib
import posixpath
import tarfile
import time
import uuid
import zlib

import pecan

from gateway import errors
from gateway.api.collection import Collection
from gateway.api.expose import expose
from gateway.api.shapes import shape
from gateway.deploy.model import Artifact

_TYPES = ("application/gzip", "application/x-gzip", "application/octet-stream", "application/x-tar+gzip")
_CHUNK = 256 * 1024
_ARTIFACT = shape(id=str, sha256=str, size=int)


class Artifacts(Collection):
    on_collection = {"POST": "post"}

    def __init__(self, parts):
        self._store = parts.deployments
        self._limit = parts.conf.deploy.max_artifact

    @expose(
        policy="gateway:artifacts:create",
        takes=_TYPES,
        status=201,
        answer=shape(artifact=_ARTIFACT),
    )
    def post(self, context):
        """The body is a tar.gz; it is written to disk as it comes."""
        request = pecan.request
        if (request.content_length or 0) > self._limit:
            raise _too_large(self._limit)
        artifact = self._receive(request.body_file_raw, context.project_id)
        return {"artifact": {"id": artifact.id, "sha256": artifact.sha256, "size": artifact.size}}

    def _receive(self, source, project_id: str) -> Artifact:
        id = str(uuid.uuid4())
        path = self._store.artifact_path(id)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _removed_on_error(path):
            sha256, size = _save(source, path, self._limit)
            _check_members(path)
            artifact = Artifact(id, project_id, sha256, size, time.time())
            self._store.add_artifact(artifact)
        return artifact


@contextlib.contextmanager
def _removed_on_error(path: pathlib.Path):
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _save(source, path: pathlib.Path, limit: int) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > limit:
                raise _too_large(limit)
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest(), size


def _too_large(limit: int) -> errors.TooLarge:
    return errors.TooLarge("gateway.artifact.too_large", f"An artifact has at most {limit} bytes here.")


def _check_members(path: pathlib.Path) -> None:
    """Reads the archive through, to gzip's own checksum at its end. Raises Invalid when it is none, or would
    write outside its folder."""
    try:
        with gzip.open(path) as file:
            with tarfile.open(fileobj=file, mode="r:") as tar:
                while member := tar.next():
                    _check_member(member)
                    tar.members = []  # kept for looking names up, which nobody does
            while file.read(_CHUNK):
                pass
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise errors.Invalid("gateway.artifact.not_tar_gz", f"The body is not a tar.gz: {error}.") from error


def _check_member(member: tarfile.TarInfo) -> None:
    """As tarfile.data_filter, which came with Python 3.11.4 (Debian 12 has 3.11.2): only files, folders and
    links, all of them inside the folder that the archive is unpacked in. Raises Invalid."""
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        raise _unsafe(f"{member.name!r} is a device or a pipe")
    if _is_outside(member.name) or ".." in member.name.split("/"):
        raise _unsafe(f"{member.name!r} is outside its folder")
    beside = posixpath.dirname(member.name) if member.issym() else ""
    if member.linkname and _is_outside(posixpath.join(beside, member.linkname)):
        raise _unsafe(f"{member.name!r} links to {member.linkname!r}, outside its folder")


def _is_outside(path: str) -> bool:
    return path.startswith("/") or posixpath.normpath(path).split("/")[0] == ".."


def _unsafe(why: str) -> errors.Invalid:
    return errors.Invalid("gateway.artifact.unsafe", f"The archive is not safe to unpack: {why}.")
