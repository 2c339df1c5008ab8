#!/usr/bin/env python3
"""Writes etc/gateway/*.sample from the code.

With --check it says whether our own options and rules are in them as the code has them; what the libraries
add changes with their releases.
"""

import pathlib
import subprocess
import sys
import tempfile

_FOLDER = pathlib.Path(__file__).parent.parent / "etc" / "gateway"
_BIN = pathlib.Path(sys.executable).parent
_OURS = ("gateway",)
_LIBRARIES = (
    "castellan.config",
    "cotyledon",
    "keystonemiddleware.auth_token",
    "oslo.db",
    "oslo.log",
    "oslo.messaging",
    "oslo.middleware.cors",
    "oslo.middleware.healthcheck",
    "oslo.middleware.http_proxy_to_wsgi",
    "oslo.policy",
    "oslo.reports",
)


def _made(program: str, namespaces: tuple[str, ...]) -> str:
    with tempfile.NamedTemporaryFile("r") as file:
        options = [f"--namespace={name}" for name in namespaces]
        command = [_BIN / program, *options, f"--output-file={file.name}"]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return pathlib.Path(file.name).read_text()


def _options(libraries: tuple[str, ...] = ()) -> str:
    return _made("oslo-config-generator", _OURS + libraries)


def _rules() -> str:
    return _made("oslopolicy-sample-generator", _OURS)


def _write() -> None:
    (_FOLDER / "gateway.conf.sample").write_text(_options(_LIBRARIES))
    (_FOLDER / "policy.yaml.sample").write_text(_rules())


def _stale() -> list[str]:
    options, rules = ((_FOLDER / f"{name}.sample").read_text() for name in ("gateway.conf", "policy.yaml"))
    of_groups = [part.partition("]\n")[2].strip() for part in _options().split("\n[")]
    stale = [] if all(part in options for part in of_groups) else ["gateway.conf.sample"]
    return stale + ([] if rules == _rules() else ["policy.yaml.sample"])


def main() -> int:
    if "--check" not in sys.argv:
        _write()
        return 0
    stale = _stale()
    if stale:
        print(f"Not what the code has: {', '.join(stale)}. Run: make samples")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
