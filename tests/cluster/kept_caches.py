"""Caches of a VO whose object says more of them than their size.

They are beside no cluster (tests.bench.cache_rig), so that what is on their volumes can be counted from here.
"""

from __future__ import annotations

import os
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facility.xcache import places
from tests.bench.cache_rig import VOLUME, Rig, Server

_BLOCK = 512  # bytes of what `st_blocks` counts
_RECORD = ".cinfo"


@dataclass(frozen=True)
class Cache:
    """A running one. volume: its folder on this machine."""

    rig: Rig
    server: Server
    volume: Path

    def read(self, path: str) -> bytes:
        """A file, as curl would. Raises OSError."""
        bearer = {"Authorization": f"Bearer {self.rig.token.read_text()}"}
        wanted = urllib.request.Request(self.server.url("https", path), headers=bearer)
        trust = ssl.create_default_context(cafile=self.rig.authority.bundle)
        with urllib.request.urlopen(wanted, context=trust, timeout=60) as answer:
            body: bytes = answer.read()
            return body

    def kept(self, folder: str) -> set[str]:
        """Names of the folder's files of which there is something, without those below."""
        return {one.name.removesuffix(_RECORD) for one in self._place(folder).glob(f"*{_RECORD}")}

    def bytes_below(self, folder: str) -> int:
        """On disk of the folder's files, without those below."""
        return sum(self.bytes(f"{folder}/{name}") for name in self.kept(folder))

    def bytes(self, path: str) -> int:
        """On disk of a file; what was not fetched is a hole."""
        try:
            return self._place(path).stat().st_blocks * _BLOCK
        except FileNotFoundError:
            return 0

    def unread_for(self, path: str, seconds: float) -> None:
        """From now on the cache's record of a file says that nobody has read it for so long, by its time of change."""
        then = time.time() - seconds
        os.utime(self._place(f"{path}{_RECORD}"), (then, then))

    def until(self, what: str, so: Callable[[], object], seconds: float) -> None:
        """Waits until it is so. Raises AssertionError with the cache's log."""
        end = time.monotonic() + seconds
        while not so():
            assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s\n{self.log()}"
            time.sleep(0.2)

    def log(self) -> str:
        """The end of what it has logged."""
        command = ["docker", "logs", "--tail=60", self.server.container]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        return f"{told.stdout}{told.stderr}"

    def now(self, **settings: Any) -> None:
        """The VO's object says that of it, while it runs."""
        self.rig.says(self.server.name, **settings)

    def end(self) -> None:
        """For good."""
        subprocess.run(["docker", "rm", "-f", self.server.container], check=True, capture_output=True)

    def _place(self, path: str) -> Path:
        return self.volume / Path(places.DATA).relative_to(places.VOLUME) / path.lstrip("/")


class Caches(Rig):
    """The rig, with such caches."""

    def kept(self, name: str, origin: int, *, port: int = 0, volume: Path | None = None, **settings: Any) -> Cache:
        """One of them. origin: the port of its lake's, by https; the rest as a cache of the rig."""
        self.stored_at(origin)
        server = self.cache(name, port=port, volume=volume, **settings)
        return Cache(self, server, volume or self.folder / name / VOLUME)


@contextmanager
def caches(folder: Path) -> Iterator[Caches]:
    """All of it, until the end; nothing of it stays."""
    with ExitStack() as stack:
        yield Caches(folder, stack)
