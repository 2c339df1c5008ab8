"""Keys in a folder (mode 0700) of files (0600) named 0, 1, 2…, as Keystone keeps its token keys."""

import contextlib
import os
import pathlib
import threading

from cryptography import fernet

from gateway.vault import Key

_OTHERS = 0o077


class FileKeys:
    def __init__(self, repository: str):
        self._folder = pathlib.Path(repository)

    def stamp(self) -> tuple[str, ...]:
        with contextlib.suppress(FileNotFoundError):
            return tuple(sorted(os.listdir(self._folder)))
        return ()

    def read(self) -> list[Key]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _check_private(self._folder)
        if not self._numbers():
            with contextlib.suppress(FileExistsError):  # another process was first
                self._write(0)
        return [self._key(number) for number in sorted(self._numbers(), reverse=True)]

    def add(self) -> Key:
        while True:
            number = max(self._numbers(), default=-1) + 1
            with contextlib.suppress(FileExistsError):
                self._write(number)
                return self._key(number)

    def remove(self, key: Key) -> None:
        (self._folder / key.id).unlink(missing_ok=True)

    def _numbers(self) -> list[int]:
        return [int(path.name) for path in self._folder.iterdir() if path.name.isdigit()]

    def _key(self, number: int) -> Key:
        path = self._folder / str(number)
        _check_private(path)
        secret = path.read_bytes().strip()
        try:
            fernet.Fernet(secret)
        except ValueError:
            raise OSError(f"{path} is not a Fernet key.") from None
        return Key(path.name, secret, path.stat().st_mtime)

    def _write(self, number: int) -> None:
        # Written beside and linked into place: others see a whole key or none.
        draft = self._folder / f".{os.getpid()}-{threading.get_ident()}"
        draft.touch(mode=0o600)
        try:
            draft.write_bytes(fernet.Fernet.generate_key())
            if os.geteuid() == 0:  # an operator's command: the daemon must be able to read it
                os.chown(draft, self._folder.stat().st_uid, self._folder.stat().st_gid)
            os.link(draft, self._folder / str(number))
        finally:
            draft.unlink()


def _check_private(path: pathlib.Path) -> None:
    mode = path.stat().st_mode & 0o777
    if mode & _OTHERS:
        right = "0700" if path.is_dir() else "0600"
        raise PermissionError(
            f"{path} has mode {mode:04o}: others than its owner could read the keys of the secrets. "
            f"Make it {right}."
        )
