"""A way to a server on this machine that is as long as one across a continent: each byte arrives later, both ways."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_MOST = 1 << 16


@contextmanager
def late(port: int, seconds: float) -> Iterator[int]:
    """The port on localhost that leads to the other one while the context lasts; seconds: of each way."""
    ready: queue.Queue[tuple[int, Callable[[], object]]] = queue.Queue()

    async def relaying() -> None:
        server = await asyncio.start_server(_Relay(port, seconds).meet, "127.0.0.1")
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        ready.put((server.sockets[0].getsockname()[1], lambda: loop.call_soon_threadsafe(over.set)))
        await over.wait()
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(relaying(),))
    thread.start()
    opened, end = ready.get(timeout=10)
    try:
        yield opened
    finally:
        end()
        thread.join()


class _Relay:
    def __init__(self, port: int, seconds: float) -> None:
        self._port, self._seconds = port, seconds

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection and its other half."""
        there, to = await asyncio.open_connection("127.0.0.1", self._port)
        with suppress(asyncio.CancelledError):  # the end
            await asyncio.gather(self._carry(reader, to), self._carry(there, writer))
        for one in (to, writer):
            one.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            while data := await reader.read(_MOST):
                loop.call_later(self._seconds, writer.write, data)
        await asyncio.sleep(self._seconds)
        writer.close()
