"""Where instances may be: a health check must not become a way to reach what its owner may not.

An address must not be in ``[registry] blocked_networks``. Besides, it is in ``[registry] allowed_networks``
or belongs to a server of the project, which OpenStack is asked for when the instance is registered. A host
name is for the operator's networks alone: it may point elsewhere tomorrow, so it is judged at each check.
"""

import asyncio
import concurrent.futures
import functools
import ipaddress
import re
import socket

from oslo_config import cfg

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: The last label begins with a letter, so that no address in an odd notation (127.1, 0x7f000001) is a name.
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)*[a-zA-Z](?:[a-zA-Z0-9-]{{0,61}}[a-zA-Z0-9])?")
_MAX_NAME = 64
_REMEMBERED = 65536  # hosts: each is looked at again and again
_PATIENCE = 5.0  # seconds

_resolvers = concurrent.futures.ThreadPoolExecutor(16, "resolve")  # getaddrinfo cannot be given up


class Refused(Exception):
    """An address that no check may connect to; says which and why."""


class Guard:
    def __init__(self, conf: cfg.ConfigOpts):
        self._blocked = [ipaddress.ip_network(network) for network in conf.registry.blocked_networks]
        self._allowed = [ipaddress.ip_network(network) for network in conf.registry.allowed_networks]
        self.blocking = functools.lru_cache(_REMEMBERED)(self._blocking)

    def _blocking(self, address: Address) -> Network | None:
        """The blocked network that it is in."""
        return next((network for network in self._blocked if address in network), None)

    def allows(self, address: Address) -> bool:
        """Whether it is the operator's word that instances may be there, whoever they belong to."""
        return any(address in network for network in self._allowed)


@functools.lru_cache(_REMEMBERED)
def parse(host: str) -> Address | str:
    """An address in its one canonical form, or a host name in lower case. Raises ValueError."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if len(host) <= _MAX_NAME and _NAME.fullmatch(host):
            return host.lower()
        raise ValueError(f"{host!r} is neither an IP address nor a host name") from None
    if address.version == 6:
        if address.scope_id:
            raise ValueError(f"{host!r} has a zone, which it may not")
        return address.ipv4_mapped or address
    return address


async def address(host: str, guarded: Guard | None) -> str:
    """The address to connect to, resolved once. Raises Refused for one that ``guarded`` does not let pass,
    OSError for a name that is not known."""
    found = parse(host)
    if isinstance(found, str):
        found = await resolved(found)
        if guarded is not None and not guarded.allows(found):
            raise Refused(f"{host} is {found}, which is not in [registry] allowed_networks")
    if guarded is not None and (network := guarded.blocking(found)):
        raise Refused(f"{host} is in {network} of [registry] blocked_networks")
    return str(found)


async def resolved(name: str) -> Address:
    """The first of its addresses, found within five seconds. Raises OSError."""
    ask = functools.partial(socket.getaddrinfo, name, None, type=socket.SOCK_STREAM)
    async with asyncio.timeout(_PATIENCE):
        found = await asyncio.get_running_loop().run_in_executor(_resolvers, ask)
    return parse(found[0][4][0].partition("%")[0])
