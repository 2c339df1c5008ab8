"""ssh and logs: into the servers of a deployment."""

import argparse
import pathlib
import shlex
import signal
import subprocess
import tempfile

from gateway.cli import texts
from gateway.cli.command import NOT_FOUND, Command, CommandError
from gateway.cli.deployments import find, with_name

_NUMBER = {"metavar": "N", "nargs": "?", "type": int, "help": "which of its instances (the first)"}


class Logs(Command):
    """Show the journal of a service, as it is on its server"""

    def get_parser(self, prog_name):
        parser = with_name(super().get_parser(prog_name))
        parser.add_argument("number", **_NUMBER)
        parser.add_argument("-f", "--follow", action="store_true", help="go on with what comes, until Ctrl-C")
        parser.add_argument("-n", "--lines", metavar="COUNT", type=int, help="the last ones (100)")
        return parser

    def take_action(self, parsed_args):
        id = find(self.gateway, parsed_args.deployment)["id"]
        read = self.gateway.follow_journal if parsed_args.follow else self.gateway.journal
        for entry in read(id, parsed_args.number, parsed_args.lines):
            self.say(f"{entry['at'][11:19]} {texts.printable(entry['text'])}")


class Ssh(Command):
    """Open a shell on a server, by your own key, if it shows the host key that the gateway knows"""

    def get_parser(self, prog_name):
        parser = with_name(super().get_parser(prog_name))
        parser.add_argument("number", **_NUMBER)
        parser.add_argument("-i", "--identity", metavar="FILE", help="your private key (as ssh finds it)")
        parser.add_argument("-l", "--login", metavar="USER", help="as whom (whom the gateway logs in as)")
        parser.usage = f"{prog_name} [-h] [-i FILE] [-l USER] DEPLOYMENT [N] [-- COMMAND ...]"
        parser.parse_args = _before_dashes(parser.parse_args)
        return parser

    def take_action(self, parsed_args):
        found = self.gateway.deployment(find(self.gateway, parsed_args.deployment)["id"])
        instance = _chosen(found["instances"], parsed_args.number)
        if not (way := instance["ssh"]):
            raise CommandError(f"The gateway has not been on server #{instance['number']} yet.")
        with tempfile.TemporaryDirectory(prefix="gateway-ssh-") as folder:
            known = pathlib.Path(folder, "known_hosts")
            known.write_text(known_hosts(way))
            return _run(ssh_command(way, known, parsed_args.identity, parsed_args.login, parsed_args.command))


def _before_dashes(parse):
    """What comes after "--" is the server's, options too: argparse would look for its own there."""

    def parsed(argv: list[str]) -> argparse.Namespace:
        end = argv.index("--") if "--" in argv else len(argv)
        found = parse(argv[:end])
        found.command = argv[end + 1 :]
        return found

    return parsed


def _chosen(instances: list[dict], number: int | None) -> dict:
    for each in instances:
        if number in (None, each["number"]):
            return each
    there = ", ".join(str(each["number"]) for each in instances) or "none"
    raise CommandError(f"There is no instance #{number or 0}; there are: {there}.", NOT_FOUND)


def known_hosts(way: dict) -> str:
    """For ssh(1): the keys of the server and of its jump host, under names of their own."""
    keys = [("gateway-server", way["host_key"])]
    keys += [("gateway-jump", key) for key in way["jump"]["host_keys"]] if way["jump"] else []
    return "".join(f"{name} {key}\n" for name, key in keys)


def ssh_command(
    way: dict, known: pathlib.Path, identity: str | None, login: str | None, command: list[str]
) -> list[str]:
    """``way``: "ssh" of an instance. Pure."""
    key = ["-i", identity] if identity else []
    whole = ["ssh", *_pinned("gateway-server", known), *key, "-p", str(way["port"])]
    if jump := way["jump"]:
        to_jump = ["ssh", *_pinned("gateway-jump", known), *key, "-p", str(jump["port"]), "-W", "[%h]:%p"]
        whole += ["-o", f"ProxyCommand={shlex.join([*to_jump, '-l', jump['user'], '--', jump['host']])}"]
    return [*whole, "-l", login or way["user"], "--", way["host"], *command]


def _pinned(alias: str, known: pathlib.Path) -> list[str]:
    options = {
        "HostKeyAlias": alias,
        "UserKnownHostsFile": known,
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
    }
    return [part for name, value in options.items() for part in ("-o", f"{name}={value}")]


def _run(command: list[str]) -> int:
    """Its exit code. Ctrl-C is the other side's."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.run(command, preexec_fn=_interruptible, check=False).returncode  # noqa: S603
    except FileNotFoundError as error:
        raise CommandError("There is no ssh on this machine: install OpenSSH's client.") from error
    finally:
        signal.signal(signal.SIGINT, before)


def _interruptible() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
