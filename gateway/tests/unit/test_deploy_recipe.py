"""What is done on a server, as values: shell and systemd read by the shell itself where that is here."""

import hashlib
import io
import os
import re
import shlex
import subprocess
import tarfile
import time

import pytest

from gateway.deploy import recipe, systemd
from gateway.deploy.model import NewServers, Spec
from gateway.registry.model import Check

LAYOUT = recipe.Layout("/opt/gateway", "hello", "1.0.0-1")

ODD_VALUES = [
    "",
    "plain",
    "two words",
    " both ends ",
    "a \"double\" and 'single'",
    "$HOME ${HOME} $(id) `id`",
    "back\\slash \\n \\$ \\",
    "line one\nline two\n",
    "#not a comment; nor this",
    "A=B=C",
    "!history & | > /dev/null *",
    "\ttab\rreturn\x1bescape",
    "ñ 中 🐟",
    "-----BEGIN KEY-----\nAAAA+/==\n-----END KEY-----\n",
]


def spec(**changed):
    values = {
        "service": "hello",
        "version": "1.0.0",
        "replicas": 1,
        "server": NewServers("f", "i", "n", None, "debian"),
        "command": "python3 app.py",
        "port": 8080,
        "proto": "http",
        "health": Check(),
    }
    return Spec(**values | changed)


def sourced(text, name, tmp_path):
    """The variable as /bin/sh has it after reading the file."""
    path = tmp_path / "env"
    path.write_bytes(text.encode())
    script = f'set -eu; . "{path}"; printf %s "${name}"'
    found = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True, env={}, timeout=10)
    assert found.stderr == b""
    return found.stdout.decode()


def systemd_reads(text):
    """systemd's parse_env_file (src/basic/env-file.c), as far as double quotes go."""
    return {
        name: re.sub(r'\\(["\\$`])', r"\1", value)
        for name, value in re.findall(r'^(\w+)="((?:[^"\\]|\\.)*)"\n', text, re.MULTILINE | re.DOTALL)
    }


@pytest.mark.parametrize("value", ODD_VALUES)
def test_the_shell_and_systemd_read_the_environment_alike(value, tmp_path):
    text = systemd.environment({"FIRST": "1", "ODD": value, "LAST": "2"})
    assert sourced(text, "ODD", tmp_path) == value
    assert sourced(text, "LAST", tmp_path) == "2"
    assert systemd_reads(text) == {"FIRST": "1", "ODD": value, "LAST": "2"}


@pytest.mark.parametrize("value", ODD_VALUES)
def test_the_shell_gets_the_words_that_were_meant(value):
    command = recipe.Command("show", ("printf", "%s", value), timeout=1, root=False)
    found = subprocess.run(["/bin/sh", "-c", command.line()], capture_output=True, check=True, timeout=10)
    assert found.stdout.decode() == value


def test_root_is_taken_without_a_question_and_secrets_are_not_shown():
    command = recipe.Command("t", ("id", "-u"), timeout=1, stdin=b"planted-secret")
    assert command.line() == "sudo -n -- id -u"
    assert "planted-secret" not in repr(command)


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (
            recipe.SERVICE,
            ["a", "hello", "hello-2", "9lives", "a" * 48],
            ["", "-a", "a-", "Hello", "a_b", "a.b", "a/b", "a b", "a" * 49, "hello\n", "ñ"],
        ),
        (
            recipe.VERSION,
            ["1", "1.0.0", "v2.1-rc1+build_7"],
            ["", ".1", "..", "-1", "1/2", "1 2", "1\n", "%h", "a" * 65],
        ),
        (recipe.USER, ["debian", "_apt", "ec2-user"], ["", "Root", "1a", "a b", "-a", "a\n", "root;id"]),
        (recipe.ENV_NAME, ["A", "_", "a1_B"], ["", "1A", "A-B", "A B", "A=B", "A\n", "Ñ"]),
        (
            recipe.FILE_PATH,
            ["a", "a/b.txt", ".env", "..a", "a..", "a/...", "ñ/ü", "with space"],
            [
                "",
                "/",
                "/a",
                ".",
                "..",
                "../a",
                "a/../b",
                "a/..",
                "a/.",
                "./a",
                "a/",
                "a\0",
                "a\n",
                "a\n/../b",
            ],
        ),
    ],
    ids=["service", "version", "user", "env", "file"],
)
def test_patterns(pattern, good, bad):
    assert [text for text in good if not re.search(pattern, text)] == []
    assert [text for text in bad if re.search(pattern, text)] == []


def placed(**changed):
    command = recipe.place(LAYOUT, spec(**changed), {"PASSWORD": "planted-secret"}, "debian", 60)
    with tarfile.open(fileobj=io.BytesIO(command.stdin)) as tar:
        return command, {m.name: (m.mode, tar.extractfile(m).read().decode()) for m in tar}


def test_what_is_placed():
    command, entries = placed(
        files={"run.sh": "#!/bin/sh\n", "etc/a b.ini": "x = ñ\n"}, env={"MODE": "x"}, setup="make\nmake check"
    )
    release, conf = "opt/gateway/hello/releases/1.0.0-1", "opt/gateway/hello/conf/1.0.0-1"
    assert entries[f"{release}/run.sh"] == (0o755, "#!/bin/sh\n")
    assert entries[f"{release}/etc/a b.ini"] == (0o644, "x = ñ\n")
    assert entries[f"{conf}/env"] == (
        0o600,
        'PORT="8080"\nMODE="x"\nPASSWORD="planted-secret"\n',
    )
    assert entries[f"{conf}/setup.sh"] == (0o600, "make\nmake check\n")
    assert entries[f"{conf}/start.sh"] == (0o644, "python3 app.py\n")
    assert "planted-secret" not in command.line()


def test_no_setup_no_file():
    _, entries = placed()
    assert sorted(name.rpartition("/")[2] for name in entries) == ["env", "start.sh", "unit"]


def test_the_unit():
    _, entries = placed()
    mode, text = entries["opt/gateway/hello/conf/1.0.0-1/unit"]
    lines = text.splitlines()
    assert mode == 0o644
    for line in (
        "Description=hello 1.0.0",
        "User=debian",
        "WorkingDirectory=/opt/gateway/hello/releases/1.0.0-1",
        "EnvironmentFile=/opt/gateway/hello/conf/1.0.0-1/env",
        "ExecStart=/bin/sh /opt/gateway/hello/conf/1.0.0-1/start.sh",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "Restart=always",
        "WantedBy=multi-user.target",
    ):
        assert lines.count(line) == 1


def test_a_low_port_may_be_listened_on():
    _, entries = placed(port=80)
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE" in entries["opt/gateway/hello/conf/1.0.0-1/unit"][1]


@pytest.mark.parametrize(
    "command",
    [
        recipe.facts(LAYOUT, ("a", "b"), 1),
        recipe.prepare(LAYOUT, "debian", ("1-1",), 1),
        recipe.running(LAYOUT, 1),
        recipe.unpack(LAYOUT, "00", 5, 1),
        recipe.place(LAYOUT, spec(), {}, "debian", 1),
        recipe.setup(LAYOUT, "debian", 1),
        recipe.start(LAYOUT, 1),
        recipe.remove(LAYOUT, 1),
        *(
            recipe.packages(LAYOUT, ("a",), recipe.Facts(tool, frozenset(), ""), 1)
            for tool in ("apt-get", "dnf", "yum", "zypper", "apk")
        ),
    ],
    ids=lambda command: command.title,
)
def test_scripts_are_good_shell(command):
    script = shlex.split(command.line())[shlex.split(command.line()).index("-ec") + 1]
    subprocess.run(["/bin/sh", "-n"], input=script.encode(), check=True, timeout=10)


def test_root_needs_no_sudo():
    command = recipe.start(LAYOUT, 1)
    assert command.line("root") == shlex.join(command.argv)
    assert command.line("debian") == "sudo -n -- " + shlex.join(command.argv)


def run_here(command, stdin=b""):
    """The command without sudo, on this machine, in a session of its own, as sshd would."""
    options = {"capture_output": True, "timeout": 30, "start_new_session": True}
    if not command.held:
        return subprocess.run(command.argv, input=stdin or command.stdin, **options)
    reader, writer = os.pipe()
    try:
        return subprocess.run(command.argv, stdin=reader, **options)
    finally:
        os.close(reader)
        os.close(writer)


def test_an_artifact_is_unpacked_only_with_its_sum(tmp_path):
    layout = recipe.Layout(str(tmp_path), "hello", "1")
    data = _tar_gz("hi")
    prepared = run_here(recipe.prepare(layout, _me(), (), 9))
    assert prepared.returncode == 0, prepared.stderr
    wrong = run_here(recipe.unpack(layout, "0" * 64, 2, 9), data)
    assert wrong.returncode != 0
    assert not (tmp_path / "hello/releases/1/app.py").exists()
    unpack = recipe.unpack(layout, hashlib.sha256(data).hexdigest(), 2, 9)
    assert run_here(unpack, data).stdout.decode() == recipe.SEND
    assert (tmp_path / "hello/releases/1/app.py").read_bytes() == b"hi"
    again = run_here(unpack)
    assert (again.returncode, again.stdout) == (0, b"the server has the artifact: upload skipped\n")


def test_the_artifacts_used_last_are_kept_on_the_server(tmp_path):
    layout = recipe.Layout(str(tmp_path), "hello", "1")
    run_here(recipe.prepare(layout, _me(), (), 9))
    wholes = [_tar_gz(text) for text in "abcd"]
    sums = [hashlib.sha256(whole).hexdigest() for whole in wholes]
    for number in (0, 1, 0, 2, 0, 3):
        unpack = recipe.unpack(layout, sums[number], 2, 9)
        assert run_here(unpack, wholes[number]).returncode == 0
        time.sleep(0.02)  # the files' times are what tells
    assert {path.name for path in (tmp_path / "hello/artifacts").iterdir()} == {
        f"{sums[0]}.tar.gz",
        f"{sums[3]}.tar.gz",
    }


def _tar_gz(text):
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as tar:
        member = tarfile.TarInfo("app.py")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text.encode()))
    return whole.getvalue()


def _me():
    return subprocess.run(["id", "-un"], capture_output=True, check=True, text=True).stdout.strip()


def test_a_release_that_is_installed_is_left_alone_and_old_ones_go(tmp_path):
    def layout(folder):
        return recipe.Layout(str(tmp_path), "hello", folder)

    home = tmp_path / "hello"
    for folder in ("1-1", "1-2", "2-3"):
        printed = run_here(recipe.prepare(layout(folder), _me(), ("1-1", "1-2"), 9))
        assert not recipe.is_ready(printed.stdout.decode()), printed
        (home / "conf" / folder / "ready").touch()
    (home / "releases/2-3/app").touch()
    printed = run_here(recipe.prepare(layout("2-3"), _me(), ("1-2",), 9))
    assert recipe.is_ready(printed.stdout.decode()), printed
    assert recipe.is_ready(run_here(recipe.facts(layout("2-3"), (), 9)).stdout.decode())
    assert (home / "releases/2-3/app").exists()
    for part in ("releases", "conf"):
        assert sorted(path.name for path in (home / part).iterdir()) == ["1-2", "2-3"]
    (home / "conf/2-3/ready").unlink()
    run_here(recipe.prepare(layout("2-3"), _me(), (), 9))
    assert [path.name for path in (home / "releases").iterdir()] == ["2-3"]
    assert not (home / "releases/2-3/app").exists()


def test_which_release_runs(tmp_path):
    layout = recipe.Layout(str(tmp_path), "hello", "1-1")
    printed = run_here(recipe.running(layout, 9)).stdout.decode()
    assert not recipe.runs(printed, layout)
    assert recipe.runs("1-1\nactive\n", layout)
    for other in ("1-2\nactive\n", "1-1\ninactive\n", "1-1\n", "none\n", ""):
        assert not recipe.runs(other, layout)


def test_a_release_whose_start_broke_off_does_not_count_as_running(tmp_path):
    layout = recipe.Layout(str(tmp_path), "hello", "1-1")
    started = tmp_path / "hello/started"
    started.parent.mkdir()
    started.write_text("1-1\n")
    assert run_here(recipe.running(layout, 9)).stdout.split()[0] == b"1-1"
    assert run_here(recipe.start(layout, 9)).returncode != 0  # nothing of it is there
    assert not started.exists()
    assert run_here(recipe.running(layout, 9)).stdout.split()[0] == b"none"


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("[  \x1b[0;32m  OK  \x1b[0m] Started", "[    OK  ] Started"),
        ("a\tb\r", "a\tb"),
        ("\x1b[2J\x1b[1;1Hlogin: ñ", "login: ñ"),
        ("\x07\x00x", "x"),
    ],
)
def test_what_can_be_shown_of_a_console(line, seen):
    assert recipe.printable(line) == seen


def test_facts_of_this_machine():
    found = recipe.parse_facts(run_here(recipe.facts(LAYOUT, ("no-such-package", "bash"), 9)).stdout.decode())
    assert "no-such-package" not in found.installed


@pytest.mark.parametrize(
    ("output", "facts"),
    [
        ("", recipe.Facts(None, frozenset(), "")),
        (
            "cloud-init=done\ntool=apt-get\ninstalled=git\ninstalled=python3\n",
            recipe.Facts("apt-get", frozenset({"git", "python3"}), "done"),
        ),
        ("cloud-init=error\r\ntool=dnf\n", recipe.Facts("dnf", frozenset(), "error")),
        ("Warning: tool=apk\ncloud-init=\n", recipe.Facts(None, frozenset(), "")),
    ],
)
def test_parse_facts(output, facts):
    assert recipe.parse_facts(output) == facts


@pytest.mark.parametrize(
    ("wanted", "tool", "installed", "end"),
    [
        ((), None, (), None),
        (("git",), None, ("git",), None),
        (("git", "g++"), "apt-get", ("git",), ("g++",)),
        (("git", "jq"), "dnf", (), ("git", "jq")),
    ],
)
def test_packages(wanted, tool, installed, end):
    command = recipe.packages(LAYOUT, wanted, recipe.Facts(tool, frozenset(installed), "done"), 60)
    assert command is end or command.argv[-len(end) :] == end


def test_packages_without_a_tool():
    with pytest.raises(ValueError, match="git, jq"):
        recipe.packages(LAYOUT, ("git", "jq"), recipe.Facts(None, frozenset(), ""), 60)


def shown(**properties):
    return "".join(f"{name}={value}\n" for name, value in properties.items())


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (shown(ActiveState="active", SubState="running", NRestarts=0), None),
        (shown(ActiveState="activating", SubState="start", NRestarts=0), None),
        (
            shown(
                ActiveState="activating",
                SubState="auto-restart",
                NRestarts=0,
                Result="exit-code",
                ExecMainCode=1,
                ExecMainStatus=3,
            ),
            "the command exited with status 3",
        ),
        (
            shown(
                ActiveState="activating",
                SubState="auto-restart",
                NRestarts=0,
                Result="success",
                ExecMainCode=1,
                ExecMainStatus=0,
            ),
            "the command exited with status 0",
        ),
        (
            shown(
                ActiveState="activating",
                SubState="auto-restart",
                NRestarts=1,
                Result="signal",
                ExecMainCode=2,
                ExecMainStatus=9,
            ),
            "the command was ended by signal 9",
        ),
        (
            shown(
                ActiveState="activating",
                SubState="auto-restart",
                NRestarts=0,
                Result="core-dump",
                ExecMainCode=3,
                ExecMainStatus=11,
            ),
            "the command was ended by signal 11",
        ),
        (
            shown(ActiveState="active", SubState="running", NRestarts=2, ExecMainCode=0, ExecMainStatus=0),
            "the command ended and was started again",
        ),
        (
            shown(
                ActiveState="failed",
                SubState="failed",
                NRestarts=0,
                Result="exit-code",
                ExecMainCode=1,
                ExecMainStatus=217,
            ),
            "the command exited with status 217",
        ),
    ],
)
def test_why_a_service_does_not_run(output, reason):
    assert systemd.exited(output) == reason


BLOB = "AAAAC3NzaC1lZDI1NTE5AAAAI" + "B" * 43
CONSOLE = """\
[   12.3] cloud-init[402]: done\r
<14>Nov 23 15:00:00 cloud-init: #############\r
<14>Nov 23 15:00:00 cloud-init: -----BEGIN SSH HOST KEY FINGERPRINTS-----\r
<14>Nov 23 15:00:00 cloud-init: 256 SHA256:abc root@web (ED25519)\r
<14>Nov 23 15:00:00 cloud-init: -----END SSH HOST KEY FINGERPRINTS-----\r
-----BEGIN SSH HOST KEY KEYS-----\r
ecdsa-sha2-nistp256 {blob} root@web\r
ssh-ed25519 {blob} root@web\r
-----END SSH HOST KEY KEYS-----\r
web login: """


@pytest.mark.parametrize(
    ("console", "keys"),
    [
        ("", ()),
        ("ssh-ed25519 " + BLOB, ()),
        ("-----BEGIN SSH HOST KEY KEYS-----\nssh-ed25519 " + BLOB, ()),
        ("-----BEGIN SSH HOST KEY KEYS-----\n-----END SSH HOST KEY KEYS-----", ()),
        (CONSOLE.format(blob=BLOB), ("ecdsa-sha2-nistp256 " + BLOB, "ssh-ed25519 " + BLOB)),
        (
            CONSOLE.format(blob=BLOB) + CONSOLE.format(blob=BLOB.replace("B", "C")),
            tuple(f"{kind} {BLOB.replace('B', 'C')}" for kind in ("ecdsa-sha2-nistp256", "ssh-ed25519")),
        ),
    ],
)
def test_host_keys_on_the_console(console, keys):
    assert recipe.host_keys_on_console(console) == keys
