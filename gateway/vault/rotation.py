"""A new key, and everything sealed anew with it.

Safe to interrupt, to repeat, and while daemons write: a value is replaced only if it is still the one that
was read, and what they seal meanwhile they seal with the new key, which they see.
"""

import time
from collections.abc import Iterator

import sqlalchemy as sa
from cryptography import fernet

from gateway import errors
from gateway.db import Database, Sealed, metadata
from gateway.vault import Key, Vault

_BATCH = 100  # rows in one transaction


def columns() -> list[sa.Column]:
    """Every column of the schema that holds what a vault has sealed."""
    return [
        column
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, Sealed)
    ]


def rotate(database: Database, vault: Vault) -> tuple[Key, int]:
    """The new key, and how many values were sealed anew."""
    return vault.add_key(), sum(_reseal(database, vault, column) for column in columns())


def prune(database: Database, vault: Vault, min_age: float) -> list[Key]:
    """Removes the keys that nothing is sealed with, and returns them. Not the newest, and none before that
    one is ``min_age`` seconds old: a daemon may be writing what it has sealed just before."""
    newest, *older = vault.current_keys()
    if time.time() - newest.made_at < min_age:
        return []
    used = {
        _key_of(vault, column, row, value).id
        for column in columns()
        for row, value in _values(database, column)
    }
    unused = [key for key in older if key.id not in used]
    for key in unused:
        vault.remove_key(key)
    return unused


def _reseal(database: Database, vault: Vault, column: sa.Column) -> int:
    newest, count = vault.current_keys()[0], 0
    for row, value in _values(database, column):
        if _key_of(vault, column, row, value) != newest:
            count += _replace(database, column, row, value, vault.seal(vault.open(value)))
    return count


def _key_of(vault: Vault, column: sa.Column, row: tuple, value: str) -> Key:
    try:
        return vault.sealed_with(value)
    except fernet.InvalidToken:
        which = ", ".join(map(str, row))
        raise errors.Conflict(
            "gateway.secrets.key_missing",
            f"{column} of {which} is sealed with a key that is not there: put it back, or delete that row.",
        ) from None


def _replace(database: Database, column: sa.Column, row: tuple, old: str, new: str) -> int:
    keys = column.table.primary_key.columns
    same = [key == value for key, value in zip(keys, row, strict=True)]
    with database.write() as connection:
        return connection.execute(
            column.table.update().where(*same, column == old).values({column.name: new})
        ).rowcount


def _values(database: Database, column: sa.Column) -> Iterator[tuple[tuple, str]]:
    """(primary key, value) of every row that has one, a batch at a time."""
    keys = list(column.table.primary_key.columns)
    query = sa.select(*keys, column).where(column.is_not(None)).order_by(*keys).limit(_BATCH)
    last: tuple | None = None
    while True:
        after = query if last is None else query.where(sa.tuple_(*keys) > sa.tuple_(*map(sa.literal, last)))
        with database.read() as connection:
            rows = connection.execute(after).all()
        yield from ((tuple(row[:-1]), row[-1]) for row in rows)
        if len(rows) < _BATCH:
            return
        last = tuple(rows[-1][:-1])
