"""Pure parts of the command line: service.yaml, packing, progress, the commands' table."""

import io
import logging
import os
import pathlib
import re
import tarfile

import pytest

from gateway.api import expose, wish
from gateway.cli import artifacts, main, progress, screen, service_file, texts
from gateway.cli.command import CommandError, described
from gateway.client import ApiError

EXAMPLE = pathlib.Path(__file__).parents[3] / "examples" / "hello"
ARTIFACT = "0b9e6d0e-6a3f-4f57-9a51-1df2a9c0b2f1"


@pytest.mark.parametrize(
    ("text", "deployment"),
    [
        ("service: hello", {"service": "hello"}),
        ("deployment:\n  service: hello", {"service": "hello"}),
        (f"service: hello\nartifact: {ARTIFACT}", {"service": "hello", "artifact": ARTIFACT}),
    ],
)
def test_a_service_file_is_the_body_of_the_call(tmp_path, text, deployment):
    path = tmp_path / "service.yaml"
    path.write_text(text)
    assert service_file.read(path) == service_file.ServiceFile(deployment, None)


def test_the_artifact_is_relative_to_the_file(tmp_path):
    path = tmp_path / "service.yaml"
    path.write_text("service: hello\nartifact: .")
    assert service_file.read(path) == service_file.ServiceFile({"service": "hello"}, tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        (b"- a\n- b", "not a deployment"),
        (b"deployment: [", "line 1"),
        (b"\xff\xfe", "not UTF-8"),
        (b"artifact: lost.tar.gz", "there is no .*lost.tar.gz"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, content, message):
    path = tmp_path / "service.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CommandError, match=message):
        service_file.read(path)


def test_the_same_files_pack_to_the_same_bytes(tmp_path):
    packed = []
    for name, when in (("one", 1), ("two", 999999)):
        folder = tmp_path / name
        (folder / "sub").mkdir(parents=True)
        (folder / "sub" / "run.sh").write_text("#!/bin/sh\n")
        (folder / "sub" / "run.sh").chmod(0o700)
        (folder / "app.py").write_text("pass\n")
        os.utime(folder / "app.py", (when, when))
        file = io.BytesIO()
        artifacts.pack(folder, file)
        packed.append(file.getvalue())
    assert packed[0] == packed[1]
    with tarfile.open(fileobj=io.BytesIO(packed[0])) as tar:
        modes = {entry.name: oct(entry.mode) for entry in tar}
    assert modes == {"app.py": "0o644", "sub": "0o755", "sub/run.sh": "0o755"}


def step(name, state, target=None, detail=""):
    times = {"started_at": "2026-11-23T15:00:00Z", "finished_at": "2026-11-23T15:00:01.5Z"}
    return {"name": name, "state": state, "target": target, "detail": detail, **times}


def test_changes_are_told_once():
    first = {"steps": [step("quota", "done"), step("boot", "running", 0), step("boot", "pending", 1)]}
    seen = progress.look(progress.Seen(), first, now=10)
    assert [line.split()[0] for line in progress.changes(progress.Seen(), first)] == ["quota", "boot"]
    assert progress.changes(seen, first) == []
    then = {"steps": [step("quota", "done"), step("boot", "done", 0), step("boot", "running", 1)]}
    assert [line.split()[:3] for line in progress.changes(seen, then)] == [
        ["boot", "#0", "done"],
        ["boot", "#1", "running"],
    ]


def event(name, state, target=None, at="2026-11-23T15:00:09Z", detail=""):
    return {"at": at, "step": name, "target": target, "state": state, "detail": detail}


def test_an_event_moves_its_step_and_only_forward():
    before = {"status": "running", "steps": [{**step("boot", "running", 0), "finished_at": None}]}
    done = progress.with_event(before, "step", event("boot", "done", 0, detail="server a"))
    assert [(s["state"], s["detail"]) for s in done["steps"]] == [("done", "server a")]
    assert [line.split()[3:] for line in progress.changes(progress.Seen(), done)] == [
        ["9.0", "s", "server", "a"]
    ]
    assert progress.with_event(done, "step", event("boot", "running", 0)) == done
    assert progress.with_event(done, "step", event("boot", "done", 1)) == done
    assert progress.with_event(done, "status", {"status": "finishing"})["status"] == "finishing"


def rows(*steps, now=0.0, since=0.0):
    deployment = {"steps": steps, "instances": [{"number": 0, "server_name": "web-0"}]}
    seen = progress.look(progress.Seen(), deployment, since)
    return progress.rows(seen, deployment, now)


def test_a_server_is_a_row_with_the_step_under_way_timed_by_our_clock():
    quota, web, other = rows(
        step("boot", "done", 0), step("ssh", "running", 0), step("boot", "pending", 1), step("quota", "done"),
        now=107.5, since=100,
    )  # fmt: skip
    assert quota == progress.Row("quota", 1, 1, "", "done", 1.5)
    assert web == progress.Row("web-0", 1, 2, "ssh", "running", 7.5)
    assert other == progress.Row("server #1", 0, 1, "", "waiting", None)


@pytest.mark.parametrize(
    ("states", "done", "at", "state"),
    [
        (("done", "pending"), 1, "", "waiting"),
        (("done", "done"), 2, "", "done"),
        (("done", "failed"), 1, "start", "failed"),
        (("reverting", "failed"), 0, "upload", "reverting"),
        (("reverted", "failed"), 0, "start", "failed"),
        (("reverted", "pending"), 0, "", "reverted"),
    ],
)
def test_the_step_that_counts(states, done, at, state):
    steps = [step(name, each, 0) for name, each in zip(("upload", "start"), states, strict=True)]
    (row,) = rows(*steps)
    assert (row.done, row.step, row.state) == (done, at, state)


def test_a_small_screen_keeps_what_matters():
    def servers(count, state):
        return [progress.Row(state, 0, 1, "", state, None)] * count

    everything = servers(5, "done") + servers(3, "waiting") + servers(2, "running")
    assert progress.fitting(everything, 11) == (everything, "")
    assert progress.fitting(everything, 10) == (everything[:4] + everything[5:], "and 1 more: 1 done")
    shown, left_out = progress.fitting(everything, 4)
    assert [row.state for row in shown] == ["waiting", "running", "running"]
    assert left_out == "and 7 more: 5 done, 2 waiting"
    assert progress.fitting(servers(9, "running"), 3)[0] == servers(2, "running")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_nothing_is_wider_than_the_terminal(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    terminal, server = Terminal(), {"number": 0, "server_name": "hello-b3180b60-0", "aim": "add"}
    steps = [step("security_group", "done"), step("install", "failed", 0, "No such package: " + "x" * 90)]
    with screen.view(terminal) as view:
        view.show({"status": "reverting", "steps": steps, "instances": [server]})
        view.log(
            {"at": "2026-11-23T15:00:00Z", "step": "install", "target": 0, "text": "a line\x1b[2J " * 30}
        )
    drawn = re.sub(r"\x1b\[[0-9?;]*[A-Za-z]", "", terminal.getvalue()).replace("\r", "\n")
    assert "install" in drawn
    assert "\x1b" not in drawn
    assert max(map(len, drawn.splitlines())) <= width


CANCELED = {"step": "cancel", "target": None, "code": "c", "message": "Canceled on request."}
UNHEALTHY = {"step": "health", "target": 0, "code": "c", "message": "It ended."}
RELEASES = [
    {"number": 2, "version": "2.0", "state": "failed"},
    {"number": 1, "version": "1.0", "state": "current"},
]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"status": "failed", "fault": UNHEALTHY},
            "a 1.0 failed at health on server #0: It ended. (c, request id r)",
        ),
        (
            {"status": "rolled_back", "fault": UNHEALTHY, "releases": RELEASES},
            "a 2.0 failed at health on server #0: It ended; 1.0 runs again (c, request id r)",
        ),
        (
            {"status": "rolled_back", "fault": CANCELED, "releases": RELEASES},
            "a 2.0 was taken back: Canceled on request; 1.0 runs again (c, request id r)",
        ),
        (
            {"status": "rolled_back", "fault": UNHEALTHY, "releases": RELEASES[1:]},
            "a 1.0 failed at health on server #0: It ended; 1.0 runs again (c, request id r)",
        ),
        ({"status": "failed", "fault": None}, "a 1.0 is failed (request id r)"),
    ],
)
def test_why_it_failed_is_one_line(changes, line):
    deployment = {"service": "a", "version": "1.0", "release": 1, "request_id": "r", **changes}
    assert texts.fault_line(deployment) == line


@pytest.mark.parametrize(
    ("version", "aims", "line"),
    [
        ("2.0", ["update", "update"], "a 1.0 → 2.0, release 2, batches of 50%"),
        ("1.0", ["keep", "add"], "a 1.0, release 2, 1 server more"),
        ("2.0", ["update", "remove", "remove"], "a 1.0 → 2.0, release 2, batches of 50%, 2 servers fewer"),
    ],
)
def test_what_an_update_changes(version, aims, line):
    deployment = {
        "service": "a",
        "version": version,
        "release": 2,
        "releases": [{"state": "deploying", "version": version}, {"state": "current", "version": "1.0"}],
        "instances": [{"aim": aim} for aim in aims],
        "spec": {"update": {"batch": "50%"}},
    }
    assert texts.change(deployment) == line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            ApiError("No\nflavor.", code="gateway.x", request_id="req-1"),
            "No flavor. (gateway.x, request id req-1)",
        ),
        (ApiError("Busy.", code="gateway.x", retry_after=3), "Busy. Try again in 3 s. (gateway.x)"),
        (ApiError("Cannot reach it.", code="client.unreachable"), "Cannot reach it."),
    ],
)
def test_errors_are_one_line(error, line):
    assert described(error) == line


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_is_there_and_explains_itself(name, capsys, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # cliff adds its own
    assert main.main([*name.split(), "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: gateway {name} ")


def test_the_example_is_whole():
    example = service_file.read(EXAMPLE / "service.yaml")
    assert example.artifact is not None
    assert (example.artifact / "app.py").is_file()
    expose.validate({"deployment": {**example.deployment, "artifact": ARTIFACT}}, wish.BODY)


def test_the_example_names_every_field():
    text = (EXAMPLE / "service.yaml").read_text()
    fields = wish.BODY["properties"]["deployment"]["properties"]
    new, existing = fields["server"]["else"]["properties"], fields["server"]["then"]["properties"]
    parts = [name for part in ("health", "update", "heal") for name in fields[part]["properties"]]
    names = [*fields, *new, *existing, *parts]
    assert [name for name in names if not re.search(rf"^[ #]*{name}:", text, re.MULTILINE)] == []
