"""Writes of many threads, on a real SQLite file."""

import threading
import time

import pytest
import sqlalchemy as sa

from gateway import conf as options
from gateway.db import Database

things = sa.Table("things", sa.MetaData(), sa.Column("name", sa.String, primary_key=True))


@pytest.fixture
def database(tmp_path):
    made = Database(options.load(["--state_path", str(tmp_path)], []))
    things.metadata.create_all(made.engine)
    return made


def names(database):
    with database.read() as connection:
        return sorted(connection.execute(sa.select(things.c.name)).scalars())


def insert(name):
    return lambda connection: connection.execute(things.insert(), {"name": name})


def at_once(database, works):
    """Each in a thread; while the first holds the database the others come to wait. Their errors."""
    begun, go_on, errors = threading.Event(), threading.Event(), {}

    def first(connection):
        begun.set()
        assert go_on.wait(10)

    def run(name, work):
        try:
            database.write_together(work)
        except Exception as error:
            errors[name] = error

    threads = [threading.Thread(target=run, args=("first", first))]
    threads[0].start()
    assert begun.wait(10)
    threads += [threading.Thread(target=run, args=(name, work)) for name, work in works.items()]
    for thread in threads[1:]:
        thread.start()
    deadline = time.monotonic() + 10
    while len(database._each.waiting) < len(works):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    go_on.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    return errors


def test_what_waits_together_is_committed_together(database):
    commits = []
    sa.event.listen(database.engine, "commit", commits.append)
    assert at_once(database, {name: insert(name) for name in "abcdef"}) == {}
    assert len(commits) == 2
    assert names(database) == list("abcdef")


def test_each_has_its_own_failure(database):
    with database.write() as connection:
        insert("taken")(connection)
    works = {"a": insert("a"), "b": insert("taken"), "c": insert("c")}
    errors = at_once(database, works)
    assert errors.keys() == {"b"}
    assert names(database) == ["a", "c", "taken"]
    with pytest.raises(type(errors["b"])):
        database.write_together(insert("taken"))
    database.write_together(insert("d"))
    assert names(database) == ["a", "c", "d", "taken"]


def test_every_commit_is_another_version(database):
    other = Database(options.load(["--state_path", str(database.engine.url.database.rpartition("/")[0])], []))
    seen = [database.version()]
    for writer in (database, other):
        assert database.version() == seen[-1]
        with writer.write() as connection:
            connection.execute(things.insert(), {"name": str(id(writer))})
        seen.append(database.version())
    assert len(set(seen)) == 3
    assert len(names(other)) == 2  # nothing is new by being read
    assert database.version() == seen[-1]


def test_a_commit_is_new_until_it_was_looked_at_to_the_end(database):
    commits = database.commits()
    told = []

    def look(meanwhile=lambda: None):
        with commits.looking() as is_new:
            told.append(is_new)
            meanwhile()

    look()
    look()
    assert told == [True, False]
    assert commits.all_seen()
    database.write_together(insert("a"))
    with pytest.raises(ZeroDivisionError):
        look(lambda: 1 / 0)
    assert not commits.all_seen()
    look(lambda: database.write_together(insert("b")))
    look()
    assert told == [True, False, True, True, True]
    assert commits.all_seen()
