"""What is done on a server to make a service run there: commands and files as values. Pure; no SSH here.

On the server, as the layout of Capistrano:

    /opt/gateway/SERVICE/releases/VERSION-NUMBER/   the artifact and the files
    /opt/gateway/SERVICE/conf/VERSION-NUMBER/       root's: environment with secrets (0600), scripts, unit
    /opt/gateway/SERVICE/artifacts/SHA256.tar.gz    those used last, root's, mode 0700
    /opt/gateway/SERVICE/current                    link to the release that runs
    /opt/gateway/SERVICE/started                    its name, absent while another is being started
    /etc/systemd/system/gateway-SERVICE.service     its unit
"""

import dataclasses
import io
import re
import shlex
import tarfile

from gateway.deploy import systemd
from gateway.deploy.model import Spec

#: Patterns of the API's schema: what these allow needs no escaping in a path or a unit file.
#: "(?!\n)$" is their end, since Python's "$" would allow a newline after it.
SERVICE = r"^[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?(?!\n)$"
VERSION = r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}(?!\n)$"
USER = r"^[a-z_][a-z0-9_-]{0,31}(?!\n)$"
PERCENTAGE = r"^([1-9][0-9]?|100)%(?!\n)$"
ENV_NAME = r"^[A-Za-z_][A-Za-z0-9_]*(?!\n)$"
FILE_PATH = r"^(?!/)(?!(.*/)?\.\.?(/|$))[^\x00-\x1f\x7f]*[^\x00-\x1f\x7f/](?!\n)$"

#: What a command prints to be sent its stdin.
SEND = "gateway: send\n"


@dataclasses.dataclass(frozen=True)
class Command:
    """One remote command. ``argv`` is quoted word by word; ``title`` is what people read.

    ``asks``: it gets its stdin only once it prints SEND, if it does. ``held``: it reads no stdin, which stays
    open for as long as the command may run.
    """

    title: str
    argv: tuple[str, ...]
    timeout: float
    stdin: bytes = dataclasses.field(default=b"", repr=False)
    root: bool = True
    asks: bool = False
    held: bool = False

    def line(self, user: str | None = None) -> str:
        """For a shell of ``user``, who may be root already."""
        as_root = self.root and user != "root"
        return shlex.join(("sudo", "-n", "--", *self.argv) if as_root else self.argv)


@dataclasses.dataclass(frozen=True)
class Layout:
    """The paths of one release on a server; ``folder`` is its name there."""

    root: str
    service: str
    folder: str

    @property
    def home(self) -> str:
        return f"{self.root}/{self.service}"

    @property
    def release(self) -> str:
        return f"{self.home}/releases/{self.folder}"

    @property
    def conf(self) -> str:
        return f"{self.home}/conf/{self.folder}"

    @property
    def artifacts(self) -> str:
        return f"{self.home}/artifacts"

    @property
    def lock(self) -> str:
        return f"{self.root}/{self.service}.lock"

    @property
    def unit(self) -> str:
        return f"gateway-{self.service}.service"


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a server is like, as far as it matters here."""

    package_tool: str | None  # apt-get, dnf, yum, zypper, apk
    installed: frozenset[str]  # of the wanted packages
    cloud_init: str  # done, disabled, error …; "" where there is none


#: OpenSSH does not end a command whose channel is closed, it only ends its stdin: that then ends the whole
#: process group, first gently. What a command that ends by itself leaves in the background goes on.
_HELD = """
exec 3<&0 </dev/null
{ read -r _ <&3 || true; trap '' TERM; kill -TERM 0; sleep 10; kill -KILL 0; } >/dev/null 2>&1 &
trap "kill $! 2>/dev/null" EXIT
exec 3<&-
"""


#: Of the commands that change the same service one runs at a time: what a killed gateway or a cancel has left
#: behind ends first. The lock is every process's of the command, and ends with the last of them. Root alone
#: can take it.
_ALONE = """
test -d "${0%/*}" || mkdir -p "${0%/*}"
(umask 077; : >>"$0")
exec 9>>"$0"
flock 9
"""


def _alone(layout: Layout, title: str, script: str, *arguments: str, **more) -> Command:
    """A ``_shell`` that changes something; "$0" is the lock."""
    return _shell(title, _ALONE + script, *arguments, name=layout.lock, **more)


def _shell(
    title: str,
    script: str,
    *arguments: str,
    timeout: float,
    stdin: bytes = b"",
    asks: bool = False,
    name: str = "gateway",
) -> Command:
    """One shell on the server for several commands, since each start costs it time. The arguments reach the
    script as "$1"…; its first failing command ends it. Without stdin, the end of the channel ends it, too."""
    held = not (stdin or asks)
    argv = ("sh", "-ec", _HELD + script if held else script, name, *arguments)
    return Command(title, argv, timeout, stdin, asks=asks, held=held)


def facts(layout: Layout, packages: tuple[str, ...], timeout: float) -> Command:
    """Waits for cloud-init to finish, too: before that, users, disks and packages may still change."""
    script = """
if test -e "$1/ready"; then echo "gateway: ready"; exit; fi
shift
if command -v cloud-init >/dev/null; then
  echo "cloud-init=$(cloud-init status --wait 2>/dev/null | sed -n 's/.*status: //p')"
fi
for tool in apt-get dnf yum zypper apk; do
  if command -v $tool >/dev/null; then echo "tool=$tool"; break; fi
done
for package; do
  if { dpkg-query -W -f='${Status}' "$package" | grep 'ok installed' || rpm -q "$package"; } >/dev/null 2>&1
  then
    echo "installed=$package"
  fi
done
"""
    title = "wait for cloud-init and look around"
    return _shell(title, script, layout.conf, *packages, timeout=timeout)


def parse_facts(output: str) -> Facts:
    seen = re.findall(r"^(cloud-init|tool|installed)=(.*)$", output, re.MULTILINE)
    one = dict(seen)
    return Facts(
        one.get("tool"),
        frozenset(value for name, value in seen if name == "installed"),
        one.get("cloud-init", "").strip(),
    )


def prepare(layout: Layout, user: str, keep: tuple[str, ...], timeout: float) -> Command:
    """An empty folder for the release, unless it is there whole already (``is_ready``). Other releases than
    those in the folders ``keep`` are removed."""
    script = """
home=$1 folder=$2 user=$3
shift 3
mkdir -p "$home/releases" "$home/conf"
for found in "$home/releases"/*/; do
  name=$(basename "$found") kept=
  for each in "$folder" "$@"; do test "$name" != "$each" || kept=1; done
  test "$kept" || rm -rf "$home/releases/$name" "$home/conf/$name"
done
if test -e "$home/conf/$folder/ready"; then echo "gateway: ready"; exit; fi
rm -rf "$home/releases/$folder" "$home/conf/$folder"
install -d -o "$user" "$home/releases/$folder"
install -d -m 711 "$home/conf/$folder"
"""
    title = "make the release's folder"
    return _alone(layout, title, script, layout.home, layout.folder, user, *keep, timeout=timeout)


def is_ready(output: str) -> bool:
    """Whether ``prepare`` or ``facts`` found the release installed: it has run here before."""
    return "gateway: ready" in output.splitlines()


def unpack(layout: Layout, sha256: str, keep: int, timeout: float) -> Command:
    """Its stdin is the artifact, asked for only when the server does not have it; what does not have the sum
    is not unpacked. The ``keep`` artifacts used last stay."""
    script = """
install -d -m 0700 "$1"
cd "$1"
file="$2.tar.gz"
if echo "$2  $file" | sha256sum -c --status - 2>/dev/null; then
  echo "the server has the artifact: upload skipped"
  touch "$file"
else
  echo "gateway: send"
  cat >"$file.part"
  echo "$2  $file.part" | sha256sum -c --quiet -
  mv "$file.part" "$file"
fi
tar -xzf "$file" -C "$3" --no-same-owner
ls -t -- *.tar.gz | tail -n "+$(($4 + 1))" | xargs -r rm -f --
"""
    arguments = (layout.artifacts, sha256, layout.release, str(keep))
    return _alone(layout, "unpack the artifact", script, *arguments, timeout=timeout, asks=True)


def place(layout: Layout, spec: Spec, secrets: dict[str, str], user: str, timeout: float) -> Command:
    """Writes the files, the scripts, the environment and the unit, all in one tar."""
    release, conf = layout.release[1:], layout.conf[1:]
    entries = [(f"{release}/{path}", text, _mode(text)) for path, text in spec.files.items()]
    entries.append((f"{conf}/start.sh", f"{spec.command}\n", 0o644))
    entries.append(
        (f"{conf}/env", systemd.environment({"PORT": str(spec.port), **spec.env, **secrets}), 0o600)
    )
    entries.append((f"{conf}/unit", systemd.unit(spec, user, layout.release, layout.conf), 0o644))
    if spec.setup:
        entries.append((f"{conf}/setup.sh", f"{spec.setup}\n", 0o600))
    script = """
tar -x -f - -C / --no-same-owner
chown -R "$2:" "$1"
"""
    title = "write files, environment and unit"
    return _alone(layout, title, script, layout.release, user, timeout=timeout, stdin=_tar(entries))


def _mode(text: str) -> int:
    return 0o755 if text.startswith("#!") else 0o644


def _tar(entries: list[tuple[str, str, int]]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for path, text, mode in entries:
            data = text.encode()
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), mode
            tar.addfile(member, io.BytesIO(data))
    return whole.getvalue()


_INSTALL = {
    "apt-get": """
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -qy --no-install-recommends install "$@"
""",
    "dnf": 'dnf -qy install "$@"',
    "yum": 'yum -qy install "$@"',
    "zypper": 'zypper -nq install "$@"',
    "apk": 'apk add -q "$@"',
}


def packages(layout: Layout, wanted: tuple[str, ...], facts: Facts, timeout: float) -> Command | None:
    """None when all are there. Raises ValueError on a system without a known package tool."""
    missing = [package for package in wanted if package not in facts.installed]
    if not missing:
        return None
    if facts.package_tool is None:
        raise ValueError(f"no package tool known here to install {', '.join(missing)}")
    title = f"install {', '.join(missing)}"
    return _alone(layout, title, _INSTALL[facts.package_tool], *missing, timeout=timeout)


def setup(layout: Layout, user: str, timeout: float) -> Command:
    """The user's setup commands, as root, in the release's folder, with the service's environment. They are
    not given the lock, which would stay with what they leave in the background."""
    script = """
set -a; . "$1/env"; set +a
cd "$2"
sh -e "$1/setup.sh" 9>&-
chown -R "$3:" "$2"
"""
    return _alone(layout, "run setup", script, layout.conf, layout.release, user, timeout=timeout)


def start(layout: Layout, timeout: float) -> Command:
    """Stops what runs, in whatever release, and starts this one. From here on it is known as installed.

    systemd goes on counting the restarts of a unit that it was about to restart: they are not this release's.
    """
    script = """
home=$1 folder=$2 unit=$3
rm -f "$home/started"
touch "$home/conf/$folder/ready"
ln -sfn "releases/$folder" "$home/next"
mv -T "$home/next" "$home/current"
install -m 644 "$home/conf/$folder/unit" "/etc/systemd/system/$unit"
systemctl daemon-reload
systemctl -q enable "$unit"
systemctl restart "$unit"
systemctl reset-failed "$unit"
echo "$folder" >"$home/started"
"""
    title = f"start {layout.folder}"
    return _alone(layout, title, script, layout.home, layout.folder, layout.unit, timeout=timeout)


def running(layout: Layout, timeout: float) -> Command:
    """Prints which release was started last, to its end, and whether the unit is active (``runs``)."""
    script = """
cat "$1/started" 2>/dev/null || echo none
systemctl is-active "$2" || true
"""
    return _shell("ask which release runs", script, layout.home, layout.unit, timeout=timeout)


def runs(output: str, layout: Layout) -> bool:
    return output.split() == [layout.folder, "active"]


def state(layout: Layout, timeout: float) -> Command:
    argv = ("systemctl", "show", layout.unit, "-p", systemd.PROPERTIES)
    return Command("ask systemd", argv, timeout, root=False)


def journal(layout: Layout, timeout: float, lines: int = 30) -> Command:
    return Command(
        "read the journal",
        ("journalctl", "-u", layout.unit, "-n", str(lines), "--no-pager", "-o", "cat"),
        timeout,
    )


def journal_entries(layout: Layout, timeout: float, lines: int, after: int | None = None) -> Command:
    """As JSON, a line each. ``after``, microseconds since 1970 or 0: it goes on until it is ended, and begins
    with the last ``lines``, or with what came then."""
    what = ("journalctl", "-u", layout.unit, "--no-pager", "-o", "json", "--output-fields=MESSAGE")
    if after is None:
        return Command("read the journal", (*what, "-n", str(lines)), timeout)
    since = (f"--since=@{after // 1_000_000}", "--no-tail") if after else ("-n", str(lines))
    return _shell("follow the journal", '"$@"', *what, "-f", *since, timeout=timeout)


def remove(layout: Layout, timeout: float) -> Command:
    """Takes the service off a server; fine when it was never there."""
    script = """
systemctl -q disable --now "$1" 2>/dev/null || true
rm -rf "/etc/systemd/system/$1" "$2"
systemctl daemon-reload
systemctl reset-failed "$1" 2>/dev/null || true
rm -f "$0"
"""
    return _alone(layout, f"remove {layout.unit}", script, layout.unit, layout.home, timeout=timeout)


def host_keys_on_console(console: str) -> tuple[str, ...]:
    """The public host keys that cloud-init prints on the console (keys_to_console); the last block counts."""
    blocks = re.findall(r"BEGIN SSH HOST KEY KEYS-*\s*(.*?)-*END SSH HOST KEY KEYS", console, re.DOTALL)
    if not blocks:
        return ()
    keys = re.findall(r"((?:ssh-|ecdsa-)[a-z0-9-]+) ([A-Za-z0-9+/=]{40,})", blocks[-1])
    return tuple(f"{kind} {blob}" for kind, blob in keys)


def printable(line: str) -> str:
    """Without the colours and cursor moves (ECMA-48) that consoles are full of, nor other controls."""
    plain = re.sub(r"\x1b(\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])", "", line)
    return "".join(character for character in plain if character.isprintable() or character == "\t")
