"""`python3 -m facility.xcache.accounting.main`: a container beside the cache that counts, and answers `/metrics`.

XRootD sends it datagrams over the pod's loopback; it sees no token and no file.
"""

from __future__ import annotations

import json
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
from facility.xcache.accounting.held import FILE, Held, parsed
from facility.xcache.accounting.packets import events
from facility.xcache.accounting.quotas import directories
from facility.xcache.accounting.texts import Room, metrics

_LARGEST = 65536


class Teller:
    """What is counted, for one thread that counts and others that tell."""

    def __init__(self, vo: str, size: int, volume: Path, config: Path, version: str = "") -> None:
        """volume: a folder of it, in which XRootD writes down what it holds. config: the cache's. version: XRootD's."""
        self._vo, self._size, self._volume, self._config, self._version = vo, size, volume, config, version
        self._last: Held | None = None
        self._lock = threading.Lock()
        self._book = Book(self._origin)

    def note(self, packet: bytes) -> None:
        """Count what a datagram says."""
        with self._lock:
            self._book.note(events(packet))

    def told(self, path: str) -> Text | None:
        """Metrics, and what the cache holds, as JSON; nothing else is here."""
        if path == "/metrics":
            return Text(self._metrics(), METRICS)
        if path == f"/{places.PROGRESS}":
            return self._progress()
        held = self._held() if path == "/held.json" else None
        if held is None:
            return None
        told = {"at": held.at, "size": held.size, "files": held.files, "limit": self._size, "version": self._version}
        return Text(json.dumps(told) + "\n", "application/json")

    def _progress(self) -> Text | None:
        """How far datasets are, as the cache writes it down; nothing before the first time."""
        try:
            return Text((self._volume / places.PROGRESS).read_text(), "application/json")
        except OSError:
            return None

    def _held(self) -> Held | None:
        """As it was written last; nothing before the first time."""
        try:
            found = parsed((self._volume / FILE).read_text())
        except OSError:
            found = None
        self._last = found or self._last
        return self._last

    def _metrics(self) -> str:
        held = self._held()
        volume = os.statvfs(self._volume)
        room = Room(self._size, volume.f_blocks * volume.f_frsize, volume.f_bavail * volume.f_frsize)
        with self._lock:
            return metrics(self._book, self._vo, room, held and held.told(directories(self._said(places.KEEPING))))

    def _origin(self, path: str) -> str:
        """By the lakes as they are now, of which none lies in another."""
        lines = [line.split() for line in self._said(places.LAKES).splitlines()]
        return next((origin for prefix, origin, *_ in lines if below(prefix, path)), "")

    def _said(self, name: str) -> str:
        """A file of the cache's configuration, as it is now; nothing while there is none."""
        try:
            return (self._config / name).read_text()
        except OSError:
            return ""


def listen(teller: Teller, way: socket.socket) -> None:
    """For ever."""
    while True:
        teller.note(way.recv(_LARGEST))


def main() -> None:
    """For ever; the container is started again when it ends. Raises OSError or KeyError, with what is missing."""
    signal.signal(signal.SIGTERM, _leave)
    size, version = int(os.environ[places.SIZE]), version_of("xrootd-server", Path(places.PACKAGES).read_text())
    teller = Teller(os.environ[places.VO], size, Path(places.ACCOUNTING), Path(places.CONFIG), version)
    way = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    way.bind(("127.0.0.1", places.MONITOR_PORT))
    threading.Thread(target=Server(teller.told, places.METRICS_PORT).serve_forever, daemon=True).start()
    listen(teller, way)


def version_of(package: str, packages: str) -> str:
    """Of a Debian package by the image's list, without Debian's own part; empty where it is not in it."""
    lines = (line.split() for line in packages.splitlines())
    return next((line[2].partition("-")[0] for line in lines if line[:2] == ["deb", package]), "")


def _leave(signum: int, frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
