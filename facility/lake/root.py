"""root:// for fsspec in processes that outlive their token.

XrdCl logs in once per user@host, and the server keeps the token of that login: once it has expired, opens on that
connection fail although the token file is fresh. Here the user part of the URL is a digest of the token, so a renewed
token gets a connection of its own (and XrdCl reads the file again), while open files stay on theirs.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

from fsspec_xrootd import XRootDFileSystem
from XRootD import client

from facility.lake.credentials import token

_xrootd: Any = client  # its modules carry no types
_TAG = re.compile(r"lake[0-9a-f]{8}@")
_PIECE = XRootDFileSystem.default_max_chunk_size  # bytes that XRootD reads in one element of a vector


class LakeXRootDFileSystem(XRootDFileSystem):
    """fsspec-xrootd's filesystem, registered in its place by an entry point."""

    @property
    def hostid(self) -> str:
        """[user@]host[:port]; the user is the token's digest unless the URL came with one."""
        host = self._hostid
        if "@" in host or not (value := token(_name(host))):
            return host
        return f"lake{sha256(value.encode()).hexdigest()[:8]}@{host}"

    @hostid.setter
    def hostid(self, value: str) -> None:
        self._hostid = _TAG.sub("", value, count=1)

    @property
    def _myclient(self) -> Any:
        return _xrootd.FileSystem(f"root://{self.hostid}")

    @_myclient.setter
    def _myclient(self, value: Any) -> None:
        """The parent keeps one client for ever; ours is made for each use, as its host's name changes."""

    def unstrip_protocol(self, name: str) -> str:
        """The URL of a path with the digest of the token of this moment, also from a URL with an old one."""
        return str(super().unstrip_protocol(self._strip_protocol(name)))

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: Any) -> Any:
        """As the parent's, which cannot be called without a range as fsspec has it, and takes no end below zero."""
        if (start is not None and start < 0) or (end is not None and end < 0):
            size = (await self._info(path))["size"]
            start, end = _from_end(start, size), _from_end(end, size)
        return await super()._cat_file(path, start, end, **options)

    async def _cat_vector_read(
        self, path: str, chunks: list[tuple[int, int]], batch_size: int
    ) -> tuple[str, list[bytes]]:
        """As the parent's, which takes time in the square of a chunk's length: it gets pieces, and they are joined."""
        pieces = [cut(start, stop) for start, stop in chunks]
        flat = [piece for chunk in pieces for piece in chunk]
        parts = iter((await super()._cat_vector_read(path, flat, batch_size))[1] if flat else ())
        return path, [b"".join(next(parts) for _ in chunk) for chunk in pieces]


def _from_end(at: int | None, size: int) -> int | None:
    """A place in a file, those below zero counted from its end."""
    return at if at is None or at >= 0 else max(size + at, 0)


def cut(start: int, stop: int) -> list[tuple[int, int]]:
    """The range in pieces of which XRootD reads each at once."""
    return [(at, min(at + _PIECE, stop)) for at in range(start, stop, _PIECE)]


def _name(hostid: str) -> str:
    """The host without user and port; an IPv6 address without its brackets."""
    return str(_xrootd.URL(f"root://{hostid}").hostname).strip("[]")
