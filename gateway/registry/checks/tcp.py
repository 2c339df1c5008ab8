"""A connection is all that is asked for."""

import asyncio
import socket
import struct

_LINGER = struct.pack("ii", 1, 0)


async def connect(address: str, port: int) -> tuple[bool, str]:
    """Raises OSError."""
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, address, port)
    reset(transport)
    return True, "connected"


def reset(transport: asyncio.Transport) -> None:
    """Closes by RST: closed politely, each check would keep one of the host's ports for a minute."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    transport.abort()


async def reaches(place: str, timeout: float) -> bool:
    """Whether HOST:PORT takes connections."""
    host, _, port = place.rpartition(":")
    try:
        async with asyncio.timeout(timeout):
            _reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except OSError:
        return False
    writer.transport.abort()
    return True
