"""Connections to a real sshd (OpenSSH's) on 127.0.0.1, with a host key and a login key of its own."""

import contextlib
import dataclasses
import getpass
import hashlib
import io
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tarfile
import threading
import time
import uuid

import pytest

from gateway import conf as options
from gateway import errors
from gateway.deploy import guest, recipe, ssh
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

    def __init__(self, folder: pathlib.Path, host_key=None, login_key=None, port=None, lines=()):
        self.host_key, self.login_key = host_key or guest.key_pair(), login_key or guest.key_pair()
        self.port = port or _free_port()
        self._log = folder / f"sshd-{self.port}.log"
        key, authorized = folder / f"host-{self.port}", folder / f"authorized-{self.port}"
        key.touch(mode=0o600)
        key.write_text(self.host_key.private)
        authorized.write_text(self.login_key.public + "\n")
        lines = [
            *lines,
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


def test_another_sshd_on_the_known_address(tmp_path):
    """The man in the middle: the gateway's own key would let it in there, and it does not even try."""
    known = Sshd(tmp_path)
    conf = conf_for(known.port)
    ssh.connect(login(known), conf).close()
    known.stop()
    (tmp_path / "other").mkdir()
    other = Sshd(tmp_path / "other", login_key=known.login_key, port=known.port)
    try:
        with pytest.raises(ssh.HostKeyMismatch, match="nothing was sent"):
            ssh.wait_for_login(login(known), conf, lambda: None, 0)
        seen = _log_from(other, 0, "Connection closed by", "Connection reset by")
        assert USER not in seen
    finally:
        other.stop()


WEAK = [
    "KexAlgorithms diffie-hellman-group14-sha1,diffie-hellman-group1-sha1",
    "HostKeyAlgorithms ssh-rsa",
    "Ciphers aes128-cbc,aes256-cbc,3des-cbc",
    "MACs hmac-sha1,hmac-md5,hmac-sha1-96\nCiphers aes128-ctr",
]


@pytest.mark.parametrize("weak", WEAK, ids=lambda weak: weak.split()[0])
def test_weak_algorithms_are_refused(tmp_path, weak):
    public = _public_rsa(tmp_path)
    server = Sshd(tmp_path, guest.KeyPair((tmp_path / "rsa").read_text(), public), lines=[weak])
    try:
        with pytest.raises(ssh.NoCommonAlgorithm) as raised:
            ssh.wait_for_login(login(server), conf_for(server.port), lambda: None, 0)
        assert raised.value.code == "gateway.ssh.no_common_algorithm"
        assert "no weak ones" in raised.value.message
    finally:
        server.stop()


def test_the_best_algorithms_are_agreed_on(tmp_path):
    server = Sshd(tmp_path, lines=["LogLevel DEBUG1"])
    try:
        ssh.connect(login(server), conf_for(server.port)).close()
        seen = _log_from(server, 0, "Connection closed by")
        assert re.search(r"kex: algorithm: (mlkem768x25519-sha256|curve25519-sha256)", seen)
        assert "kex: host key algorithm: ssh-ed25519" in seen
        assert "kex: client->server cipher: aes128-gcm@openssh.com" in seen
    finally:
        server.stop()


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


@pytest.fixture
def setup(tmp_path):
    """The user's commands, as a deployment runs them, but without sudo."""

    def command(script):
        layout = recipe.Layout(str(tmp_path), "hello", "1")
        for name, text in (("conf/1/env", ""), ("conf/1/setup.sh", script), ("releases/1/a", "")):
            path = tmp_path / "hello" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return dataclasses.replace(recipe.setup(layout, USER, 60), root=False)

    return command


def _running(*argv):
    found = subprocess.run(["pgrep", "-fx", " ".join(argv)], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


def _until(look):
    deadline = time.monotonic() + 15
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _sleep():
    """A command line that nobody else runs."""
    return ("sleep", f"600.{uuid.uuid4().int}")


def test_a_command_that_may_not_proceed_is_ended_with_its_processes(connection, setup):
    first, second = _sleep(), _sleep()

    def proceed():
        if _running(*first) and _running(*second):
            raise errors.Conflict("gateway.deployment.deleted", "gone")

    with pytest.raises(errors.Conflict, match="gone"):
        connection.run(setup(f"{' '.join(first)} &\n{' '.join(second)}"), proceed=proceed)
    _until(lambda: not _running(*first) and not _running(*second))
    assert connection.run(shell("echo still here")).output == "still here\n"


def test_a_command_does_not_outlive_its_connection(sshd, conf, setup):
    """As when the gateway is killed: its successor does the step again, and both must not run at once."""
    connection, sleep = ssh.connect(login(sshd), conf), _sleep()
    command = setup(" ".join(sleep))
    thread = threading.Thread(target=_run_quietly, args=(connection, command))
    thread.start()
    _until(lambda: _running(*sleep))
    connection.close()
    _until(lambda: not _running(*sleep))
    thread.join(10)
    assert not thread.is_alive()


def _run_quietly(connection, command, stdin=None):
    with contextlib.suppress(errors.GatewayError):
        connection.run(command, stdin)


def test_a_command_waits_for_what_a_killed_gateway_has_left(sshd, connection, conf, tmp_path):
    """An artifact that is being unpacked is not held by the connection: here one that comes very slowly."""
    layout = recipe.Layout(str(tmp_path), "hello", "1")
    unpack = dataclasses.replace(recipe.unpack(layout, "0" * 64, 5, 60), root=False)
    prepare = dataclasses.replace(recipe.prepare(layout, USER, (), 60), root=False)
    killed = ssh.connect(login(sshd), conf)
    reader, writer = os.pipe()
    first = threading.Thread(target=_run_quietly, args=(killed, unpack, os.fdopen(reader, "rb")))
    second = threading.Thread(target=_run_quietly, args=(connection, prepare))
    first.start()
    _until(lambda: (tmp_path / f"hello/artifacts/{'0' * 64}.tar.gz.part").exists())
    second.start()
    _until(lambda: _running("flock", "9"))
    assert not (tmp_path / "hello/releases").exists()
    killed.close()
    os.close(writer)
    second.join(20)
    assert not second.is_alive()
    assert (tmp_path / "hello/releases/1").is_dir()
    first.join(20)
    assert not first.is_alive()


def test_what_was_left_in_the_background_on_purpose_stays(connection, setup):
    sleep = _sleep()
    script = f"echo begun; {' '.join(sleep)} >/dev/null 2>&1 &\ncat\nexit 3"
    assert connection.run(setup(script)) == ssh.Result(3, "begun\n")
    (pid,) = _running(*sleep)
    assert connection.run(setup("exit 4")).status == 4  # nor does it keep others waiting
    time.sleep(1)
    assert _running(*sleep) == [pid]
    os.kill(pid, signal.SIGTERM)


@bash_only
def test_a_server_that_stops_reading(sshd, conf):
    """Nothing that waits for it waits longer than the command may take."""
    connection = ssh.connect(login(sshd), conf)
    pid = int(connection.run(shell("ps -o ppid= -p $$")).output)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(errors.Timeout):
            connection.run(shell("cat >/dev/null", timeout=1), io.BytesIO(b"x" * 64_000_000))
        with pytest.raises(errors.GatewayError):
            connection.run(shell("true", timeout=1))
        assert not connection.is_open()
    finally:
        os.kill(pid, signal.SIGCONT)
        connection.close()


def test_an_artifact_goes_over_once(connection, tmp_path):
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as tar:
        member = tarfile.TarInfo("noise")
        member.size = 300_000
        tar.addfile(member, io.BytesIO(os.urandom(member.size)))
    layout = recipe.Layout(str(tmp_path), "hello", "1")
    command = recipe.unpack(layout, hashlib.sha256(whole.getvalue()).hexdigest(), 5, 20)
    command = dataclasses.replace(command, root=False)
    (tmp_path / "hello/releases/1").mkdir(parents=True)
    first, second = io.BytesIO(whole.getvalue()), io.BytesIO(whole.getvalue())
    assert connection.run(command, first) == ssh.Result(0, "")
    assert (tmp_path / "hello/releases/1/noise").stat().st_size == 300_000
    result = connection.run(command, second)
    assert result == ssh.Result(0, "the server has the artifact: upload skipped\n")
    assert (first.tell(), second.tell()) == (len(whole.getvalue()), 0)
    (tmp_path / f"hello/artifacts/{command.argv[5]}.tar.gz").write_bytes(b"spoilt")
    assert connection.run(command, second) == ssh.Result(0, "")


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
    while any(thread.name.startswith("ssh-") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
