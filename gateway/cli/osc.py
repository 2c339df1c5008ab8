"""The plugin of OpenStackClient: ``openstack gateway flavor list`` is ``gateway flavor list``. Each
``openstack`` imports it, so that it imports little itself; the commands stand in setup.cfg, as it wants."""

import argparse
import os
from typing import Any

API_NAME = "gateway"
API_VERSION_OPTION = "os_gateway_api_version"
API_VERSIONS = ("1",)
DEFAULT_API_VERSION = "1"
_LONGEST_WAIT = 60.0  # seconds for one answer, where OpenStackClient would wait for ever


def make_client(instance: Any):
    """``client_manager.gateway``, with what OpenStackClient knows of the cloud."""
    from gateway import client

    options = instance._cli_options.config  # where its own plugins find them, too
    session = instance.session
    session.timeout = session.timeout or _LONGEST_WAIT
    return client.Gateway(
        session,
        endpoint=options.get("gateway_url") or options.get("gateway_endpoint_override"),
        region_name=instance.region_name,
        interface=instance.interface or "public",
        service_type=options.get("gateway_service_type") or client.SERVICE_TYPE,
    )


def build_option_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument(
        "--gateway-url",
        metavar="<url>",
        default=os.environ.get("GATEWAY_URL"),
        help="The gateway, where Keystone's catalogue does not have it (Env: GATEWAY_URL)",
    )
    return parser
