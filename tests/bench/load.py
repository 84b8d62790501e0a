"""`python -m tests.bench.load PLAN`: asks one server over TLS connections that stay open, as fast as it answers.

The plan is a JSON file: `host`, `port`, `bundle` (of the CA), `connections`, `requests` (a file with whole HTTP
requests, one per line, as JSON strings; taken in turn) and `seconds`. What comes out is one JSON object: how many
answers, in how many seconds, how many were not 200, and the times to answer in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any


class Client(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, requests: Iterator[bytes], until: float, took: list[float], bad: list[bytes]) -> None:
        self._requests, self._until, self._took, self._bad = requests, until, took, bad
        self._buffer, self._begun = b"", 0.0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Called by asyncio."""
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return
        self._took.append(time.perf_counter() - self._begun)
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")):
            self._bad.append(head.partition(b"\r\n")[0])
        self._buffer = b""
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        """Called by asyncio."""
        if not self.done.done():
            self.done.set_result(None)

    def _next(self) -> None:
        self._begun = time.perf_counter()
        if self._begun < self._until:
            self._transport.write(next(self._requests))
        else:
            self._transport.close()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def load(plan: dict[str, Any], texts: list[bytes]) -> dict[str, Any]:
    """Does what the plan says, with these requests."""
    trust, requests = ssl.create_default_context(cafile=plan["bundle"]), cycle(texts)
    took: list[float] = []
    bad: list[bytes] = []
    began = time.perf_counter()
    made = await asyncio.gather(
        *(
            asyncio.get_running_loop().create_connection(
                lambda: Client(requests, began + plan["seconds"], took, bad), plan["host"], plan["port"], ssl=trust
            )
            for _ in range(plan["connections"])
        )
    )
    await asyncio.gather(*(client.done for _, client in made))
    seconds = time.perf_counter() - began
    return {"answers": len(took), "seconds": seconds, "bad": len(bad), "ms": [round(one * 1000, 3) for one in took]}


def main(path: Path) -> None:
    """Reads the plan, and says what has come of it."""
    plan = json.loads(path.read_text())
    texts = [json.loads(line).encode() for line in Path(plan["requests"]).read_text().splitlines()]
    print(json.dumps(asyncio.run(load(plan, texts))))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
