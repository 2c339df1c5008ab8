"""Keys in castellan's key manager (Barbican, for one), configured by castellan's own [key_manager] and
[barbican]: by [key_manager] auth_type = keystone_password and its like the gateway logs in there."""

import base64
import contextlib
import time

import castellan.options
from castellan import key_manager
from castellan.common import exception, utils
from castellan.common.objects import symmetric_key
from cryptography import fernet
from keystoneauth1 import exceptions as keystoneauth
from oslo_config import cfg

from gateway.vault import Key

_SAME_FOR = 60  # seconds for which the key manager is not asked again whether there is a newer key


class ManagedKeys:
    """Symmetric keys named NAME-0, NAME-1…, NAME being [secrets] key_name."""

    def __init__(self, conf: cfg.ConfigOpts):
        castellan.options.set_defaults(conf)
        self._prefix = f"{conf.secrets.key_name}-"
        self._manager = key_manager.API(conf)
        self._context = _asked("logging in", utils.credential_factory, conf=conf)

    def stamp(self) -> int:
        return int(time.monotonic() // _SAME_FOR)

    def read(self) -> list[Key]:
        if not self._numbered():
            self.add()
        found = [self._key(number, id) for number, id in self._numbered()]
        return [key for _, key in sorted(found, key=lambda each: (each[0], each[1].id), reverse=True)]

    def add(self) -> Key:
        number = max((number for number, _ in self._numbered()), default=-1) + 1
        raw = base64.urlsafe_b64decode(fernet.Fernet.generate_key())
        made = symmetric_key.SymmetricKey("AES", 256, raw, name=f"{self._prefix}{number}")
        id = _asked("storing a key", self._manager.store, self._context, made)
        return self._key(number, id)[1]

    def remove(self, key: Key) -> None:
        with contextlib.suppress(_Missing):
            _asked("deleting a key", self._manager.delete, self._context, key.id)

    def _numbered(self) -> list[tuple[int, str]]:
        """(number, id) of the gateway's."""
        every = _asked(
            "listing the keys",
            self._manager.list,
            self._context,
            object_type=symmetric_key.SymmetricKey,
            metadata_only=True,
        )
        named = [(each.name.removeprefix(self._prefix), each) for each in every if each.name]
        return [
            (int(rest), each.id)
            for rest, each in named
            if each.name.startswith(self._prefix) and rest.isdigit()
        ]

    def _key(self, number: int, id: str) -> tuple[int, Key]:
        found = _asked("reading a key", self._manager.get, self._context, id)
        return number, Key(id, base64.urlsafe_b64encode(found.get_encoded()), float(found.created or 0))


class _Missing(OSError):
    pass


def _asked(doing: str, call, *args, **kwargs):
    try:
        return call(*args, **kwargs)
    except exception.ManagedObjectNotFoundError as error:
        raise _Missing(f"[secrets] backend = castellan: {doing} failed: {error}") from error
    except (exception.CastellanException, keystoneauth.ClientException) as error:
        raise OSError(f"[secrets] backend = castellan: {doing} failed: {error}") from error
