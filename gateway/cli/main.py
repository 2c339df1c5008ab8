"""The command ``gateway``.

Exit codes: 0 done; 1 refused or failed; 2 wrong usage; 3 there is no such thing; 4 --timeout is over, what
was begun goes on; 5 nobody answers now (no connection, 502, 503, 504): try again; 130 interrupted.
"""

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


class Shell(app.App):
    NAME = "gateway"
    LOG = logging.getLogger(NAME)
    CONSOLE_MESSAGE_FORMAT = "gateway: %(message)s"
    DEFAULT_VERBOSE_LEVEL = 0

    def __init__(self):
        version = importlib.metadata.version("gateway")
        what = "From flavor, image and network to a running, health-checked, discoverable service."
        super().__init__(what, version, Commands(), deferred_help=True)
        self._gateway = None
        self._token_cache = None
        self._exit_code = 0

    def build_option_parser(self, description, version, argparse_kwargs=None):
        from gateway.cli import clouds

        kwargs = {"allow_abbrev": False, "prog": self.NAME, **(argparse_kwargs or {})}
        parser = super().build_option_parser(description, version, kwargs)
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
        if self._token_cache is not None:
            self._token_cache.save()
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
            if self.options.cache_token:
                from gateway.cli import token_cache

                self._token_cache = token_cache.TokenCache(cloud.session.auth, token_cache.folder())
            self._gateway = client.Gateway(
                cloud.session,
                endpoint=self.options.gateway_url or cloud.gateway_url,
                region_name=cloud.region_name,
                interface=cloud.interface,
                service_type=cloud.service_type or client.SERVICE_TYPE,
            )
        return self._gateway


def main(argv: Sequence[str] | None = None) -> int:
    return Shell().run(list(sys.argv[1:] if argv is None else argv))
