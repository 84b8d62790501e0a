"""Who waits for news: agents ask what they should have and are answered when that changes, within the second."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: requests that may wait at the same time, where memory has no limit; whoever comes later has to ask again
MOST = 20_000
_REST = 256 << 20  # bytes that the process needs besides, with the sessions and tokens of thousands
_EACH = 80 << 10  # bytes of a waiting request: 59 kB were measured, most of it OpenSSL's


def room(limit: Path = Path("/sys/fs/cgroup/memory.max")) -> int:
    """How many may wait within this container's limit of memory (cgroup v2), 100 at the least."""
    try:
        memory = int(limit.read_text())
    except (OSError, ValueError):  # "max": no limit
        return MOST
    return min(MOST, max(100, (memory - _REST) // _EACH))


class Changes:
    """Events by name, a VO's or a hub user's."""

    def __init__(self, most: int = MOST) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._most = most
        self._count = 0
        self.closed = False

    @property
    def full(self) -> bool:
        """Whether nobody more may wait."""
        return self.closed or self._count >= self._most

    @property
    def count(self) -> int:
        """How many wait now."""
        return self._count

    def tell(self, name: str) -> None:
        """Wakes all who wait for news of `name`."""
        for event in self._waiting.get(name, ()):
            event.set()

    def close(self) -> None:
        """Wakes everybody for good: the process is about to end."""
        self.closed = True
        for name in self._waiting:
            self.tell(name)

    @contextmanager
    def listening(self, *names: str) -> Iterator[asyncio.Event]:
        """An event that is set by news of any of these names while the context lasts."""
        event = asyncio.Event()
        self._count += 1
        for name in names:
            self._waiting.setdefault(name, set()).add(event)
        try:
            yield event
        finally:
            self._count -= 1
            for name in names:
                self._waiting[name].discard(event)
                if not self._waiting[name]:
                    del self._waiting[name]
