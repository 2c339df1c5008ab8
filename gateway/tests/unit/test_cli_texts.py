"""Pure parts of the command line: service.yaml, packing, progress, the commands' table."""

import io
import logging
import os
import pathlib
import re
import tarfile

import pytest

from gateway.api import expose, wish
from gateway.cli import artifacts, main, progress, service_file
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


def test_a_running_step_is_timed_by_our_clock():
    deployment = {"steps": [step("boot", "running", 0, detail="waiting  for\nACTIVE")]}
    seen = progress.look(progress.Seen(), deployment, now=100)
    seen = progress.look(seen, deployment, now=105)
    (line,) = progress.screen(seen, deployment, now=107.5, width=80, height=10)
    assert line.split() == ["boot", "#0", "running", "7.5", "s", "waiting", "for", "ACTIVE"]


def test_a_small_screen_keeps_what_matters():
    steps = [
        step("quota", "done"),
        step("boot", "done", 0),
        step("ssh", "running", 0),
        step("start", "pending", 0),
    ]
    seen = progress.look(progress.Seen(), {"steps": steps}, now=0)
    lines = progress.screen(seen, {"steps": steps}, now=0, width=20, height=2)
    assert [line.split()[0] for line in lines] == ["boot", "ssh"]
    assert max(map(len, lines)) < 20


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
