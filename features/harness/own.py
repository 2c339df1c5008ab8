"""A gateway that one scenario has for itself."""

from harness.client import Client
from harness.gatewayd import Gatewayd


def own_gateway(context, options: dict[str, dict], variables: dict[str, str] | None = None) -> None:
    """With ``options`` and ``variables`` as Gatewayd has them; the scenario's calls go there then."""
    number = sum(1 for path in context.folder.iterdir() if path.is_dir())
    daemon = Gatewayd(context.folder / f"gatewayd-{number}", options, variables)
    context.clearing.daemons.append(daemon)
    context.add_cleanup(daemon.stop)
    context.gateway = daemon.start()
    context.client = Client(daemon.url, context.called)
    context.names["gateway_url"] = daemon.url
