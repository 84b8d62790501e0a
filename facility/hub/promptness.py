"""Waiting for a server that starts: the hub itself looks after ever longer pauses of random length, up to seconds.

Those pauses keep a crowd of servers that take minutes from busying the hub. A notebook server takes two seconds, and
its person looks at the page: so in the first seconds there is a look, which costs a refused connection, each 0.05 s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

_FIRST = 10.0  # seconds; after them it is for kubespawner and the hub to wait, and to say when they give up
_PAUSE = 0.05
#: of one connection: what is sent before the node has opened its walls for a new pod is lost, and sent again too late
_PATIENCE = 0.3


class Promptness:
    """The first seconds of one server's start, which is to be over in `limit` seconds. `now`: monotonic seconds."""

    def __init__(self, limit: float, now: Callable[[], float] = time.monotonic, pause: float = _PAUSE) -> None:
        # a server that comes at the very end of its time is not to fail by having been waited for here
        self._end, self._now, self._pause = now() + min(_FIRST, limit / 2), now, pause

    @property
    def over(self) -> bool:
        """Whether to wait as usual from now on."""
        return self._now() >= self._end

    async def until(self, look: Callable[[], bool]) -> bool:
        """Whether `look` says yes, now or before the first seconds are over."""

        async def looked() -> bool:
            return look()

        return await self._until(looked)

    async def until_reached(self, url: str) -> bool:
        """Whether a TCP connection to the server of `url` is taken, now or before the first seconds are over."""
        return await self._until(lambda: _reached(url))

    async def _until(self, look: Callable[[], Awaitable[bool]]) -> bool:
        try:
            async with asyncio.timeout(max(self._end - self._now(), 0.0)):
                while not await look():  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(self._pause)
        except TimeoutError:
            return False
        return True


async def _reached(url: str) -> bool:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except OSError:  # a TimeoutError is one, too
        return False
    writer.close()
    return True
