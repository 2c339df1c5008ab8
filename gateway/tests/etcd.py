"""etcd from Debian's package, for those who coordinate."""

import pathlib
import socket
import subprocess


class Etcd:
    """One alone, in ``folder``, which it makes."""

    def __init__(self, folder: pathlib.Path, address: str = "127.0.0.1"):
        self._folder, self._address = folder, address
        with socket.create_server((address, 0)) as client, socket.create_server((address, 0)) as peer:
            self.port, self._peer = client.getsockname()[1], peer.getsockname()[1]
        self.url = f"etcd3+http://{address}:{self.port}"

    def start(self) -> "Etcd":
        client, peer = (f"http://{self._address}:{port}" for port in (self.port, self._peer))
        self._process = subprocess.Popen(
            [
                *("etcd", "--data-dir", self._folder, "--unsafe-no-fsync=true"),
                *("--listen-client-urls", client, "--advertise-client-urls", client),
                *("--listen-peer-urls", peer),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return self

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
