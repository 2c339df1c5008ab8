"""What the steps work with: the log's masks, and who logs in with what."""

import dataclasses

import pytest

from gateway import conf as options
from gateway import errors
from gateway.deploy.model import Access, ExistingServers, Status, Trust
from gateway.deploy.work import Work, _Printed
from gateway.tests import deployed
from gateway.tests.sessions import opened

LONGER = "planted-secret-that-is-longer"
SECRETS = {"A": "planted-secret", "B": LONGER, "C": "line one\nline two\n", "D": "abc"}


def work_of(folder, secrets, wanted=None):
    conf = options.load(["--state_path", str(folder)], [])
    store = deployed.store(folder)
    made = deployed.deployment(wanted)
    store.add(made, secrets)
    return Work(conf, store, opened(conf), None, made)


def logged(work):
    return "\n".join(line.text for line in work.store.read_log(work.id))


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("planted-secret", "***"),
        ("x=planted-secret-that-is-longer.", "x=***."),
        ("key:\nline one\nline two\nend", "key:\n***end"),
        ("abc is too short to be hidden", "abc is too short to be hidden"),
        ("planted", "planted"),
    ],
)
def test_secrets_are_masked_also_in_pieces(tmp_path, text, seen):
    work = work_of(tmp_path, {"env": SECRETS})
    work.say("setup", 0, text)
    assert logged(work) == seen
    assert work.last_lines(text) == " | ".join(seen.splitlines())
    for size in (1, 2, 5, 13):
        printed = _Printed(work, "setup", 0)
        for start in range(0, len(text), size):
            printed.more(text[start : start + size])
        printed.close()
    pieces = logged(work)
    assert pieces.replace("\n", "") == (seen * 5).replace("\n", "")


def test_a_line_without_an_end_is_logged_in_pieces(tmp_path):
    work = work_of(tmp_path, {"env": {"A": "planted-secret"}})
    printed = _Printed(work, "setup", 0)
    for _ in range(30):
        printed.more("x" * 1000)
    assert len(work.store.read_log(work.id)) >= 2
    printed.close()
    assert logged(work).replace("\n", "") == "x" * 30_000


KNOWN = Access("s-1", deployed.PROJECT, "debian", "KNOWN", "ssh-ed25519 KNOWN", Trust.INJECTED)


@pytest.mark.parametrize(
    ("given", "key", "known", "used"),
    [
        ({}, None, KNOWN, KNOWN),
        ({"user": "root"}, None, KNOWN, dataclasses.replace(KNOWN, user="root")),
        (
            {"host_key": "ssh-ed25519 GIVEN"},
            None,
            KNOWN,
            dataclasses.replace(KNOWN, host_key="ssh-ed25519 GIVEN", trust=Trust.GIVEN),
        ),
        (
            {"user": "root"},
            "PEM",
            KNOWN,
            dataclasses.replace(KNOWN, user="root", private_key="PEM"),
        ),
        ({"user": "root"}, "PEM", None, Access("s-1", deployed.PROJECT, "root", "PEM", None, None)),
    ],
)
def test_what_the_request_brought_goes_before_what_is_known(tmp_path, given, key, known, used):
    wanted = deployed.spec(ExistingServers(**{"ids": ("s-1",), "user": None} | given))
    work = work_of(tmp_path, {"env": {}} | ({"private_key": key} if key else {}), wanted)
    work.store.set_target(work.id, 0, server_id="s-1")
    if known:
        work.store.save_access(known)
    assert work.access(0) == used


def test_a_way_in_that_is_gone(tmp_path):
    work = work_of(tmp_path, {"env": {}}, deployed.spec(ExistingServers(("s-1",), None)))
    work.store.set_target(work.id, 0, server_id="s-1")
    with pytest.raises(errors.NotFound):
        work.access(0)


@pytest.mark.parametrize("status", [Status.DELETING, Status.REVERTING])
def test_a_wait_ends_with_its_deployment(tmp_path, status):
    work = work_of(tmp_path, {"env": {}})
    work.store.move(work.id, status, [Status.PENDING])
    with pytest.raises(errors.Conflict):
        work.proceed()
