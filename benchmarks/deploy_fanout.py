#!/usr/bin/env python3
"""One job on many hosts, by the gateway and by others: upload 100 KiB, check its sum, run one command.

The hosts are sshds of its own on 127.0.1.1 and on, ended when it ends. See README.md.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import resource
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator

from gateway.deploy import guest

JOBS = pathlib.Path(__file__).parent / "deploy_fanout_jobs"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "gateway-benchmarks"
SIZE = 100 * 1024
_PATIENCE = 300.0  # seconds for one run of one tool


@dataclasses.dataclass(frozen=True)
class Farm:
    """``count`` sshds that share one host key and one login key; each has a folder to write to."""

    folder: pathlib.Path
    count: int
    port: int

    @property
    def hosts(self) -> list[str]:
        return [f"127.0.1.{number + 1}" for number in range(self.count)]

    @property
    def key(self) -> pathlib.Path:
        return self.folder / "login"

    @property
    def known_hosts(self) -> pathlib.Path:
        return self.folder / "known_hosts"

    @property
    def upload(self) -> pathlib.Path:
        return self.folder / "upload"

    @property
    def ssh_options(self) -> list[str]:
        """Of OpenSSH, for those that run it."""
        return [
            *("-F", "none", "-i", str(self.key), "-o", f"UserKnownHostsFile={self.known_hosts}"),
            *("-o", f"Port={self.port}", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-l", "root"),
        ]

    def sessions(self) -> int:
        """How many shells, commands and subsystems were started so far."""
        logs = (path.read_text() for path in self.folder.glob("sshd-*.log"))
        return sum(len(re.findall(r"Starting session: ", log)) for log in logs)

    def forget(self) -> None:
        """What the last run has put on the hosts."""
        for host in self.hosts:
            for path in (self.folder / host).rglob("*"):
                if path.is_file():
                    path.unlink()


_SSHD = """\
ListenAddress {host}:{port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/login.pub
PidFile none
StrictModes no
UsePAM no
UseDNS no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
LogLevel VERBOSE
Subsystem sftp internal-sftp
# bash reads .bashrc, which may do anything, for what comes over the network, unless it is a deeper shell
SetEnv SHLVL=5
"""


@contextlib.contextmanager
def farm(count: int) -> Iterator[Farm]:
    with tempfile.TemporaryDirectory(prefix="fanout-") as name:
        made = Farm(pathlib.Path(name), count, _free_port(count))
        host_key, login_key = guest.key_pair(), guest.key_pair()
        for path, pair in ((made.folder / "host", host_key), (made.key, login_key)):
            path.touch(mode=0o600)
            path.write_text(pair.private)
            path.with_suffix(".pub").write_text(pair.public + "\n")
        lines = [f"[{host}]:{made.port} {host_key.public}\n" for host in made.hosts]
        made.known_hosts.write_text("".join(lines))
        made.upload.write_bytes(os.urandom(SIZE))
        pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with contextlib.ExitStack() as stack:
            for host in made.hosts:
                (made.folder / host).mkdir()
                stack.enter_context(_sshd(made, host))
            yield made


@contextlib.contextmanager
def _sshd(made: Farm, host: str) -> Iterator[None]:
    config, log = made.folder / f"sshd-{host}.conf", made.folder / f"sshd-{host}.log"
    config.write_text(_SSHD.format(host=host, port=made.port, folder=made.folder))
    process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-E", log, "-f", config])
    try:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection((host, made.port), 1).close()
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"sshd on {host} does not start: {log.read_text()}")
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait()


def _free_port(count: int) -> int:
    """Free on all the hosts."""
    while True:
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(socket.create_server(("127.0.1.1", 0)))
            port = first.getsockname()[1]
            with contextlib.suppress(OSError):
                for number in range(1, count):
                    stack.enter_context(socket.create_server((f"127.0.1.{number + 1}", port)))
                return port


# The tools: each writes what it needs and gives the command to measure


@dataclasses.dataclass(frozen=True)
class Tool:
    name: str
    package: str | None  # from the package index, into a venv of its own
    command: Callable[[Farm, pathlib.Path], list[str]]  # of the farm and that venv's bin


def _script(name: str) -> Callable[[Farm, pathlib.Path], list[str]]:
    def command(made: Farm, bin: pathlib.Path) -> list[str]:
        job = {
            "hosts": made.hosts,
            "port": made.port,
            "key": str(made.key),
            "known_hosts": str(made.known_hosts),
            "host_key": (made.folder / "host.pub").read_text().strip(),
            "upload": str(made.upload),
            "folder": str(made.folder),
        }
        return [str(bin / "python"), str(JOBS / name), json.dumps(job)]

    return command


def _one_session(made: Farm, _bin: pathlib.Path) -> list[str]:
    remote = f"cd {made.folder}/$1 && cat >got && sha256sum -c --quiet ../sums && true"
    each = (
        f"ssh {shlex.join(made.ssh_options)} $1 {shlex.quote(remote).replace('$1', chr(39) + '$1' + chr(39))}"
    )
    return _for_each(made, f"{each} <{made.upload}")


def _control_master(made: Farm, _bin: pathlib.Path) -> list[str]:
    options = shlex.join([*made.ssh_options, "-o", f"ControlPath={made.folder}/master-%h"])
    plain = options.replace("-l root", "-o User=root")
    return _for_each(
        made,
        f"ssh {options} -M -N -f $1 >/dev/null 2>&1 && scp -q {plain} {made.upload} $1:{made.folder}/$1/got"
        f" && ssh {options} $1 'cd {made.folder}/'$1' && sha256sum -c --quiet ../sums'"
        f" && ssh {options} $1 true && ssh {options} -q -O exit $1 2>/dev/null",
    )


def _for_each(made: Farm, script: str) -> list[str]:
    (made.folder / "each.sh").write_text(f"set -e\n{script}\n")
    hosts = " ".join(made.hosts)
    return ["sh", "-c", f"printf '%s\\n' {hosts} | xargs -P {made.count} -n 1 sh {made.folder}/each.sh"]


def _ansible(made: Farm, bin: pathlib.Path) -> list[str]:
    (made.folder / "inventory").write_text(
        "[all]\n" + "".join(f"{host} ansible_port={made.port}\n" for host in made.hosts)
    )
    ssh = shlex.join(["-o", f"UserKnownHostsFile={made.known_hosts}", "-F", "none"])
    (made.folder / "ansible.cfg").write_text(
        f"[defaults]\nforks={made.count}\ngathering=explicit\nremote_user=root\n"
        f"private_key_file={made.key}\ninterpreter_python=/usr/bin/python3\nlocal_tmp={made.folder}/local\n"
        f"remote_tmp={made.folder}/remote\n"
        f"[ssh_connection]\npipelining=True\nssh_args={ssh} -o ControlMaster=auto -o ControlPersist=5s\n"
        f"control_path_dir={made.folder}\n"
    )
    return [
        *("env", f"ANSIBLE_CONFIG={made.folder}/ansible.cfg", "ANSIBLE_HOST_KEY_CHECKING=True"),
        *(str(bin / "ansible-playbook"), "-i", str(made.folder / "inventory")),
        *(str(JOBS / "with_ansible.yaml"), "-e", f"folder={made.folder}"),
    ]


def _pyinfra(made: Farm, bin: pathlib.Path) -> list[str]:
    data = {
        "ssh_port": made.port,
        "ssh_user": "root",
        "ssh_key": str(made.key),
        "ssh_known_hosts_file": str(made.known_hosts),
        "ssh_strict_host_key_checking": "yes",
        "folder": str(made.folder),
    }
    (made.folder / "inventory.py").write_text(f"all = ({made.hosts!r}, {data!r})\n")
    run = [str(bin / "pyinfra"), "-y", "--parallel", str(made.count)]
    return [*run, str(made.folder / "inventory.py"), str(JOBS / "with_pyinfra.py")]


TOOLS = [
    Tool("gateway, in the daemon", None, _script("with_gateway.py")),
    Tool("asyncssh, one exec", "asyncssh", _script("with_asyncssh.py")),
    Tool("Fabric, SFTP + 2 exec", "fabric", _script("with_fabric.py")),
    Tool("OpenSSH, one session each", None, _one_session),
    Tool("OpenSSH, ControlMaster + scp", None, _control_master),
    Tool("pyinfra", "pyinfra", _pyinfra),
    Tool("Ansible", "ansible-core", _ansible),
]


def installed(tool: Tool) -> pathlib.Path | None:
    """Its venv's bin, made if need be; None, told aloud, when it is not to be had."""
    if tool.package is None:
        return pathlib.Path(sys.executable).parent
    venv = CACHE / tool.package
    if not (venv / "done").exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
            subprocess.run([venv / "bin/pip", "-q", "install", tool.package], check=True, timeout=600)
            (venv / "done").touch()
        except (subprocess.SubprocessError, OSError) as error:
            print(f"LEFT OUT: {tool.name}: {tool.package} cannot be installed: {error}", file=sys.stderr)
            return None
    return venv / "bin"


# Measuring


@dataclasses.dataclass(frozen=True)
class Run:
    wall: float
    cpu: float  # of the client, its children included
    memory: float  # MiB: the most that all its processes had at once, shared pages shared out (PSS)
    sessions: float  # on each host


def measured(tool: Tool, bin: pathlib.Path, made: Farm) -> Run:
    """Raises RuntimeError when it fails or a host does not have the file afterwards."""
    made.forget()
    digest = subprocess.run(["sha256sum", made.upload], capture_output=True, check=True, text=True)
    (made.folder / "sums").write_text(digest.stdout.split()[0] + "  got\n")
    command, before = tool.command(made, bin), made.sessions()
    used, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    with _Memory(process.pid) as memory:
        output, _ = process.communicate(timeout=_PATIENCE)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode != 0:
        raise RuntimeError(f"{tool.name} failed:\n{output}")
    for host in made.hosts:
        if not list((made.folder / host).rglob("got*")):
            raise RuntimeError(f"{tool.name}: nothing arrived on {host}:\n{output}")
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    told = re.search(r"^MEASURED (.*)$", output, re.MULTILINE)  # by a process that measures its job alone
    if told:
        wall, cpu = json.loads(told[1])
    return Run(wall, cpu, memory.most, (made.sessions() - before) / made.count)


class _Memory:
    """Looks every 0.2 s, in a thread: seldom, since each look takes processor time from what is measured."""

    def __init__(self, pid: int):
        self.most = 0.0
        self._pid = pid
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "_Memory":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(0.2):
            self.most = max(self.most, sum(map(_pss, self._processes())))

    def _processes(self) -> set[int]:
        """It and all that it started."""
        parents = {}
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, IndexError):
                parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        found = {self._pid}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found


def _pss(pid: int) -> float:
    """MiB."""
    with contextlib.suppress(OSError, TypeError):
        rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)[1]) / 1024
    return 0.0


def compared(count: int, runs: int, tools: list[Tool]) -> None:
    found: dict[str, list[Run]] = {}
    ready = [(tool, bin) for tool in tools if (bin := installed(tool))]
    with farm(count) as made:
        for number in range(runs):
            for tool, bin in ready if number % 2 == 0 else reversed(ready):
                run = measured(tool, bin, made)
                found.setdefault(tool.name, []).append(run)
                print(f"  run {number + 1}: {tool.name} {run.wall:.2f} s", file=sys.stderr, flush=True)
    print(table(count, found, [tool.name for tool, _ in ready]), flush=True)


def table(count: int, found: dict[str, list[Run]], names: list[str]) -> str:
    head = f"{'wall s: min - median - max':>28}{'CPU s':>8}{'MiB':>6}{'sessions':>10}{'times':>7}"
    lines = [f"{f'{count} hosts':<28}{head}"]
    base = statistics.median(run.wall for run in found[names[0]])
    for name in names:
        walls = [run.wall for run in found[name]]
        middle = statistics.median(walls)
        cpu, memory, sessions = (
            statistics.median(getattr(run, field) for run in found[name])
            for field in ("cpu", "memory", "sessions")
        )
        spread = f"{min(walls):.2f} - {middle:.2f} - {max(walls):.2f}"
        lines.append(f"{name:<30}{spread:>26}{cpu:>8.2f}{memory:>6.0f}{sessions:>10.1f}{middle / base:>7.1f}")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", default="10,30", help="how many at once, one table for each (10,30)")
    parser.add_argument("--runs", type=int, default=3, help="of each tool (3)")
    parser.add_argument("--only", help="tools whose name has this in it, besides the gateway")
    options = parser.parse_args()
    tools = [TOOLS[0], *(tool for tool in TOOLS[1:] if not options.only or options.only in tool.name)]
    try:
        for count in map(int, options.hosts.split(",")):
            compared(count, options.runs, tools)
    except KeyboardInterrupt:
        return 130
    except RuntimeError as error:
        print(f"deploy_fanout: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
