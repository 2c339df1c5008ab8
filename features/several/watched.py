"""Many small HTTP services, which write down who asks them and when."""

import asyncio
import collections
import itertools
import threading
import time


class Watched:
    """``count`` of them on ``ports`` of ``address``; those in ``dead`` answer 500."""

    def __init__(self, count: int, address: str):
        self.ports: list[int] = []
        self.dead: set[int] = set()
        self._asked: dict[int, collections.deque] = collections.defaultdict(
            lambda: collections.deque(maxlen=500)
        )
        self._up = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve(count, address)), daemon=True).start()
        assert self._up.wait(30)

    async def _serve(self, count: int, address: str) -> None:
        for _ in range(count):
            server = await asyncio.start_server(self._answer, address, 0)
            self.ports.append(server.sockets[0].getsockname()[1])
        self._up.set()
        await asyncio.Event().wait()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port, peer = writer.get_extra_info("sockname")[1], writer.get_extra_info("peername")[0]
        try:
            await reader.readuntil(b"\r\n\r\n")
            self._asked[port].append((time.monotonic(), peer))
            status = b"500 Dead" if port in self.dead else b"200 OK"
            writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def askers(self, port: int, since: float, until: float = float("inf")) -> list[str]:
        """Their addresses, in order."""
        return [peer for at, peer in list(self._asked[port]) if since <= at <= until]

    def longest_gap(self, since: float) -> float:
        """Seconds that any of them was not asked for."""
        now, longest = time.monotonic(), 0.0
        for port in self.ports:
            times = [since, *(at for at, _ in list(self._asked[port]) if at >= since), now]
            longest = max(longest, *(b - a for a, b in itertools.pairwise(times)))
        return longest
