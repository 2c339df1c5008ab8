"""The DNS listener: one UDP socket and one TCP port, which answer from ``gateway.registry.zone``.

Nobody but ``[dns] allowed_networks`` is answered. A network that asks for more than ``[dns] max_rate``
answers a second over UDP is told to come by TCP (the bit TC), which a forged sender cannot. It recurses for
nobody.
"""

import asyncio
import contextlib
import ipaddress
import logging
import struct
import threading
import time
from collections.abc import Callable

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
from oslo_config import cfg

from gateway.registry.registry import Registry
from gateway.registry.zone import Zone

LOG = logging.getLogger(__name__)

_UDP = 512  # bytes, where the client says nothing of more
_MOST_UDP = 1232  # bytes: what no network has to break into pieces
_IDLE = 10.0  # seconds that a TCP connection may be silent
_NETWORKS = 10_000  # counted at the same time
_NOTICE_STOP = 0.1  # seconds


class Rate:
    """At most ``most`` answers a second to one network."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic):
        self._most = most
        self._clock = clock
        self._second = 0
        self._counts: dict[int, int] = {}

    def allows(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        second = int(self._clock())
        if second != self._second or len(self._counts) > _NETWORKS:
            self._second, self._counts = second, {}
        network = int(address) >> (8 if address.version == 4 else 72)
        self._counts[network] = self._counts.get(network, 0) + 1
        return self._counts[network] <= self._most


class Listener:
    """``serve`` blocks its thread."""

    def __init__(self, conf: cfg.ConfigOpts, registry: Registry):
        self._conf = conf.dns
        self._registry = registry
        self._zone = Zone(dns.name.from_text(conf.dns.domain), conf.dns.ttl)
        self._allowed = [ipaddress.ip_network(network) for network in conf.dns.allowed_networks]
        self._rate = Rate(conf.dns.max_rate)
        self._connections: set[asyncio.Task] = set()

    def serve(self, stop: threading.Event, serves: Callable[[], None]) -> None:
        """Until ``stop`` is set; ``serves`` is called once it listens. Raises OSError when it cannot."""
        asyncio.run(self._serve(stop, serves))

    async def _serve(self, stop: threading.Event, serves: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        place = self._conf.host, self._conf.port
        transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=place)
        server = await asyncio.start_server(self._connected, *place)
        serves()
        while not stop.is_set():
            await asyncio.sleep(_NOTICE_STOP)
        server.close()
        transport.close()
        for task in list(self._connections):
            task.cancel()

    # One message

    def datagram(self, data: bytes, address: str) -> bytes | None:
        """The answer to one that came over UDP; None: none."""
        caller = self._caller(address)
        query = _query(data) if caller else None
        if query is None:
            return None
        if not self._rate.allows(caller):
            response = dns.message.make_response(query)
            response.flags |= dns.flags.TC
            return response.to_wire()
        size = min(max(query.payload, _UDP), _MOST_UDP)
        return self._answer(query).to_wire(max_size=size, prefer_truncation=True)

    def _caller(self, address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """Who may ask."""
        caller = ipaddress.ip_address(address.partition("%")[0])
        caller = getattr(caller, "ipv4_mapped", None) or caller
        return caller if any(caller in network for network in self._allowed) else None

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        try:
            view = self._registry.view()
            return self._zone.answer(query, view.types(self._conf.project_id), view.index)
        except Exception:
            LOG.exception("Cannot answer %s", query.question)
            response = dns.message.make_response(query)
            response.set_rcode(dns.rcode.SERVFAIL)
            return response

    # TCP

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        full = len(self._connections) >= self._conf.max_connections
        self._connections.add(task)
        try:
            if not full and self._caller(writer.get_extra_info("peername")[0]):
                with contextlib.suppress(TimeoutError, asyncio.IncompleteReadError, ConnectionError):
                    await self._converse(reader, writer)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(_IDLE):
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                query = _query(await reader.readexactly(length))
                if query is None:
                    return
                answer = self._answer(query).to_wire(max_size=65535, prefer_truncation=True)
                writer.write(struct.pack("!H", len(answer)) + answer)
                await writer.drain()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, listener: Listener):
        self._listener = listener

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple) -> None:
        answer = self._listener.datagram(data, address[0])
        if answer is not None:
            self._transport.sendto(answer, address)


def _query(data: bytes) -> dns.message.Message | None:
    """None for what is no query: it gets no answer, so that two servers never talk to each other."""
    try:
        message = dns.message.from_wire(data, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        return None
    return None if message.flags & dns.flags.QR else message
