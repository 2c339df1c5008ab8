"""One SSH connection to one server, with its host key known beforehand (Paramiko)."""

import base64
import codecs
import concurrent.futures
import dataclasses
import io
import socket
import threading
import time
from collections.abc import Callable
from typing import BinaryIO

import paramiko
from oslo_config import cfg

from gateway import errors, metrics
from gateway.deploy.recipe import SEND, Command

#: What servers are offered, best first, and nothing else: elliptic curves before long primes; ciphers that
#: authenticate by themselves before those that need a MAC; MACs over what is sent (etm) before those over
#: what was meant. No SHA-1, MD5, CBC and 3DES, some of which Paramiko would still offer. OpenSSH has had
#: curve25519, ed25519, aes128-gcm and etm since 2014 (6.5). Paramiko has no chacha20-poly1305.
_ALGORITHMS = {
    "kex": (
        "mlkem768x25519-sha256",
        "curve25519-sha256@libssh.org",
        "ecdh-sha2-nistp256",
        "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521",
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group-exchange-sha256",
        "diffie-hellman-group14-sha256",
    ),
    "key_types": (
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "rsa-sha2-512",
        "rsa-sha2-256",
    ),
    "ciphers": (
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        "aes128-ctr",
        "aes192-ctr",
        "aes256-ctr",
    ),
    "digests": (
        "hmac-sha2-256-etm@openssh.com",
        "hmac-sha2-512-etm@openssh.com",
        "hmac-sha2-256",
        "hmac-sha2-512",
    ),
}

_OUTPUT_KEPT = 64 * 1024  # of one command, for faults and facts; the log gets everything
_CHUNK = 32 * 1024
_LOOK_INTERVAL = 1.0  # seconds between calls of ``proceed``
_GOODBYE = 5.0  # seconds for the end of a command to be sent
_DEAD_AFTER = 3  # keepalives without an answer


@dataclasses.dataclass(frozen=True)
class Login:
    """Where and as whom. ``host_keys``: "ssh-ed25519 AAAA…", any of which the server may show; empty: the
    first one it shows is believed (the request asked for it)."""

    address: str
    user: str
    private_key: str = dataclasses.field(repr=False)
    host_keys: tuple[str, ...]
    is_jump: bool = False

    @property
    def name(self) -> str:
        """For errors."""
        return f"the jump host {self.address}" if self.is_jump else self.address


@dataclasses.dataclass(frozen=True)
class Result:
    status: int  # the command's exit status; -1: a signal ended it
    output: str  # stdout and stderr together, the last 64 KiB


class HostKeyMismatch(errors.Unhealthy):
    """The server showed another host key than the known one; nothing was sent to it."""


class NoCommonAlgorithm(errors.Unhealthy):
    """The server takes nothing of what is offered."""


class Connection:
    """One command at a time; tunnels from several threads."""

    def __init__(self, transport: paramiko.Transport):
        self._transport = transport

    def close(self) -> None:
        self._transport.close()

    def is_open(self) -> bool:
        return self._transport.is_active()

    def host_key(self) -> str:
        key = self._transport.get_remote_server_key()
        return f"{key.get_name()} {key.get_base64()}"

    def tunnel(self, address: str, port: int, timeout: float) -> paramiko.Channel:
        """A connection from the server to ``address``, used as a socket. Raises paramiko.SSHException."""
        return self._transport.open_channel(
            "direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=timeout
        )

    @metrics.SSH_COMMANDS.counting()
    def run(
        self,
        command: Command,
        stdin: BinaryIO | None = None,
        on_output: Callable[[str], None] = lambda text: None,
        proceed: Callable[[], None] = lambda: None,
    ) -> Result:
        """Runs one command to its end. ``proceed`` is called every second, and what it raises ends the
        command; ``on_output`` is called from another thread. Raises Timeout after ``command.timeout``
        seconds, Unhealthy when the connection breaks; a failing command is a Result, not an error."""
        running = _Running(self._transport, command, stdin or io.BytesIO(command.stdin), on_output)
        end = time.monotonic() + command.timeout
        try:
            while not running.ended(max(0, min(_LOOK_INTERVAL, end - time.monotonic()))):
                if time.monotonic() >= end:
                    raise _too_long(command)
                proceed()
        except BaseException:
            running.stop()
            raise
        try:
            result = running.result()
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise _lost(command, _reason(error)) from error
        if result.status == -1:
            self._transport.join(0.2)  # one that breaks ends its channels just before itself
            if not self.is_open():
                raise _lost(command, "no more answers")
        return result


class _Running:
    """A command in a thread of its own, since Paramiko waits for some answers without an end."""

    def __init__(
        self,
        transport: paramiko.Transport,
        command: Command,
        stdin: BinaryIO,
        on_output: Callable[[str], None],
    ):
        self._transport, self._command = transport, command
        self._stdin, self._on_output = stdin, on_output
        self._channel: paramiko.Channel | None = None
        self._future: concurrent.futures.Future[Result] = concurrent.futures.Future()
        threading.Thread(target=self._run, daemon=True, name="ssh-command").start()

    def ended(self, timeout: float) -> bool:
        return bool(concurrent.futures.wait([self._future], timeout).done)

    def result(self) -> Result:
        return self._future.result()

    def stop(self) -> None:
        """Closing the channel ends all waits for it, here and there. A server that does not even read any
        more, or has not opened the channel, loses the connection."""
        if self._channel is not None:
            threading.Thread(target=self._channel.close, daemon=True, name="ssh-close").start()
            if self.ended(_GOODBYE):
                return
        self._transport.close()
        self.ended(_GOODBYE)

    def _run(self) -> None:
        try:
            self._future.set_result(self._ran())
        except BaseException as error:
            self._future.set_exception(error)

    def _ran(self) -> Result:
        # longer than the caller waits, who then says that it was too long
        patience = self._command.timeout + _GOODBYE
        channel = self._channel = self._transport.open_session(timeout=patience)
        try:
            channel.set_combine_stderr(True)
            channel.exec_command(self._command.line(self._transport.get_username()))
            if self._command.asks:
                output = _drain(channel, self._on_output, lambda: _feed(channel, self._stdin))
            else:
                if not self._command.held:
                    _feed(channel, self._stdin)
                output = _drain(channel, self._on_output)
            return Result(channel.recv_exit_status(), output)
        finally:
            channel.close()


def _lost(command: Command, reason: str) -> errors.Unhealthy:
    return errors.Unhealthy(
        "gateway.ssh.connection_lost", f"The connection broke during: {command.title} ({reason})."
    )


def _too_long(command: Command) -> errors.Timeout:
    return errors.Timeout(
        "gateway.ssh.command_timeout", f"{command.title} did not end within {command.timeout:g} s."
    )


def _feed(channel: paramiko.Channel, stdin: BinaryIO) -> None:
    """Sends stdin from a thread of its own: a command that prints while it reads must not block us."""

    def send() -> None:
        try:
            while chunk := stdin.read(_CHUNK):
                channel.sendall(chunk)
            channel.shutdown_write()
        except (OSError, ValueError):
            pass  # the command ended before it had read everything; its exit status tells

    threading.Thread(target=send, daemon=True, name="ssh-stdin").start()


def _drain(
    channel: paramiko.Channel,
    on_output: Callable[[str], None],
    asked: Callable[[], None] | None = None,
) -> str:
    """What the command prints. ``asked`` is called once it prints SEND, which is no part of that."""
    kept, held, decoder = "", "", codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        chunk = channel.recv(_CHUNK)
        text = held + decoder.decode(chunk, final=not chunk)
        held = ""
        if asked and SEND in text:
            asked()
            text, asked = text.replace(SEND, "", 1), None
        elif asked and chunk:
            text, held = "", text
        if text:
            on_output(text)
            kept = (kept + text)[-_OUTPUT_KEPT:]
        if not chunk:
            return kept


@metrics.SSH_CONNECTIONS.counting()
def connect(login: Login, conf: cfg.ConfigOpts, through: Connection | None = None) -> Connection:
    """One try, ``through`` a jump host if any. Raises HostKeyMismatch, NoCommonAlgorithm, Unauthorized (key
    not accepted), Unavailable (not reachable yet)."""
    private_key, known = (
        parse_private_key(login.private_key),
        [parse_host_key(key) for key in login.host_keys],
    )
    try:
        link = _link(login.address, conf, through)
    except (paramiko.SSHException, OSError) as error:
        raise _translated(error, login) from error
    transport = paramiko.Transport(link)
    try:
        _agree(transport, known, conf)
        if known and transport.get_remote_server_key() not in known:
            raise HostKeyMismatch(
                "gateway.ssh.host_key_mismatch",
                f"{login.name} showed another SSH host key than the one known for it; nothing was sent.",
            )
        transport.auth_publickey(login.user, private_key)
        if not transport.is_authenticated():
            raise paramiko.AuthenticationException("the key alone is not enough")
    except BaseException as error:
        transport.close()
        link.close()
        raise _translated(error, login) from error
    transport.set_keepalive(conf.ssh.keepalive_interval)
    return Connection(transport)


def _link(address: str, conf: cfg.ConfigOpts, through: Connection | None) -> socket.socket | paramiko.Channel:
    if through is not None:
        return through.tunnel(address, conf.ssh.port, conf.ssh.connect_timeout)
    link = socket.create_connection((address, conf.ssh.port), conf.ssh.connect_timeout)
    # a peer that is gone acknowledges nothing: the kernel breaks the connection, and all that wait for it end
    silence = int(conf.ssh.keepalive_interval * _DEAD_AFTER * 1000)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, silence)
    return link


def _agree(transport: paramiko.Transport, known: list[paramiko.PKey], conf: cfg.ConfigOpts) -> None:
    """The key exchange; the server is asked for the kind of key that is known."""
    offered = transport.get_security_options()
    for name, algorithms in _ALGORITHMS.items():
        setattr(offered, name, [one for one in algorithms if one in getattr(offered, name)])
    wanted = {key.get_name().replace("ssh-rsa", "rsa-sha2") for key in known}
    offered.key_types = sorted(offered.key_types, key=lambda kind: not kind.startswith(tuple(wanted)))
    transport.banner_timeout = conf.ssh.banner_timeout
    transport.handshake_timeout = conf.ssh.handshake_timeout
    transport.auth_timeout = conf.ssh.auth_timeout
    transport.channel_timeout = conf.ssh.connect_timeout
    transport.start_client(timeout=conf.ssh.banner_timeout + conf.ssh.handshake_timeout)
    if not transport.initial_kex_done:  # Paramiko returns from here, too, when the time is over
        raise TimeoutError


def _translated(error: BaseException, login: Login) -> BaseException:
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        return NoCommonAlgorithm(
            "gateway.ssh.no_common_algorithm",
            f"sshd on {login.name} has no algorithm in common with the gateway, which offers no weak ones: "
            f"{error}.",
        )
    if isinstance(error, paramiko.AuthenticationException) and "timeout" not in str(error):
        return errors.Unauthorized(
            "gateway.ssh.login_refused", f"{login.name} did not accept the key for user {login.user}."
        )
    if isinstance(error, (paramiko.SSHException, OSError, EOFError)):
        return errors.Unavailable("gateway.ssh.unreachable", f"sshd on {login.name}: {_reason(error)}.")
    return error


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer"
    if isinstance(error, paramiko.ChannelException):
        return f"the jump host cannot connect to it: {error.text}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def parse_host_key(text: str) -> paramiko.PKey:
    """Of "ssh-ed25519 AAAA… comment". Raises Invalid."""
    try:
        kind, blob = text.split()[:2]
        return paramiko.PKey.from_type_string(kind, base64.b64decode(blob, validate=True))
    except Exception as error:
        raise errors.Invalid(
            "gateway.ssh.host_key",
            "host_key: not a public key such as “ssh-ed25519 AAAA…”.",
            field="host_key",
        ) from error


def parse_private_key(text: str) -> paramiko.PKey:
    """Of an unencrypted PEM (OpenSSH, PKCS#1, PKCS#8). Raises Invalid."""
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(io.StringIO(text))
        except (paramiko.SSHException, ValueError, IndexError, TypeError):
            continue
    raise errors.Invalid(
        "gateway.ssh.private_key",
        "private_key: not an ed25519, ECDSA or RSA private key in PEM form without a passphrase.",
        field="private_key",
    )


def wait_for_login(
    login: Login,
    conf: cfg.ConfigOpts,
    proceed: Callable[[], None],
    patience: float,
    through: Callable[[], Connection | None] = lambda: None,
    seconds: float | None = None,
) -> Connection:
    """Tries until the login works, for ``seconds``, by default [ssh] ready_timeout; ``proceed`` is called
    between tries and may raise; ``through`` gives the jump host's connection for each try. A refusal, of
    either side, is believed only after ``patience`` seconds, since a guest that boots may run sshd before
    cloud-init has put the keys in. Raises Timeout, Unauthorized, HostKeyMismatch, NoCommonAlgorithm."""
    seconds = conf.ssh.ready_timeout if seconds is None else seconds
    end = time.monotonic() + seconds
    refused_since = None
    while True:
        jump = through()
        try:
            return connect(login, conf, jump)
        except (HostKeyMismatch, NoCommonAlgorithm, errors.Unauthorized):
            refused_since = refused_since or time.monotonic()
            if time.monotonic() - refused_since >= patience:
                raise
        except errors.Unavailable as error:
            if time.monotonic() >= end:
                raise errors.Timeout(
                    "gateway.ssh.unreachable",
                    f"{error.message[:-1]}, for {seconds:g} s. "
                    f"Is the address reachable from the {'jump host' if jump else 'gateway'}?",
                ) from error
        proceed()
        time.sleep(conf.ssh.retry_interval)
