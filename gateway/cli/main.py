"""The command ``gateway``.

Exit codes: 0 done; 1 refused or failed; 2 wrong usage; 3 there is no such thing; 4 --timeout is over, what
was begun goes on; 5 nobody answers now (no connection, 502, 503, 504): try again; 130 interrupted.
"""

import argparse
import importlib.metadata
import logging
import os
import sys
from collections.abc import Sequence

from cliff import app, commandmanager

from gateway.cli.command import seconds
from gateway.cli.commands import COMMANDS


class Commands(commandmanager.CommandManager):
    def __init__(self):
        super().__init__()
        for name, value in COMMANDS.items():
            self.commands[name] = importlib.metadata.EntryPoint(name, value, "gateway.cli")


class _Version(argparse.Action):
    """In place of cliff's, which has to know it at each start."""

    def __call__(self, parser, *_):
        print(f"{Shell.NAME} {importlib.metadata.version(Shell.NAME)}")
        parser.exit()


class Shell(app.App):
    NAME = "gateway"
    LOG = logging.getLogger(NAME)
    CONSOLE_MESSAGE_FORMAT = "gateway: %(message)s"
    DEFAULT_VERBOSE_LEVEL = 0

    def __init__(self):
        what = "From flavor, image and network to a running, health-checked, discoverable service."
        super().__init__(what, None, Commands(), deferred_help=True)
        self._gateway = None
        self._save_token = lambda: None
        self._exit_code = 0

    def build_option_parser(self, description, version, argparse_kwargs=None):
        from gateway.cli import clouds

        own = {"allow_abbrev": False, "prog": self.NAME, "conflict_handler": "resolve"}
        parser = super().build_option_parser(description, version, own | (argparse_kwargs or {}))
        parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
        parser.add_argument(
            "--gateway-url",
            metavar="URL",
            default=os.environ.get("GATEWAY_URL"),
            help="the gateway, where Keystone's catalogue does not have it (GATEWAY_URL)",
        )
        parser.add_argument(
            "--request-timeout",
            metavar="SECONDS",
            type=seconds,
            default=60.0,
            help="longest wait for one answer (60)",
        )
        parser.add_argument(
            "--cache-token",
            action="store_true",
            default=os.environ.get("GATEWAY_CACHE_TOKEN", "").lower() in ("1", "true", "yes"),
            help="keep the token for the next commands, in a file of your own (GATEWAY_CACHE_TOKEN)",
        )
        clouds.add_options(parser)
        return parser

    def configure_logging(self) -> None:
        if self.options.debug:
            self.options.verbose_level = 2
        super().configure_logging()
        if not self.options.log_file:
            # What nobody sees need not be made: cliff asks all libraries for their debug messages.
            logging.getLogger().setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[self._verbosity()])

    def _verbosity(self) -> int:
        return min(self.options.verbose_level, 2)

    def initialize_app(self, argv: list[str]) -> None:
        # cliff would open a prompt of its own, which needs more packages.
        if not argv:
            self.options.deferred_help = True

    def clean_up(self, cmd, result, err) -> None:
        self._save_token()
        self._exit_code = getattr(err, "exit_code", result)

    def run_subcommand(self, argv: list[str]) -> int:
        result = super().run_subcommand(argv)
        return self._exit_code or result

    @property
    def client_manager(self):
        """As in OpenStackClient, which runs the same commands."""
        return self

    @property
    def gateway(self):
        """The client, logged in when it is first used."""
        if self._gateway is None:
            from gateway import client
            from gateway.cli import clouds

            cloud = clouds.connect(self.options)
            endpoint = self.options.gateway_url or cloud.gateway_url
            if self.options.cache_token and cloud.who:
                self._gateway = client.Gateway(self._with_kept_token(cloud, endpoint))
            else:
                self._gateway = client.Gateway(cloud.session, endpoint=endpoint, **_place(cloud))
        return self._gateway

    def _with_kept_token(self, cloud, endpoint: str | None):
        from gateway.cli import quick, token_cache
        from gateway.client.http import adapted

        cache = token_cache.TokenCache(cloud.who, token_cache.folder())

        def whole():
            cache.restore(cloud.session.auth)
            self._save_token = lambda: cache.save(cloud.session.auth)
            return adapted(cloud.session, endpoint, **_place(cloud))

        if self._verbosity():  # keystoneauth tells what is sent
            return whole()
        return quick.opened(cache.kept, cloud, endpoint, self.options.request_timeout, whole)


def _place(cloud) -> dict[str, str | None]:
    """Where Keystone's catalogue has the gateway."""
    from gateway import client

    return {
        "region_name": cloud.region_name,
        "interface": cloud.interface,
        "service_type": cloud.service_type or client.SERVICE_TYPE,
    }


def main(argv: Sequence[str] | None = None) -> int:
    return Shell().run(list(sys.argv[1:] if argv is None else argv))
