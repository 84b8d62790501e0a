"""`python3 -m facility.xcache.accounting.main`: a container beside the cache that counts, and answers `/metrics`.

XRootD sends it datagrams over the pod's loopback; it sees no token and no file.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from pathlib import Path
from types import FrameType

from facility.storages import below
from facility.telling import METRICS, Server, Text
from facility.xcache import places
from facility.xcache.accounting.book import Book
from facility.xcache.accounting.packets import events
from facility.xcache.accounting.texts import Room, metrics

_LARGEST = 65536


class Teller:
    """What is counted, for one thread that counts and others that tell."""

    def __init__(self, vo: str, size: int, volume: Path, lakes: Path) -> None:
        self._vo, self._size, self._volume, self._lakes = vo, size, volume, lakes
        self._lock = threading.Lock()
        self._book = Book(self._origin)

    def note(self, packet: bytes) -> None:
        """Count what a datagram says."""
        with self._lock:
            self._book.note(events(packet))

    def told(self, path: str) -> Text | None:
        """Metrics; nothing else is here."""
        return Text(self._metrics(), METRICS) if path == "/metrics" else None

    def _metrics(self) -> str:
        volume = os.statvfs(self._volume)
        room = Room(self._size, volume.f_blocks * volume.f_frsize, volume.f_bavail * volume.f_frsize)
        with self._lock:
            return metrics(self._book, self._vo, room)

    def _origin(self, path: str) -> str:
        """By the lakes as they are now, of which none lies in another."""
        try:
            lines = [line.split() for line in self._lakes.read_text().splitlines()]
        except OSError:
            return ""
        return next((origin for prefix, origin in lines if below(prefix, path)), "")


def listen(teller: Teller, way: socket.socket) -> None:
    """For ever."""
    while True:
        teller.note(way.recv(_LARGEST))


def main() -> None:
    """For ever; the container is started again when it ends. Raises OSError or KeyError, with what is missing."""
    signal.signal(signal.SIGTERM, _leave)
    lakes = Path(places.CONFIG) / places.LAKES
    teller = Teller(os.environ[places.VO], int(os.environ[places.SIZE]), Path(places.ACCOUNTING), lakes)
    way = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    way.bind(("127.0.0.1", places.MONITOR_PORT))
    threading.Thread(target=Server(teller.told, places.METRICS_PORT).serve_forever, daemon=True).start()
    listen(teller, way)


def _leave(signum: int, frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
