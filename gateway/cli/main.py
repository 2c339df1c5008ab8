"""The command ``gateway``. Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted."""

import importlib.metadata
import logging
import os
import sys
from collections.abc import Sequence

from cliff import app, commandmanager

from gateway.cli.command import seconds

#: Loaded only when asked for. A table rather than entry points: it stays true in a checkout that moved on.
COMMANDS = {
    "flavor list": "gateway.cli.launch_options:ListFlavors",
    "flavor show": "gateway.cli.launch_options:ShowFlavor",
    "image list": "gateway.cli.launch_options:ListImages",
    "image show": "gateway.cli.launch_options:ShowImage",
    "network list": "gateway.cli.launch_options:ListNetworks",
    "network show": "gateway.cli.launch_options:ShowNetwork",
    "server create": "gateway.cli.servers:CreateServer",
    "server list": "gateway.cli.servers:ListServers",
    "server show": "gateway.cli.servers:ShowServer",
    "server delete": "gateway.cli.servers:DeleteServer",
    "deploy": "gateway.cli.deploy:Deploy",
    "deployment list": "gateway.cli.deployments:ListDeployments",
    "deployment show": "gateway.cli.deployments:ShowDeployment",
    "deployment log": "gateway.cli.deployments:ShowLog",
    "deployment cancel": "gateway.cli.deployments:CancelDeployment",
    "deployment rollback": "gateway.cli.deployments:RollBackDeployment",
    "deployment delete": "gateway.cli.deployments:DeleteDeployment",
    "artifact create": "gateway.cli.artifacts:CreateArtifact",
    "provider list": "gateway.cli.providers:ListProviders",
    "provider show": "gateway.cli.providers:ShowProvider",
    "provider create": "gateway.cli.providers:CreateProvider",
    "provider update": "gateway.cli.providers:UpdateProvider",
    "provider delete": "gateway.cli.providers:DeleteProvider",
    "service list": "gateway.cli.services:ListServices",
    "service show": "gateway.cli.services:ShowService",
    "service create": "gateway.cli.services:CreateService",
    "service update": "gateway.cli.services:UpdateService",
    "service delete": "gateway.cli.services:DeleteService",
    "service rotate": "gateway.cli.services:RotateService",
    "service binding list": "gateway.cli.services:ListBindings",
    "service binding show": "gateway.cli.services:ShowBinding",
    "service binding create": "gateway.cli.services:CreateBinding",
    "service binding delete": "gateway.cli.services:DeleteBinding",
    "registry list": "gateway.cli.registry:ListInstances",
    "registry show": "gateway.cli.registry:ShowInstance",
    "registry best": "gateway.cli.registry:ShowBest",
    "registry register": "gateway.cli.registry:Register",
    "registry update": "gateway.cli.registry:UpdateInstance",
    "registry remove": "gateway.cli.registry:RemoveInstance",
    "registry maintenance on": "gateway.cli.registry:MaintenanceOn",
    "registry maintenance off": "gateway.cli.registry:MaintenanceOff",
    "registry types": "gateway.cli.registry:ListTypes",
}


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

    @property
    def gateway(self):
        """The client, logged in when it is first used."""
        if self._gateway is None:
            from gateway import client
            from gateway.cli import clouds

            cloud = clouds.connect(self.options)
            self._gateway = client.Gateway(
                cloud.session,
                endpoint=self.options.gateway_url or cloud.gateway_url,
                region_name=cloud.region_name,
                interface=cloud.interface,
            )
        return self._gateway


def main(argv: Sequence[str] | None = None) -> int:
    return Shell().run(list(sys.argv[1:] if argv is None else argv))
