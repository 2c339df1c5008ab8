"""Sealing, and keys that others add and remove, in a real folder; a rotation of a real database."""

import os
import pathlib
import re
import subprocess
import sys
import threading

import pytest
import sqlalchemy as sa
from cryptography import fernet
from oslo_db.exception import DBError

import gateway
from gateway import conf as options
from gateway import errors, vault
from gateway.broker.store import BrokerStore
from gateway.cloud.credentials import Credentials
from gateway.db import Database, Sealed, metadata
from gateway.deploy.model import Access
from gateway.registry.signature import Signer
from gateway.registry.subscriptions import Subscription, SubscriptionStore
from gateway.tests import brokered, deployed
from gateway.vault import Vault, rotation
from gateway.vault.files import FileKeys


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "keys"


@pytest.fixture
def opened(folder):
    return Vault(FileKeys(str(folder)))


def test_what_is_sealed_can_be_opened_and_not_read(opened):
    token = opened.seal("planted-secret ñ")
    assert "planted" not in token
    assert opened.open(token) == "planted-secret ñ"
    assert opened.sealed_with(token) == opened.current_keys()[0]
    assert opened.current_keys()[0].secret.decode() not in repr(opened.current_keys())


def test_the_first_key_is_made_once_by_however_many(folder):
    made, barrier = [], threading.Barrier(8)

    def make():
        barrier.wait()
        made.append(Vault(FileKeys(str(folder))).current_keys())

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [made[0]] * 8
    assert [path.name for path in folder.iterdir()] == ["0"]
    assert (folder / "0").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_key_that_another_process_added_is_seen(folder, opened):
    old = opened.seal("old")
    script = "import sys; from gateway.vault import Vault; from gateway.vault.files import FileKeys\n"
    script += "v = Vault(FileKeys(sys.argv[1])); v.add_key(); print(v.seal('new'))"
    new = subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True
    )
    assert opened.open(new.stdout.strip()) == "new"
    assert opened.open(old) == "old"
    assert opened.sealed_with(opened.seal("newer")).id == "1"


def test_the_newest_seals_also_before_anything_unknown_was_opened(folder, opened):
    Vault(FileKeys(str(folder))).add_key()
    assert opened.sealed_with(opened.seal("x")).id == "1"


def test_ten_keys_are_in_the_order_of_their_numbers(opened):
    for _ in range(10):
        opened.add_key()
    assert [key.id for key in opened.current_keys()] == [str(number) for number in range(10, -1, -1)]


def test_what_no_key_fits(folder, opened):
    token = Vault(FileKeys(str(folder.with_name("other")))).seal("x")
    with pytest.raises(fernet.InvalidToken):
        opened.open(token)


@pytest.mark.parametrize(("name", "mode"), [("", 0o750), ("", 0o705), ("0", 0o640), ("0", 0o604)])
def test_what_others_could_read_is_refused(folder, opened, name, mode):
    os.chmod(folder / name, mode)
    with pytest.raises(PermissionError, match=f"mode 0{mode:o}.*Make it 0[67]00"):
        Vault(FileKeys(str(folder)))


def test_what_is_no_key(folder, opened):
    (folder / "1").touch(mode=0o600)
    with pytest.raises(OSError, match="1 is not a Fernet key"):
        Vault(FileKeys(str(folder)))


# Rotation


@pytest.fixture
def store(tmp_path):
    return deployed.store(tmp_path)


@pytest.fixture
def kept(tmp_path, store):
    """Something in every sealed column."""
    conf = options.load(["--state_path", str(tmp_path)], [])
    database, opened = Database(conf), vault.opened(conf)
    for number in range(5):
        made = deployed.deployment()
        store.add(made, {"env": {"PASSWORD": f"planted-{number}"}})
        store.target_keys(made.id, 0)
        store.save_access(Access(f"s-{number}", deployed.PROJECT, "debian", f"PEM {number}", None, None))
    Credentials(database, opened).add("credential", "user", "planted-secret")
    subscription = Subscription("s", "p", "http://192.0.2.1/", None, "whsec_planted", 0, 1.0)
    SubscriptionStore(database, opened).add(subscription, most=1)
    broker = BrokerStore(database, opened)
    broker.add_provider(brokered.PROVIDER)
    broker.add(brokered.service(), most=1)
    claims = {"project_id": "p", "type": "hello", "host": "192.0.2.1", "port": 80}
    signature = Signer(conf, opened, database).mint(**claims).text
    return database, opened, (conf, signature, claims)


def values(database):
    with database.read() as connection:
        for column in rotation.columns():
            query = sa.select(column).where(column.is_not(None))
            yield from ((column, value) for value in connection.execute(query).scalars())


def test_rotate_then_prune(store, kept, monkeypatch):
    monkeypatch.setattr(rotation, "_BATCH", 2)
    database, opened, (conf, signature, claims) = kept
    before = list(values(database))
    key, count = rotation.rotate(database, opened)
    assert (key.id, count) == ("1", len(before))
    assert {opened.sealed_with(value).id for _, value in values(database)} == {"1"}
    assert rotation.prune(database, opened, min_age=300) == []
    assert [gone.id for gone in rotation.prune(database, opened, min_age=0)] == ["0"]
    assert [key.id for key in opened.current_keys()] == ["1"]
    for deployment in store.every_deployment():
        assert store.secrets(deployment.id, 1)["env"]["PASSWORD"].startswith("planted-")
    assert store.access(deployed.PROJECT, "s-3").private_key == "PEM 3"
    Signer(conf, vault.opened(conf), database).verify(signature, **claims)


def test_a_key_in_use_is_not_pruned(kept):
    database, opened, _ = kept
    opened.add_key()
    opened.add_key()
    assert [gone.id for gone in rotation.prune(database, opened, min_age=0)] == ["1"]
    assert [key.id for key in opened.current_keys()] == ["2", "0"]


def test_an_interrupted_rotation_is_ended_by_the_next(kept, monkeypatch):
    database, opened, _ = kept
    real, done = rotation._replace, []

    def replace(*args):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(real(*args))
        return done[-1]

    monkeypatch.setattr(rotation, "_replace", replace)
    with pytest.raises(KeyboardInterrupt):
        rotation.rotate(database, opened)
    assert {opened.sealed_with(value).id for _, value in values(database)} == {"0", "1"}
    monkeypatch.setattr(rotation, "_replace", real)
    key, _ = rotation.rotate(database, opened)
    assert {opened.sealed_with(value) for _, value in values(database)} == {key}


def test_what_is_written_meanwhile_stays(store, kept, monkeypatch):
    """Between reading and replacing a value the daemon writes another one."""
    database, opened, _ = kept
    real, written = rotation._replace, []

    def replace(database, column, row, old, new):
        if column.name == "private_key" and row == (deployed.PROJECT, "s-1"):
            store.save_access(Access("s-1", deployed.PROJECT, "debian", "written meanwhile", None, None))
            written.append(row)
        return real(database, column, row, old, new)

    monkeypatch.setattr(rotation, "_replace", replace)
    rotation.rotate(database, opened)
    assert written
    assert store.access(deployed.PROJECT, "s-1").private_key == "written meanwhile"
    assert {opened.sealed_with(value).id for _, value in values(database)} == {"1"}


def test_a_value_whose_key_is_lost_is_told_and_prunes_nothing(tmp_path, kept):
    database, opened, _ = kept
    opened.add_key()
    (tmp_path / "keys" / "0").unlink()
    for act in (lambda: rotation.rotate(database, opened), lambda: rotation.prune(database, opened, 0)):
        with pytest.raises(errors.Conflict, match="a key that is not there"):
            act()


# No sealed column is forgotten


def test_every_column_that_holds_a_sealed_value_is_known_to_the_rotation(kept):
    """After something of everything is stored, no other column of the database has a sealed value."""
    database, _, _ = kept
    sealed = set()
    with database.read() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(table.select()).mappings():
                sealed |= {f"{table}.{name}" for name, value in row.items() if str(value).startswith("gAAAA")}
    assert sealed == {str(column) for column in rotation.columns()}


def test_each_call_of_seal_has_its_sealed_columns():
    """Whoever seals something new declares its column as gateway.db.Sealed, plants a value above, and tells
    it here. What a session seals is the browser's to keep: with its key it ends."""
    folder = pathlib.Path(gateway.__file__).parent
    calls = {
        str(path.relative_to(folder)): len(re.findall(r"\.seal\(", path.read_text()))
        for path in folder.rglob("*.py")
        if not {"tests", "vault", "session.py"} & set(path.relative_to(folder).parts)
    }
    assert sum(calls.values()) == len(rotation.columns()), {name: n for name, n in calls.items() if n}


def test_what_is_not_sealed_is_not_stored(store, kept):
    database, _, _ = kept
    column = next(column for column in rotation.columns() if column.name == "private_key")
    with pytest.raises(DBError) as raised, database.write() as connection:
        connection.execute(column.table.update().values(private_key="planted-secret"))
    assert "must be sealed" in str(raised.value)
    assert "planted-secret" not in str(raised.value)
    assert isinstance(column.type, Sealed)
