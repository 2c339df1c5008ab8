"""gateway-status upgrade check, on real files and a real SQLite."""

import json

import pytest

from gateway import conf as options
from gateway import status, vault
from gateway.db import Database, schema


@pytest.fixture
def operator(tmp_path, capsys):
    """Runs the check with a file of options; gives its exit code, and code and details by check."""
    file = tmp_path / "gateway.conf"
    base = f"[DEFAULT]\nstate_path = {tmp_path}\n"

    def check(more: str = "[keystone_authtoken]\nauth_type = password\n"):
        file.write_text(base + more)
        code = status.main(["--config-file", str(file), "upgrade", "check", "--json"])
        found = json.loads(capsys.readouterr().out)["checks"]
        return code, {each["check"]: (each["result"], each["details"] or "") for each in found}

    return check


def database(tmp_path) -> Database:
    return Database(options.load(["--state_path", str(tmp_path)], []))


def test_what_is_new_has_nothing_in_its_way(operator, tmp_path):
    code, found = operator()
    assert code == 0, found
    assert {path.name for path in tmp_path.iterdir()} == {"gateway.conf"}  # nothing was made


def test_what_runs_has_nothing_in_its_way(operator, tmp_path):
    schema.upgrade(database(tmp_path))
    vault.opened(options.load(["--state_path", str(tmp_path)], []))
    code, found = operator()
    assert code == 0, found


def test_an_earlier_schema_is_a_warning(operator, tmp_path):
    schema.upgrade(database(tmp_path), "0014")
    vault.opened(options.load(["--state_path", str(tmp_path)], []))
    code, found = operator()
    assert code == 1
    assert found["Database"][0] == 1
    assert "0014" in found["Database"][1]
    assert "gateway-manage db upgrade" in found["Database"][1]


def test_a_later_schema_is_a_failure(operator, tmp_path):
    made = database(tmp_path)
    schema.upgrade(made)
    with made.write() as connection:
        connection.exec_driver_sql(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'")
    code, found = operator()
    assert code == 2
    assert "9999" in found["Database"][1]


def test_keys_that_are_lost_are_a_failure(operator, tmp_path):
    schema.upgrade(database(tmp_path))
    code, found = operator()
    assert code == 2
    assert found["Keys of secrets"][0] == 2


def test_keys_that_others_can_read_are_a_failure(operator, tmp_path):
    vault.opened(options.load(["--state_path", str(tmp_path)], []))
    (tmp_path / "keys").chmod(0o755)
    code, found = operator()
    assert code == 2
    assert "0700" in found["Keys of secrets"][1]


@pytest.mark.parametrize(
    ("text", "check", "result", "says"),
    [
        ("", "Options", 2, "keystone_authtoken"),
        ("[api]\nworkers = none\n", "Options", 2, "workers"),
        (
            "[keystone_authtoken]\nauth_type = v3password\n"
            "[coordination]\nbackend_url = etcd3+http://127.0.0.1:2379\n",
            "Processes",
            1,
            "SQLite",
        ),
        (
            "[keystone_authtoken]\nauth_type = v3password\n[database]\nconnection = sqlite:////nowhere/x/g.db\n",
            "Database",
            0,
            "Empty",
        ),
    ],
)
def test_options(operator, text, check, result, says):
    code, found = operator(text)
    assert code >= result
    assert found[check][0] == result, found
    assert says in found[check][1]


def test_policies_that_are_not_there_are_told(operator, tmp_path):
    (tmp_path / "policy.yaml").write_text('"gateway:moon:land": "role:admin"\n')
    where = f"[oslo_policy]\npolicy_file = {tmp_path}/policy.yaml\n"
    code, found = operator(f"[keystone_authtoken]\nauth_type = v3password\n{where}")
    assert code == 1
    assert "gateway:moon:land" in found["Policies"][1]


def test_a_policy_file_in_json_is_a_failure(operator, tmp_path):
    (tmp_path / "policy.json").write_text('{"gateway:flavors:get": "role:admin"}')
    where = f"[oslo_policy]\npolicy_file = {tmp_path}/policy.json\n"
    code, found = operator(f"[keystone_authtoken]\nauth_type = v3password\n{where}")
    assert code == 2
    assert found["Policies"][0] == 2
