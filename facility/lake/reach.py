"""Whether a server can be reached, as `images/notebook/lakes/reach.cc` has it for XRootD's client."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from urllib.parse import urlsplit

_GOOD, _PATIENCE = 5.0, 2.0  # seconds


class Reach:
    """Of one process, asked again after a few seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._known = clock, dict[str, tuple[float, bool]]()

    def there(self, url: str) -> bool:
        """Whether something listens at the URL's host and port. Waits two seconds at most for each address of it."""
        asked, there = self._known.get(netloc := urlsplit(url).netloc, (float("-inf"), False))
        if self._clock() - asked > _GOOD:
            there = _listens(urlsplit(url).hostname or "", urlsplit(url).port or 443)
            self._known[netloc] = (self._clock(), there)
        return there


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=_PATIENCE).close()
    except OSError:
        return False
    return True
