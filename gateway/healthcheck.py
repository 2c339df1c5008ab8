"""Whether the gatewayd of this container is well: ``python3 -m gateway.healthcheck``, with the arguments that
gatewayd has. Exits with 1, and says why, where one of its roles is not there to be asked.

The role api answers /healthcheck, and rpc takes connections; engine and monitor listen nowhere, so it is
their processes that are looked for.
"""

import http.client
import pathlib
import socket
import sys
from collections.abc import Sequence

from oslo_config import cfg

from gateway import conf as options

_TIMEOUT = 5  # seconds
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (where one listens is not where one asks)


def main(argv: Sequence[str]) -> int:
    try:
        conf = options.load(argv)
        for role in conf.role or options.ROLES:
            _ask(conf, role)
    except (cfg.Error, OSError, http.client.HTTPException) as error:
        print(f"gatewayd is not well: {error}", file=sys.stderr)
        return 1
    return 0


def _ask(conf: cfg.ConfigOpts, role: str) -> None:
    """Raises OSError and http.client's errors."""
    if role == "api":
        _ask_api(_place(conf.api))
    elif role == "rpc":
        socket.create_connection(_place(conf.rpc), _TIMEOUT).close()
    elif not any(f"{role} worker(" in title for title in _titles()):
        raise OSError(f"no process of the role {role} runs")


def _place(listener: cfg.ConfigOpts.GroupAttr) -> tuple[str, int]:
    return _ANYWHERE.get(listener.host, listener.host), listener.port


def _ask_api(place: tuple[str, int]) -> None:
    connection = http.client.HTTPConnection(*place, timeout=_TIMEOUT)
    connection.request("GET", "/healthcheck")
    status = connection.getresponse().status
    if status != http.client.OK:
        raise OSError(f"/healthcheck answers {status}")


def _titles():
    """Of the container's processes; cotyledon's say whose they are."""
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_text(errors="replace")
        except OSError:  # it has ended meanwhile
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
