"""A DevStack operator's folder, with the gateway's plugin in local.conf, on devstack/aio's cloud.

``devstack.sh`` beside this file stands for stack.sh, unstack.sh and clean.sh. Ports, the service's type, its
user and its database server are of this folder alone, so that nothing of the cloud's own gateway is touched.
"""

import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import uuid

import yaml

from harness import clouds
from harness.databases import PASSWORD, USERNAME
from harness.gatewayd import free_port

_ROOT = pathlib.Path(__file__).parents[2]
_NOT_CLONED = shutil.ignore_patterns(
    *(".git", ".venv", ".state", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis")
)
_TIMEOUT = 600  # seconds
#: DevStack's clouds, and who they are here.
_CLOUDS = {"devstack-admin": "admin", "devstack-system-admin": "admin", "devstack": clouds.USERS["a member"]}


class DevStack:
    def __init__(self, parent: pathlib.Path, database_port: int):
        """Makes a folder in ``parent``, and in it a repository of what is being tested, to be cloned."""
        self.name = f"gateway-{uuid.uuid4().hex[:8]}"  # of the service user, and the service's type
        self.url = f"http://127.0.0.1:{free_port()}"
        self.folder = parent / f"devstack-{self.name}"
        self.folder.mkdir()
        self.configuration = self.folder / "etc"
        self._database_port = database_port
        self._make_repository()
        self._write_clouds()

    def _make_repository(self) -> None:
        self._repository = self.folder / "repository"
        shutil.copytree(_ROOT, self._repository, symlinks=True, ignore=_NOT_CLONED)
        git = ("git", "-C", self._repository, "-c", "user.name=x", "-c", "user.email=x@example.org")
        for arguments in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "now")):
            subprocess.run([*git, *arguments], check=True, timeout=_TIMEOUT)

    def _write_clouds(self) -> None:
        """As DevStack writes /etc/openstack/clouds.yaml; clients find the gateway by its type."""
        named = {}
        for name, user in _CLOUDS.items():
            config = clouds.cloud(user).config.config
            named[name] = {
                "auth": dict(config["auth"]),
                "region_name": config["region_name"],
                "gateway_service_type": self.name,
            }
        self._clouds = self.folder / "clouds.yaml"
        self._clouds.write_text(yaml.safe_dump({"clouds": named}))

    def write_local_conf(self, more: str = "") -> None:
        """``more``: further variables, NAME=VALUE and so on."""
        keystone = clouds.cloud("admin").config.config["auth"]["auth_url"]
        settings = {
            "DATABASE_HOST": "127.0.0.1",
            "DATABASE_USER": USERNAME,
            "DATABASE_PASSWORD": PASSWORD,
            "RABBIT_USERID": "guest",
            "RABBIT_PASSWORD": "guest",
            "SERVICE_PASSWORD": "secret",
            "API_WORKERS": 1,
            "KEYSTONE_SERVICE_URI": keystone.removesuffix("/v3"),
            "GATEWAY_CONF_DIR": self.configuration,
            "GATEWAY_PORT": self.url.rpartition(":")[2],
            "GATEWAY_RPC_PORT": free_port(),
            "GATEWAY_SERVICE_TYPE": self.name,
            "GATEWAY_SERVICE_USER": self.name,
        }
        lines = [f"{name}={shlex.quote(str(value))}" for name, value in settings.items()]
        text = _LOCAL_CONF.format(
            settings="\n".join(lines), port=self._database_port, repository=self._repository, more=more
        )
        (self.folder / "local.conf").write_text(text)

    def run(self, script: str) -> subprocess.CompletedProcess:
        """``stack``, ``unstack`` or ``clean``."""
        return self._run([pathlib.Path(__file__).with_suffix(".sh"), script, self.folder])

    def openstack(self, arguments: list[str]) -> subprocess.CompletedProcess:
        """As the user of the cloud ``devstack``, with the program that stack.sh installed."""
        program = self.folder / "data/venv/bin/openstack"
        return self._run([program, "--os-cloud", "devstack", "gateway", *arguments])

    def _run(self, command: list) -> subprocess.CompletedProcess:
        own = {"OS_CLIENT_CONFIG_FILE": str(self._clouds), "PYTHON": sys.executable, "COLUMNS": "200"}
        inherited = {name: os.environ[name] for name in ("PATH", "HOME")}
        # files: a daemon that it starts would hold a pipe open
        with (self.folder / "output").open("w") as out, (self.folder / "errors").open("w") as errors:
            streams = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": errors}
            ended = subprocess.run(command, env=inherited | own, timeout=_TIMEOUT, **streams)
        texts = [(self.folder / name).read_text() for name in ("output", "errors")]
        return subprocess.CompletedProcess(command, ended.returncode, *texts)

    def running(self) -> dict[str, str]:
        """Unit → the command line of its process."""
        found = {}
        for path in (self.folder / "status").glob("*.pid"):
            line = pathlib.Path("/proc", path.read_text().strip(), "cmdline")
            if line.exists() and (text := line.read_text().replace("\0", " ")):
                found[path.stem] = text
        return found

    def in_keystone(self) -> list[str]:
        """What of it Keystone has."""
        identity = clouds.as_user("an admin").identity
        found = [f"service {each.name}" for each in identity.services() if each.type == self.name]
        found += [f"user {each.name}" for each in identity.users(name=self.name)]
        return found + [f"endpoint {each.interface}" for each in identity.endpoints() if each.url == self.url]

    def files(self) -> list[str]:
        """What it has in its folders for configuration, data, logs and state."""
        return [name for name in ("etc", "data", "logs", "status") if (self.folder / name).exists()]


_LOCAL_CONF = """\
[[local|localrc]]
{settings}
export MYSQL_TCP_PORT={port}
enable_plugin gateway {repository} main
{more}

[[post-config|$GATEWAY_CONF]]
[deploy]
max_replicas = 7
"""
