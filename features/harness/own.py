"""A gateway that one scenario has for itself."""

from harness import crashing
from harness.client import Client
from harness.container import Contained
from harness.gatewayd import Gatewayd


def own_gateway(context, options: dict[str, dict], variables: dict[str, str] | None = None) -> None:
    """With ``options`` and ``variables`` as Gatewayd has them; the scenario's calls go there then."""
    _start(context, Gatewayd(folder(context), options, variables))


def mortal_gateway(context, options: dict[str, dict] | None = None) -> None:
    """One that can be told when to die: ``context.crash``."""
    place = folder(context)
    context.crash = crashing.Crash(place)
    _start(context, context.crash.gatewayd(place, options))


def contained_gateway(context) -> None:
    """One in a container, of the image."""
    _start(context, Contained(folder(context)))


def folder(context):
    """A new one for a daemon."""
    number = sum(1 for path in context.folder.iterdir() if path.is_dir())
    return context.folder / f"gatewayd-{number}"


def _start(context, daemon: Gatewayd) -> None:
    context.clearing.daemons.append(daemon)
    context.add_cleanup(daemon.stop)
    context.gateway = daemon.start()
    context.client = Client(daemon.url, context.called)
    context.names["gateway_url"] = daemon.url
