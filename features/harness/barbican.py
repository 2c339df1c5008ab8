"""A real Barbican (Debian's barbican-api) of the scenario's own: SQLite, a free port, known to Keystone."""

import configparser
import os
import pathlib
import secrets
import socket
import subprocess
import time
from base64 import b64encode

import requests

from harness import clouds

_PROGRAM = pathlib.Path("/usr/bin/barbican-wsgi-api")
_UP = 60  # seconds

installed = _PROGRAM.exists()


class Barbican:
    def __init__(self, folder: pathlib.Path):
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen | None = None
        self._service_id: str | None = None

    def start(self) -> None:
        home = self._folder / ".barbican"  # where Barbican looks for its configuration first
        home.mkdir(parents=True)
        parser = configparser.RawConfigParser(default_section="")
        parser.read_dict(self._options())
        with (home / "barbican.conf").open("w") as file:
            parser.write(file)
        with (self._folder / "barbican.log").open("w") as log:
            self._process = subprocess.Popen(
                ["/usr/bin/python3", _PROGRAM, "--host", "127.0.0.1", "--port", str(self._port)],
                env={"HOME": str(self._folder), "PATH": os.environ["PATH"]},
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )
        self._wait_until_up()
        self._register()

    def _options(self) -> dict[str, dict]:
        login = clouds.cloud("gateway").config.config["auth"]
        return {
            "DEFAULT": {
                "host_href": self.url,
                "sql_connection": f"sqlite:///{self._folder}/barbican.db",
                "db_auto_create": True,
            },
            "secretstore": {"enabled_secretstore_plugins": "store_crypto"},
            "crypto": {"enabled_crypto_plugins": "simple_crypto"},
            "simple_crypto_plugin": {"kek": b64encode(secrets.token_bytes(32)).decode()},
            "keystone_authtoken": {
                "auth_type": "password",
                "www_authenticate_uri": login["auth_url"],
                **login,
            },
            "keystone_notifications": {"enable": False},
        }

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + _UP
        while True:
            assert self._process.poll() is None, (self._folder / "barbican.log").read_text()[-4000:]
            try:
                if requests.get(self.url, timeout=5).status_code in (200, 300):
                    return
            except requests.ConnectionError:
                pass
            assert time.monotonic() < deadline, (self._folder / "barbican.log").read_text()[-4000:]
            time.sleep(0.2)

    def _register(self) -> None:
        identity = clouds.as_user("an admin").identity
        self._service_id = identity.create_service(type="key-manager", name="barbican").id
        identity.create_endpoint(
            service_id=self._service_id, interface="public", region_id="RegionOne", url=self.url
        )

    def stop(self) -> None:
        if self._service_id:
            clouds.as_user("an admin").identity.delete_service(self._service_id)  # and its endpoint
        if self._process:
            self._process.terminate()
            self._process.wait(30)
