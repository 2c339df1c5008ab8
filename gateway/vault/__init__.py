"""Secrets at rest: sealed with Fernet keys, of which the newest seals and all open.

The option [secrets] backend says where the keys are: in a folder, or in castellan's key manager, such as
Barbican. ``rotation`` seals anew what older keys have sealed.
"""

import dataclasses
import threading
from collections.abc import Hashable, Iterator
from typing import Protocol

from cryptography import fernet
from oslo_config import cfg


@dataclasses.dataclass(frozen=True)
class Key:
    id: str
    secret: bytes = dataclasses.field(repr=False)  # 32 bytes in URL-safe base64, as Fernet takes them
    made_at: float  # seconds since the epoch


class Keys(Protocol):
    """Where keys are kept. Another process may add and remove some at any time."""

    def stamp(self) -> Hashable:
        """Another one than before, at the latest a minute after keys were added or removed. Cheap."""

    def read(self) -> list[Key]:
        """Newest first; the first one is made where there is none. Raises OSError."""

    def add(self) -> Key:
        """A new one, which is the newest. Raises OSError."""

    def remove(self, key: Key) -> None:
        """Missing is fine. Raises OSError."""


class Vault:
    """Seals and opens short texts. Safe to share between threads; sees the keys that others add."""

    def __init__(self, keys: Keys):
        self._kept = keys
        self._lock = threading.Lock()
        self._stamp: Hashable = None
        self._keys: list[Key] = []
        self._read()

    def seal(self, text: str) -> str:
        self._keep_up()
        return fernet.Fernet(self._keys[0].secret).encrypt(text.encode()).decode()

    def open(self, token: str) -> str:
        """Raises cryptography.fernet.InvalidToken when no key fits."""
        return self._opened(token)[1]

    def sealed_with(self, token: str) -> Key:
        """The key of what ``seal`` returned. Raises cryptography.fernet.InvalidToken when none fits."""
        return self._opened(token)[0]

    def current_keys(self) -> list[Key]:
        """Newest first, as they are now."""
        self._read()
        return list(self._keys)

    def add_key(self) -> Key:
        made = self._kept.add()
        self._read()
        return made

    def remove_key(self, key: Key) -> None:
        self._kept.remove(key)
        self._read()

    def _opened(self, token: str) -> tuple[Key, str]:
        found = next(self._tried(token), None)
        if found is None:  # sealed by another process with a newer key, perhaps
            self._read()
            found = next(self._tried(token), None)
        if found is None:
            raise fernet.InvalidToken
        return found

    def _tried(self, token: str) -> Iterator[tuple[Key, str]]:
        for key in self._keys:
            try:
                yield key, fernet.Fernet(key.secret).decrypt(token.encode()).decode()
            except fernet.InvalidToken:
                continue

    def _keep_up(self) -> None:
        if self._kept.stamp() != self._stamp:
            self._read()

    def _read(self) -> None:
        with self._lock:
            stamp = self._kept.stamp()  # before: what changes meanwhile is seen the next time
            self._keys = self._kept.read()
            self._stamp = stamp


def opened(conf: cfg.ConfigOpts) -> Vault:
    """The vault of [secrets]. Raises OSError, in words for the operator, where its keys cannot be used."""
    if conf.secrets.backend == "castellan":
        from gateway.vault.key_manager import ManagedKeys  # castellan takes a second to import

        return Vault(ManagedKeys(conf))
    from gateway.vault.files import FileKeys

    return Vault(FileKeys(conf.secrets.key_repository))
