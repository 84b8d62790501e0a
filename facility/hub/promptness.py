"""Waiting for a server that starts: the hub itself looks after ever longer pauses of random length, up to seconds.

Those pauses keep a crowd of servers that take minutes from busying the hub. A notebook server takes two seconds, and
its person looks at the page: so in the first seconds there is a look, which costs a refused connection, each 0.05 s.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

FIRST = 10.0  # seconds; after them it is for the hub to wait, and to say when it gives up
_PAUSE = 0.05


async def until_reached(url: str, seconds: float = FIRST, pause: float = _PAUSE) -> bool:
    """Whether a TCP connection to the server of `url` is taken, now or within so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            while not await _reached(url):  # noqa: ASYNC110 - nothing tells when another's port opens
                await asyncio.sleep(pause)
    except TimeoutError:
        return False
    return True


async def _reached(url: str) -> bool:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        _, writer = await asyncio.open_connection(parts.hostname, port)
    except OSError:
        return False
    writer.close()
    return True
