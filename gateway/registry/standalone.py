"""The registry of one project for clients that know no Keystone, as the seed has it.

Reads are for the networks of ``[standalone] allowed_networks``, registrations for whoever has a valid
signature.
"""

import dataclasses
import ipaddress
import socket
import time

import grpc
from oslo_config import cfg

from gateway import errors
from gateway.registry import rpc
from gateway.registry.model import Instance, Registration
from gateway.registry.registry import Owner, Registry, nobody

_PAUSE = 0.2  # seconds between tries
_PATIENCE = 1.0  # seconds for one of our own ports


class Standalone:
    """A ``Registry`` that registers only what is signed, and checks it with ``[standalone] timeout`` and
    ``retries``; everything else is the registry's own."""

    def __init__(self, conf: cfg.ConfigOpts, registry: Registry):
        self._conf = conf.standalone
        self._registry = registry

    def __getattr__(self, name: str):
        return getattr(self._registry, name)

    def register(self, project_id: str, wanted: Registration, patience: float | None = None, **_) -> Instance:
        """As ``Registry.register``; also raises Invalid for what has no signature."""
        if not wanted.signature:
            raise errors.Invalid(
                "gateway.registry.signature", "signature: one is needed here.", field="signature"
            )
        check = dataclasses.replace(
            wanted.check, timeout=self._conf.timeout, failures_before_critical=self._conf.retries + 1
        )
        wanted = dataclasses.replace(wanted, check=check)
        until = None if patience is None else time.monotonic() + patience
        for _ in range(self._conf.retries):
            try:
                return self._register(project_id, wanted, until)
            except errors.Unhealthy:
                time.sleep(_PAUSE)
        return self._register(project_id, wanted, until)

    def _register(self, project_id: str, wanted: Registration, until: float | None) -> Instance:
        left = None if until is None else until - time.monotonic()
        return self._registry.register(project_id, wanted, owner=nobody, patience=left)

    def is_up(self) -> bool:
        """Whether the registry is, and all of its configured ports answer."""
        ports = (self._conf.rpc_port, self._conf.http_port, self._conf.https_port)
        return self._registry.is_up() and all(self._answers(port) for port in ports if port)

    def _answers(self, port: int) -> bool:
        try:
            socket.create_connection((self._conf.host, port), _PATIENCE).close()
        except OSError:
            return False
        return True


class Networks:
    """Who may do what: by the address that a call comes from, since there is no token."""

    def __init__(self, project_id: str, allowed: list[str]):
        self._project_id = project_id
        self._allowed = [ipaddress.ip_network(network) for network in allowed]

    def project_of(self, address: str, rule: str) -> str:
        """The project, for a caller at ``address``. Raises Forbidden."""
        if rule == "gateway:registry:register":  # the registry asks for its signature
            return self._project_id
        if rule != "gateway:registry:get":
            raise errors.Forbidden("gateway.standalone.forbidden", "This is not to be had on this port.")
        caller = ipaddress.ip_address(address)
        caller = getattr(caller, "ipv4_mapped", None) or caller
        if not any(caller in network for network in self._allowed):
            raise errors.Forbidden(
                "gateway.standalone.network", f"{caller} is in no network that may read here."
            )
        return self._project_id

    # rpc.Access

    def project(self, context: grpc.ServicerContext, rule: str) -> str:
        return self.project_of(rpc.address(context), rule)

    def owner(self, context: grpc.ServicerContext) -> Owner:
        return nobody
