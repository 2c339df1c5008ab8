"""/healthcheck?detailed, with and without a database."""

import threading
import time

import pytest
import webob

from gateway import daemon
from gateway.db import Database, alive, schema
from gateway.tests import registered
from gateway.tests.described import answered

PATIENCE = 120  # seconds


@pytest.fixture
def conf(tmp_path):
    file = tmp_path / "gateway.conf"
    file.write_text(
        "[healthcheck]\nbackends = disable_by_file\n"
        f"disable_by_file_path = {tmp_path}/out\n"
        "[keystone_authtoken]\nauth_type = password\nauth_url = http://keystone.invalid/v3\n"
        "username = gateway\npassword = secret\nwww_authenticate_uri = http://keystone.invalid/v3\n"
    )
    made = registered.configuration(tmp_path, [file])
    schema.upgrade(Database(made))
    return made


@pytest.fixture
def ask(conf):
    application = daemon.wsgi_application(conf)

    def asked(path="/healthcheck?detailed", address="127.0.0.1", **more):
        return answered(webob.Request.blank(path, environ={"REMOTE_ADDR": address}, **more), application)

    return asked


def test_it_tells_of_the_database_and_who_lives(ask, conf):
    body = ask().json
    assert (body["status"], body["reasons"], body["database"]["up"]) == ("degraded", ["OK"], True)
    assert body["processes"] == []
    for number, role in enumerate(("engine", "monitor", "api", "api")):
        alive._say(Database(conf), f"here:{number}", role)
    body = ask("/healthcheck?detailed=true").json
    assert body["status"] == "ok"
    assert [(each["role"], each["alive"]) for each in body["processes"]] == [
        ("api", 2),
        ("engine", 1),
        ("monitor", 1),
    ]


def test_without_its_database_it_is_down(ask, tmp_path):
    for path in tmp_path.glob("*.db*"):
        path.write_bytes(b"no database")
    answer = ask()
    assert (answer.status_int, answer.json["status"], answer.json["database"]) == (503, "down", {"up": False})


def test_a_file_takes_it_out(ask, tmp_path):
    (tmp_path / "out").touch()
    assert (ask("/healthcheck").status_int, ask("/healthcheck").text) == (503, "DISABLED BY FILE")
    answer = ask()
    assert (answer.status_int, answer.json["reasons"]) == (503, ["DISABLED BY FILE"])
    assert answer.json["status"] == "down"


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_the_details_are_not_for_everybody(ask, address):
    answer = ask(address=address)
    assert (answer.status_int, answer.json["errors"][0]["code"]) == (403, "gateway.health.network")
    assert ask("/healthcheck", address).status_int == 200


@pytest.mark.parametrize("query", ["verbose", "detailed=yes", "detailed&verbose=1"])
def test_a_question_that_is_none(ask, query):
    assert ask(f"/healthcheck?{query}").status_int == 400


def test_a_process_is_seen_until_it_says_that_it_ends(conf, ask):
    stop = threading.Event()
    thread = threading.Thread(target=alive.live, args=(conf, "engine", stop))
    thread.start()
    deadline = time.monotonic() + PATIENCE
    while not (seen := ask().json["processes"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert [(each["role"], each["alive"]) for each in seen] == [("engine", 1)]
    stop.set()
    thread.join(PATIENCE)
    assert ask().json["processes"] == []
