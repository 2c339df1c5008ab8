"""Connections to a real sshd (OpenSSH's) on 127.0.0.1, with a host key and a login key of its own."""

import contextlib
import getpass
import io
import os
import pathlib
import pwd
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest

from gateway import conf as options
from gateway import errors
from gateway.deploy import guest, ssh
from gateway.deploy.recipe import Command

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin")
pytestmark = pytest.mark.skipif(SSHD is None, reason="NO sshd HERE: install openssh-server (Debian)")

USER = getpass.getuser()
# bash as login shell puts a lone command in its own place; others stay its parent and tell its signal as 137
bash_only = pytest.mark.skipif(
    not pwd.getpwnam(USER).pw_shell.endswith("/bash"), reason="THE LOGIN SHELL IS NOT BASH"
)


class Sshd:
    """One sshd, started as a child; ``host_key`` and ``login_key`` are what it has and takes."""

    def __init__(self, folder: pathlib.Path, host_key=None, login_key=None, port=None):
        self.host_key, self.login_key = host_key or guest.key_pair(), login_key or guest.key_pair()
        self.port = port or _free_port()
        self._log = folder / f"sshd-{self.port}.log"
        key, authorized = folder / f"host-{self.port}", folder / f"authorized-{self.port}"
        key.touch(mode=0o600)
        key.write_text(self.host_key.private)
        authorized.write_text(self.login_key.public + "\n")
        lines = [
            f"ListenAddress 127.0.0.1:{self.port}",
            f"HostKey {key}",
            f"AuthorizedKeysFile {authorized}",
            "PidFile none",
            "StrictModes no",
            "UsePAM no",
            "UseDNS no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "LogLevel VERBOSE",
        ]
        config = folder / f"sshd-{self.port}.conf"
        config.write_text("\n".join(lines) + "\n")
        if USER == "root":
            pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # as its systemd unit does
        self._process = subprocess.Popen([SSHD, "-D", "-e", "-f", config], stderr=self._log.open("wb"))
        self._wait()

    def _wait(self):
        deadline = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def log(self):
        return self._log.read_text()

    def stop(self):
        self._process.terminate()
        self._process.wait(10)


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    server = Sshd(tmp_path_factory.mktemp("sshd"))
    yield server
    server.stop()


def conf_for(port):
    conf = options.load([], [])
    conf.set_override("port", port, "ssh")
    conf.set_override("retry_interval", 0.05, "ssh")
    conf.set_override("ready_timeout", 1, "ssh")
    return conf


@pytest.fixture
def conf(sshd):
    return conf_for(sshd.port)


def login(sshd, private_key=None, host_keys=None):
    known = (sshd.host_key.public,) if host_keys is None else host_keys
    return ssh.Login("127.0.0.1", USER, private_key or sshd.login_key.private, known)


@pytest.fixture(scope="module")
def connection(sshd):
    made = ssh.connect(login(sshd), conf_for(sshd.port))
    yield made
    made.close()


def shell(script, timeout=20, stdin=b""):
    return Command("the script", ("sh", "-c", script), timeout, stdin, root=False)


def test_the_right_key_logs_in(sshd, connection):
    assert connection.is_open()
    assert connection.host_key() == sshd.host_key.public
    assert connection.run(shell("id -un")) == ssh.Result(0, f"{USER}\n")


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_another_host_key_is_refused_and_nothing_is_sent(sshd, conf, tmp_path, kind):
    """sshd's log has the connection, and no word of a user: the login never began."""
    known = guest.key_pair().public if kind == "ed25519" else _public_rsa(tmp_path)
    before = len(sshd.log())
    with pytest.raises(ssh.HostKeyMismatch) as raised:
        ssh.connect(login(sshd, host_keys=(known,)), conf)
    assert raised.value.code == "gateway.ssh.host_key_mismatch"
    seen = _log_from(sshd, before, "Connection closed by", "Connection reset by")
    port = re.search(r"Connection from 127\.0\.0\.1 port (\d+)", seen)[1]
    ours = [line for line in seen.splitlines() if f"port {port}" in line]  # others end the test before
    assert ours
    assert not [line for line in ours if USER in line]


def _public_rsa(folder):
    command = ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", folder / "rsa"]
    subprocess.run(command, check=True)
    return (folder / "rsa.pub").read_text()


def _log_from(sshd, start, *words):
    deadline = time.monotonic() + 5
    while True:
        seen = sshd.log()[start:]
        if any(word in seen for word in words) or time.monotonic() > deadline:
            return seen
        time.sleep(0.02)


def test_one_of_several_known_keys_is_enough(sshd, conf, tmp_path):
    known = (_public_rsa(tmp_path), sshd.host_key.public + " a comment")
    ssh.connect(login(sshd, host_keys=known), conf).close()


def test_a_key_that_is_not_let_in(sshd, conf):
    with pytest.raises(errors.Unauthorized) as raised:
        ssh.connect(login(sshd, private_key=guest.key_pair().private), conf)
    assert raised.value.code == "gateway.ssh.login_refused"
    assert "PRIVATE" not in str(raised.value)


def test_first_use_tells_the_key_it_believed(sshd, conf):
    with contextlib.closing(ssh.connect(login(sshd, host_keys=()), conf)) as connection:
        assert connection.host_key() == sshd.host_key.public


def test_an_rsa_host_key(tmp_path):
    public = _public_rsa(tmp_path)
    server = Sshd(tmp_path, guest.KeyPair((tmp_path / "rsa").read_text(), public))
    try:
        ssh.connect(login(server), conf_for(server.port)).close()
        with pytest.raises(ssh.HostKeyMismatch):
            ssh.connect(login(server, host_keys=(guest.key_pair().public,)), conf_for(server.port))
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("script", "status", "output"),
    [
        ("exit 3", 3, ""),
        ("echo out; echo err >&2; exit 1", 1, "out\nerr\n"),
        pytest.param("kill -9 $$", -1, "", marks=bash_only),
        ("cat", 0, "stdin ñ"),
        ("true", 0, ""),
        ("printf '\\377'", 0, "\ufffd"),
    ],
)
def test_what_a_command_ends_with(connection, script, status, output):
    assert connection.run(shell(script, stdin="stdin ñ".encode())) == ssh.Result(status, output)


def test_much_in_and_much_out_at_once(connection):
    """Both more than any buffer on the way: whoever waits for the other side to read would wait for ever."""
    sent = os.urandom(4 * 1024 * 1024)
    parts = []
    result = connection.run(shell("od -An -v -tx1 | tr -d ' \\n'", 60), io.BytesIO(sent), parts.append)
    assert result.status == 0
    assert "".join(parts) == sent.hex()
    assert result.output == sent.hex()[-len(result.output) :]
    assert len(result.output) == 64 * 1024


def test_letters_are_whole_wherever_the_network_cuts_them(connection):
    script = "printf '\\303'; sleep 0.1; printf '\\261'; head -c 100000 /dev/zero | tr '\\0' x; printf ñ"
    parts = []
    connection.run(shell(script), on_output=parts.append)
    assert "".join(parts) == "ñ" + "x" * 100_000 + "ñ"


def test_a_command_that_ends_before_it_has_read_everything(connection):
    assert connection.run(shell("exit 4"), io.BytesIO(b"x" * 8_000_000)).status == 4
    assert connection.run(shell("echo still here")).output == "still here\n"


@pytest.mark.parametrize(
    "script",
    ["sleep 30", "while :; do echo x; sleep 0.05; done", "exec >/dev/null 2>&1; sleep 30"],
    ids=["silent", "chatty", "closed"],
)
def test_a_command_that_takes_too_long(connection, script):
    with pytest.raises(errors.Timeout) as raised:
        connection.run(shell(script, timeout=0.3))
    assert raised.value.code == "gateway.ssh.command_timeout"
    assert "0.3 s" in raised.value.message
    assert connection.run(shell("echo still here")).output == "still here\n"


@bash_only
def test_a_connection_that_breaks(sshd, conf):
    connection = ssh.connect(login(sshd), conf)
    with pytest.raises(errors.Unhealthy) as raised:
        # its parent is the sshd of this connection
        connection.run(shell("kill -9 $(ps -o ppid= -p $$); sleep 30"))
    assert raised.value.code == "gateway.ssh.connection_lost"
    assert not connection.is_open()
    connection.close()


def test_nobody_listens(conf):
    conf.set_override("port", _free_port(), "ssh")
    with pytest.raises(errors.Unavailable, match=r"(?i)connection refused"):
        ssh.connect(ssh.Login("127.0.0.1", USER, guest.key_pair().private, ()), conf)
    with pytest.raises(errors.Timeout) as raised:
        ssh.wait_for_login(ssh.Login("127.0.0.1", USER, guest.key_pair().private, ()), conf, lambda: None, 0)
    assert raised.value.code == "gateway.ssh.unreachable"


def test_what_answers_is_no_sshd(conf):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        conf.set_override("port", listener.getsockname()[1], "ssh")
        conf.set_override("banner_timeout", 0.2, "ssh")
        with pytest.raises(errors.Unavailable):
            ssh.connect(ssh.Login("127.0.0.1", USER, guest.key_pair().private, ()), conf)


def test_the_wait_ends_when_sshd_comes(tmp_path):
    """It is started by the first look that was in vain."""
    host_key, login_key, conf, servers = guest.key_pair(), guest.key_pair(), conf_for(_free_port()), []

    def proceed():
        servers.append(Sshd(tmp_path, host_key, login_key, conf.ssh.port))

    wanted = ssh.Login("127.0.0.1", USER, login_key.private, (host_key.public,))
    try:
        with contextlib.closing(ssh.wait_for_login(wanted, conf, proceed, 0)) as connection:
            assert connection.is_open()
    finally:
        for server in servers:
            server.stop()
    assert len(servers) == 1


def test_a_refusal_is_believed_only_after_patience(sshd, conf):
    tries = []
    wrong = login(sshd, host_keys=(guest.key_pair().public,))
    with pytest.raises(ssh.HostKeyMismatch):
        ssh.wait_for_login(wrong, conf, lambda: tries.append(1), 0)
    assert tries == []
    with pytest.raises(ssh.HostKeyMismatch):
        ssh.wait_for_login(wrong, conf, lambda: tries.append(1), 0.2)
    assert tries


def test_proceed_may_end_the_wait(conf):
    conf.set_override("port", _free_port(), "ssh")

    def stop():
        raise errors.Conflict("gateway.deployment.deleted", "gone")

    with pytest.raises(errors.Conflict):
        ssh.wait_for_login(ssh.Login("127.0.0.1", USER, guest.key_pair().private, ()), conf, stop, 0)


@pytest.mark.parametrize("text", ["", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-ed25519 !!", "nonsense AAAA"])
def test_what_is_no_host_key(text):
    with pytest.raises(errors.Invalid) as raised:
        ssh.parse_host_key(text)
    assert raised.value.field == "host_key"


@pytest.mark.parametrize("kind", [("ed25519",), ("ecdsa", "-b", "384"), ("rsa", "-b", "2048", "-m", "PEM")])
def test_private_keys(tmp_path, kind):
    path = tmp_path / "key"
    command = ["ssh-keygen", "-q", "-f", path, "-t"]
    subprocess.run([*command, *kind, "-N", ""], check=True)
    read = ssh.parse_private_key(path.read_text())
    assert (tmp_path / "key.pub").read_text().split()[:2] == [read.get_name(), read.get_base64()]
    path.unlink()
    subprocess.run([*command, *kind, "-N", "passphrase"], check=True)
    with pytest.raises(errors.Invalid) as raised:
        ssh.parse_private_key(path.read_text())
    assert raised.value.field == "private_key"


def test_no_thread_stays(connection):
    connection.run(shell("true"))
    deadline = time.monotonic() + 2
    while any(isinstance(t, threading.Timer) for t in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
