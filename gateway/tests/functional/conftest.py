"""The command line as a user runs it, in this process, against a real HTTP server."""

import logging
import os

import pytest

from gateway.cli import deploy, deployments, main, watch
from gateway.client import http
from gateway.tests.functional import client_stub


@pytest.fixture
def api(monkeypatch, tmp_path):
    for name in [n for n in os.environ if n.startswith(("OS_", "GATEWAY_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for module, name in ((watch, "_POLL"), (deployments, "_POLL"), (http, "_RETRY"), (deploy, "_PAUSE")):
        monkeypatch.setattr(module, name, 0.01)
    for name, value in (("AUTH_URL", client_stub.AUTH_URL), ("USERNAME", "demo"), ("PASSWORD", "s")):
        monkeypatch.setenv(f"OS_{name}", value)
    monkeypatch.setenv("OS_PROJECT_NAME", "demo")
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(logging.getLogger(), "level", logging.WARNING)
    with client_stub.StubApi().serving() as stub, client_stub.keystone(stub.url):
        yield stub


@pytest.fixture
def gateway(api, capsys):
    def run(*argv):
        try:
            code = main.main(argv)
        except SystemExit as exit_:
            code = exit_.code
        out, err = capsys.readouterr()
        return code, out, err

    return run
