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

#: Of what a login is known by: the last words of names of what must stay secret.
_SECRET = ("password", "secret", "token", "passcode")


class TokenCache:
    """Of one keystoneauth plugin."""

    def __init__(self, auth: Any, folder: pathlib.Path):
        """Puts the kept token into ``auth``, if there is one; what cannot be used counts as none."""
        self._auth = auth
        self._path = _path(auth, folder)
        self._kept = self._path and _read(self._path)
        with contextlib.suppress(ValueError, KeyError, TypeError):
            auth.set_auth_state(self._kept)

    def save(self) -> None:
        """Where it has changed. Where it cannot be written, the next login is a new one."""
        state = self._auth.get_auth_state() if self._path else None
        if state is None or state == self._kept:
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


def _path(auth: Any, folder: pathlib.Path) -> pathlib.Path | None:
    """None where who logs in is not known without a secret."""
    try:
        elements = auth.get_cache_id_elements()
    except NotImplementedError:
        return None
    known = {name: value for name, value in elements.items() if not name.endswith(_SECRET)}
    if not any("user" in name or "credential_id" in name for name, value in known.items() if value):
        return None
    return folder / f"token-{hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()}"


def _read(path: pathlib.Path) -> str | None:
    """Only what nobody else can have written or read."""
    try:
        with path.open() as file:
            about = os.fstat(file.fileno())
            is_ours = about.st_uid == os.getuid() and not stat.S_IMODE(about.st_mode) & 0o077
            return file.read() if is_ours else None
    except (OSError, UnicodeDecodeError):
        return None
