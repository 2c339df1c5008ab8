"""Secrets at rest: Fernet with a key repository, as Keystone keeps its token keys.

The repository is a folder (mode 0700) of files named 0, 1, 2…: the highest number encrypts, all decrypt.
"""

import os
import pathlib

from cryptography import fernet


class Vault:
    """Seals and opens short texts. Safe to share between threads; any process may make the first key."""

    def __init__(self, repository: str):
        folder = pathlib.Path(repository)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not any(folder.iterdir()):
            self._first_key(folder / "0")
        names = sorted((p for p in folder.iterdir() if p.name.isdigit()), key=lambda p: -int(p.name))
        self._fernet = fernet.MultiFernet([fernet.Fernet(p.read_bytes()) for p in names])

    @staticmethod
    def _first_key(path: pathlib.Path) -> None:
        # Written beside and linked into place: a second process either sees a whole key or makes none.
        draft = path.with_name(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_bytes(fernet.Fernet.generate_key())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()

    def seal(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, token: str) -> str:
        """Raises cryptography.fernet.InvalidToken when no key of the repository fits."""
        return self._fernet.decrypt(token.encode()).decode()
