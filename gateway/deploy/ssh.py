"""One SSH connection to one server, with its host key known beforehand (Paramiko)."""

import base64
import codecs
import dataclasses
import io
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import BinaryIO

import paramiko
from oslo_config import cfg

from gateway import errors
from gateway.deploy.recipe import Command

_OUTPUT_KEPT = 64 * 1024  # of one command, for faults and facts; the log gets everything
_CHUNK = 32 * 1024


@dataclasses.dataclass(frozen=True)
class Login:
    """Where and as whom. ``host_keys``: "ssh-ed25519 AAAA…", any of which the server may show; empty: the
    first one it shows is believed (the request asked for it)."""

    address: str
    user: str
    private_key: str = dataclasses.field(repr=False)
    host_keys: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Result:
    status: int  # the command's exit status; -1: a signal ended it
    output: str  # stdout and stderr together, the last 64 KiB


class HostKeyMismatch(errors.Unhealthy):
    """The server showed another host key than the known one; nothing was sent to it."""


class Connection:
    """Not for several threads at once."""

    def __init__(self, client: paramiko.SSHClient):
        self._client = client

    def close(self) -> None:
        self._client.close()

    def is_open(self) -> bool:
        transport = self._client.get_transport()
        return transport is not None and transport.is_active()

    def host_key(self) -> str:
        key = self._client.get_transport().get_remote_server_key()
        return f"{key.get_name()} {key.get_base64()}"

    def run(
        self,
        command: Command,
        stdin: BinaryIO | None = None,
        on_output: Callable[[str], None] = lambda text: None,
    ) -> Result:
        """Runs one command to its end. Raises Timeout after ``command.timeout`` seconds, Unhealthy when the
        connection breaks; a failing command is a Result, not an error."""
        deadline = time.monotonic() + command.timeout
        try:
            result = self._ran(command, stdin if stdin is not None else io.BytesIO(command.stdin), on_output)
        except (paramiko.SSHException, OSError, EOFError) as error:
            if time.monotonic() >= deadline:
                raise _too_long(command) from error
            raise _lost(command, _reason(error)) from error
        if result.status == -1:
            if time.monotonic() >= deadline:
                raise _too_long(command)
            self._client.get_transport().join(0.2)  # one that breaks ends its channels just before itself
            if not self.is_open():
                raise _lost(command, "no more answers")
        return result

    def _ran(self, command: Command, stdin: BinaryIO, on_output: Callable[[str], None]) -> Result:
        """Paramiko waits for some answers without an end (exec, exit status): closing the channel ends it."""
        channel = self._client.get_transport().open_session(timeout=command.timeout)
        watch = threading.Timer(command.timeout, channel.close)
        watch.daemon = True
        watch.start()
        try:
            channel.set_combine_stderr(True)
            channel.exec_command(command.line())
            _feed(channel, stdin)
            output = _drain(channel, on_output)
            return Result(channel.recv_exit_status(), output)
        finally:
            watch.cancel()
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
        except OSError:
            pass  # the command ended before it had read everything; its exit status tells

    threading.Thread(target=send, daemon=True).start()


def _drain(channel: paramiko.Channel, on_output: Callable[[str], None]) -> str:
    kept, decoder = "", codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        chunk = channel.recv(_CHUNK)
        text = decoder.decode(chunk, final=not chunk)
        if text:
            on_output(text)
            kept = (kept + text)[-_OUTPUT_KEPT:]
        if not chunk:
            return kept


def connect(login: Login, conf: cfg.ConfigOpts) -> Connection:
    """One try. Raises HostKeyMismatch, Unauthorized (key not accepted), Unavailable (not reachable yet)."""
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy() if login.host_keys else _Remember())
    name = login.address if conf.ssh.port == 22 else f"[{login.address}]:{conf.ssh.port}"
    for key in _parsed(login.host_keys):
        client.get_host_keys().add(name, key.get_name(), key)
    try:
        client.connect(
            login.address,
            port=conf.ssh.port,
            username=login.user,
            pkey=parse_private_key(login.private_key),
            timeout=conf.ssh.connect_timeout,
            banner_timeout=conf.ssh.banner_timeout,
            auth_timeout=conf.ssh.auth_timeout,
            channel_timeout=conf.ssh.connect_timeout,
            allow_agent=False,
            look_for_keys=False,
        )
        return Connection(client)
    except BaseException as error:
        client.close()
        raise _translated(error, login) from error


def _translated(error: BaseException, login: Login) -> BaseException:
    if isinstance(error, paramiko.BadHostKeyException) or "not found in known_hosts" in str(error):
        return HostKeyMismatch(
            "gateway.ssh.host_key_mismatch",
            f"{login.address} showed another SSH host key than the one known for it; nothing was sent to it.",
        )
    if isinstance(error, paramiko.AuthenticationException):
        return errors.Unauthorized(
            "gateway.ssh.login_refused", f"{login.address} did not accept the key for user {login.user}."
        )
    if isinstance(error, (paramiko.SSHException, OSError, EOFError, socket.timeout)):
        return errors.Unavailable("gateway.ssh.unreachable", f"sshd on {login.address}: {_reason(error)}.")
    return error


def _reason(error: BaseException) -> str:
    if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        error = next(iter(error.errors.values()))
    if isinstance(error, TimeoutError):
        return "no answer"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class _Remember(paramiko.MissingHostKeyPolicy):
    """Trust on first use, only where the request asked for it."""

    def missing_host_key(self, client, hostname, key) -> None:
        client.get_host_keys().add(hostname, key.get_name(), key)


def _parsed(host_keys: Iterable[str]) -> list[paramiko.PKey]:
    return [parse_host_key(text) for text in host_keys]


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
    login: Login, conf: cfg.ConfigOpts, proceed: Callable[[], None], patience: float
) -> Connection:
    """Tries until the login works, for [ssh] ready_timeout seconds; ``proceed`` is called between tries and
    may raise. A refused key or another host key is believed only after ``patience`` seconds, since a guest
    that boots may run sshd before cloud-init has put the keys in. Raises Timeout, Unauthorized,
    HostKeyMismatch."""
    end = time.monotonic() + conf.ssh.ready_timeout
    refused_since = None
    while True:
        try:
            return connect(login, conf)
        except (HostKeyMismatch, errors.Unauthorized):
            refused_since = refused_since or time.monotonic()
            if time.monotonic() - refused_since >= patience:
                raise
        except errors.Unavailable as error:
            if time.monotonic() >= end:
                raise errors.Timeout(
                    "gateway.ssh.unreachable",
                    f"{error.message[:-1]}, for {conf.ssh.ready_timeout:g} s. "
                    "Is the address reachable from the gateway?",
                ) from error
        proceed()
        time.sleep(conf.ssh.retry_interval)
