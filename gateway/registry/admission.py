"""What must hold of a service before it is taken in: where it may be, and that it answers its check."""

import asyncio
import dataclasses
import time
from collections.abc import Callable

from oslo_config import cfg

from gateway import errors
from gateway.registry import checks, guard
from gateway.registry.model import Instance, Kind, Registration

#: The id of the project's own server that has this address, None for any other.
Owner = Callable[[str], str | None]


def nobody(address: str) -> None:
    """The project has no servers: the operator's networks are all there is."""


class Admission:
    """Threads may share it."""

    def __init__(self, conf: cfg.ConfigOpts):
        self._conf = conf
        self._guard = guard.Guard(conf)

    def allowed(self, host: str, owner: Owner | None) -> tuple[str, str | None]:
        """The host in its one canonical form, and the server that ``owner`` says it is. Raises Invalid."""
        found, address = _found(host)
        network = self._guard.blocking(address)
        if network is not None:
            raise errors.Invalid(
                "gateway.registry.host_blocked",
                f"host: {host} is in {network}, where instances may not be ([registry] blocked_networks).",
                field="host",
            )
        if owner is None or self._guard.allows(address):
            return str(found), None
        server_id = owner(str(address)) if found is address else None  # a name may point elsewhere tomorrow
        if server_id is None:
            raise errors.Invalid(
                "gateway.registry.host_foreign",
                f"host: {host} is no address of a server of this project, nor in the networks where the "
                "operator allows any ([registry] allowed_networks).",
                field="host",
            )
        return str(found), server_id

    def probes(self, wanted: Registration | Instance) -> bool:
        """Whether the gateway itself can look how it is; else only the instance or the monitor can tell."""
        return wanted.check.kind is not Kind.TTL and not wanted.check.tunnel

    def probed(self, wanted: Registration | Instance, patience: float | None = None) -> str:
        """What its check saw; nothing where it is not probed. ``patience``: seconds that the caller waits.
        Raises Unhealthy, Unavailable for a fault of the gateway's host, Timeout."""
        if not self.probes(wanted):
            return ""
        if patience is None:
            return self._probed(wanted)
        until = time.monotonic() + patience
        check = dataclasses.replace(wanted.check, timeout=max(0.001, min(wanted.check.timeout, patience)))
        output = self._probed(dataclasses.replace(wanted, check=check))
        if time.monotonic() >= until:
            raise errors.Timeout("gateway.registry.patience", "The caller does not wait any longer.")
        return output

    def _probed(self, wanted: Registration | Instance) -> str:
        place = (wanted.proto, wanted.host, wanted.port)
        try:
            reading = checks.probe(*place, wanted.check, self._conf.monitor.verify_tls, self._guard)
        except OSError as error:
            raise errors.Unavailable(
                "gateway.registry.probe",
                f"The gateway cannot make a health check now: {error}.",
                retry_after=5,
            ) from error
        if not reading.ok:
            raise errors.Unhealthy(
                "gateway.registry.unhealthy",
                f"The health check of {wanted.check.what(wanted.proto)} at {wanted.host} port {wanted.port} "
                f"did not pass: {reading.output}.",
                field="health",
            )
        return reading.output


def _found(host: str) -> tuple[guard.Address | str, guard.Address]:
    """The host, and its address; they are the same unless it is a name. Raises Invalid."""
    try:
        found = guard.parse(host)
        return found, asyncio.run(guard.resolved(found)) if isinstance(found, str) else found
    except ValueError as error:
        raise errors.Invalid("gateway.registry.host", f"host: {error}.", field="host") from error
    except OSError as error:
        raise errors.Invalid(
            "gateway.registry.host", f"host: the name {host} is not known ({error}).", field="host"
        ) from error
