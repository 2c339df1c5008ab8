"""The token of the last login, kept in a file of the user's own for those who ask for it (--cache-token).

Its name is a hash of who logs in where, without what proves it: neither password nor secret is in the file or
in its name. A token that is about to end, or that Keystone takes back, is replaced as without a cache.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import stat
import tempfile
from typing import Any


class TokenCache:
    """Of one login. ``kept``: the state of a keystoneauth plugin, as that writes it, or None."""

    def __init__(self, who: dict[str, Any], folder: pathlib.Path):
        name = hashlib.sha256(json.dumps(who, sort_keys=True).encode()).hexdigest()
        self._path = folder / f"token-{name}"
        self.kept = _read(self._path)

    def restore(self, auth: Any) -> None:
        """Puts the kept token into the plugin; what cannot be used counts as none."""
        with contextlib.suppress(ValueError, KeyError, TypeError):
            auth.set_auth_state(self.kept)

    def save(self, auth: Any) -> None:
        """Where it has changed. Where it cannot be written, the next login is a new one."""
        state = auth.get_auth_state()
        if state is None or state == self.kept:
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._path.parent)  # 0600
            with os.fdopen(handle, "w") as file:
                file.write(state)
            os.replace(name, self._path)


def folder() -> pathlib.Path:
    """As the XDG base directory specification says."""
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base, "gateway")


def _read(path: pathlib.Path) -> str | None:
    """Only what nobody else can have written or read."""
    try:
        with path.open() as file:
            about = os.fstat(file.fileno())
            is_ours = about.st_uid == os.getuid() and not stat.S_IMODE(about.st_mode) & 0o077
            return file.read() if is_ours else None
    except (OSError, UnicodeDecodeError):
        return None
