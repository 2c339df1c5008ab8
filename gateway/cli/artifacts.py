"""artifact create, and how a folder becomes a tar.gz."""

import contextlib
import gzip
import pathlib
import tarfile
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

from gateway.cli.command import CommandError, Show, fields

_PACKED = (".tar.gz", ".tgz")


@contextlib.contextmanager
def opened(path: pathlib.Path) -> Iterator[BinaryIO]:
    """A tar.gz, or a folder packed as one, open for reading. Raises CommandError for anything else."""
    try:
        if path.is_dir():
            with tempfile.TemporaryFile() as file:
                pack(path, file)
                file.seek(0)
                yield file
        elif path.name.endswith(_PACKED):
            with path.open("rb") as file:
                yield file
        else:
            raise CommandError(f"{path} is neither a folder nor a .tar.gz.")
    except OSError as error:
        raise CommandError(f"Cannot read {error.filename or path}: {error.strerror or error}") from error


def pack(folder: pathlib.Path, file: BinaryIO) -> None:
    """Everything in ``folder``, which itself is not named. The same files give the same bytes, on any
    machine, whoever owns them and whenever they were written."""
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(folder.rglob("*")):
            tar.add(path, str(path.relative_to(folder)), recursive=False, filter=_plain)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    return entry


class CreateArtifact(Show):
    """Upload a tar.gz, or a folder as one"""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", type=pathlib.Path, help="a .tar.gz or a folder")
        return parser

    def take_action(self, parsed_args):
        with opened(parsed_args.file) as file:
            return fields(self.gateway.create_artifact(file))
