"""Up from every schema there was, with something in every table; and what a migration may not do while
daemons of the release before still run."""

import decimal
import json
import re

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from gateway.db import Database, schema
from gateway.tests.registered import configuration

#: They take away what daemons of the release before work with; all are older than the first release. Whoever
#: adds one says in the operator's guide that every gatewayd must be stopped for it.
_CONTRACTING = {"0004", "0006", "0011"}

_BREAKS = re.compile(
    r"\bDROP\s+(TABLE|COLUMN)\b|\bRENAME\s+(TO|COLUMN)\b|\bALTER\s+COLUMN\b|\bMODIFY\b"
    r"|\bADD\s+(COLUMN\s+)?(?!.*\bDEFAULT\b).*\bNOT NULL\b",
    re.IGNORECASE | re.DOTALL,
)
_JSON = {"spec": {"service": "web", "version": "1.0"}, "plans": {"small": {}}, "offers": {}}
_REVISIONS = schema.revisions()


@pytest.fixture
def database(tmp_path):
    return Database(configuration(tmp_path))


def _tables(connection) -> dict[str, sa.Table]:
    found = sa.MetaData()
    found.reflect(connection)
    ours = [table for table in found.sorted_tables if table.name not in (schema.VERSION_TABLE, "gateway")]
    return {table.name: table for table in ours}


def _value(column: sa.Column):
    """The same for a key and what refers to it."""
    if isinstance(column.type, (sa.JSON, mysql.LONGTEXT)) or column.name in _JSON:  # MariaDB's JSON
        value = _JSON.get(column.name, [])
        return value if isinstance(column.type, sa.JSON) else json.dumps(value)
    numbers = {bool: False, int: 1, float: 1.0, decimal.Decimal: 1.0}
    return numbers.get(column.type.python_type, "x")


def _fill(connection) -> None:
    for table in _tables(connection).values():
        if not connection.scalar(sa.select(sa.func.count()).select_from(table)):
            row = {column.name: _value(column) for column in table.columns}
            connection.execute(table.insert().values(row))


def _rows(connection) -> dict[str, list[dict]]:
    return {
        name: [dict(row._mapping) for row in connection.execute(table.select())]
        for name, table in _tables(connection).items()
    }


@pytest.mark.parametrize("revision", _REVISIONS)
def test_nothing_is_lost_from_any_schema_on(database, revision):
    schema.upgrade(database, revision)
    with database.write() as connection:
        _fill(connection)
        before = _rows(connection)
    schema.upgrade(database)
    with database.read() as connection:
        after = _rows(connection)
    assert schema.current(database) == schema.wanted()
    for table, rows in before.items():
        assert len(after[table]) == len(rows) > 0, table
        for old, new in zip(rows, after[table], strict=True):
            kept = {name for name in old if name in new and (table, name) not in _MADE_ANEW}
            assert {name: old[name] for name in kept} == {name: new[name] for name in kept}, table


#: 0011 has the credentials of what is ready stored; 0006 names what a deployment's release is of.
_MADE_ANEW = {("services", "status")}


def test_a_migration_only_adds(database):
    """As SQLite is told: what is told in more than one statement counts as taken away."""
    said: dict[str, list[str]] = {}
    for revision in _REVISIONS:
        said[revision] = []
        heard = lambda *of, at=said[revision]: at.append(of[2])  # noqa: E731
        sa.event.listen(database.engine, "before_cursor_execute", heard)
        schema.upgrade(database, revision)
        sa.event.remove(database.engine, "before_cursor_execute", heard)
    breaking = {
        revision: [line for line in lines if _BREAKS.search(line)] for revision, lines in said.items()
    }
    assert {revision for revision, lines in breaking.items() if lines} == _CONTRACTING, breaking
