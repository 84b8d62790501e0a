"""Addresses of the hosts that VOs list for their network policies, which know addresses only."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_KEPT = 600.0  # seconds for which an address stays that a name does not resolve to any more: pods may have just got it
_LIFE, _RETRY = 60.0, 15.0  # seconds
_PATIENCE = 10.0  # seconds
_THREADS = 4  # of their own: resolvers that hang are to hold up nothing else

#: resolves a name, blocking; raises OSError
Resolve = Callable[[str], set[str]]


def resolve(host: str) -> set[str]:
    """All its addresses, as the machine's resolver gives them. Raises OSError."""
    return {str(found[4][0]).partition("%")[0] for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}


class Hosts:
    """Looks names up. What was found once is kept as long as the name cannot be resolved."""

    def __init__(self, now: Callable[[], float], lookup: Resolve = resolve) -> None:
        self._now, self._lookup = now, lookup
        self._seen: dict[str, dict[str, float]] = {}
        self._threads = ThreadPoolExecutor(_THREADS, "resolver")

    async def ask(self, host: str, before: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Its addresses, sorted; none if it has never been found."""
        now, loop = self._now(), asyncio.get_running_loop()
        try:
            found = await asyncio.wait_for(loop.run_in_executor(self._threads, self._lookup, host), _PATIENCE)
        except (OSError, TimeoutError, UnicodeError):  # the last for what cannot be a name
            return before or ()
        kept = {one: when for one, when in self._seen.get(host, {}).items() if now - when < _KEPT}
        self._seen[host] = kept | dict.fromkeys(found, now)
        return tuple(sorted(self._seen[host]))

    @staticmethod
    def life(addresses: tuple[str, ...]) -> float:
        """Seconds for which an answer is good."""
        return _LIFE if addresses else _RETRY

    def close(self) -> None:
        """Wait for no lookup any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
