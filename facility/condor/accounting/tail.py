"""Reads what is appended to a file of HTCondor's, also while HTCondor renames it and begins another.

How far it has been read is known by the file itself (its inode and the last line read in it), not by its name: so no
record is read twice and none is left out, whenever this is ended and begun again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from facility.condor.accounting.told import BANNER, Told, told

_KEPT = 86400.0  # seconds for which a file is remembered that is not seen any more
_MOST = 5000  # records read at a time


@dataclass
class Mark:
    """How far a file has been read: after `offset` bytes, the last line of which was `banner`; seen: when."""

    offset: int
    banner: str
    seen: float


class Tail:
    """The file `path` and those that it was before (`path.<time>`)."""

    def __init__(
        self, path: Path, now: Callable[[], float], marks: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        """`marks`: what an earlier one gave as `marks()`."""
        self._path, self._now = path, now
        self._marks = {inode: Mark(**mark) for inode, mark in (marks or {}).items()}

    def marks(self) -> dict[str, dict[str, Any]]:
        """How far all has been read, for JSON."""
        return {inode: asdict(mark) for inode, mark in self._marks.items()}

    def read(self) -> list[Told]:
        """New records, the oldest first, no more than a few thousand at a time. Raises OSError."""
        found: list[Told] = []
        for path in self._files():
            with suppress(FileNotFoundError), path.open("rb") as file:  # begun anew: the next look finds it
                found += self._new(file, _MOST - len(found))
        old = [inode for inode, mark in self._marks.items() if mark.seen + _KEPT < self._now()]
        for inode in old:
            del self._marks[inode]
        return found

    def _files(self) -> list[Path]:
        """The oldest first: their names end in the time at which they were begun anew."""
        before = [one for one in self._path.parent.iterdir() if one.name.startswith(f"{self._path.name}.")]
        return [*sorted(before), self._path]

    def _new(self, file: BinaryIO, most: int) -> list[Told]:
        inode = str(os.fstat(file.fileno()).st_ino)
        mark = self._marks.get(inode)
        if mark is None or not _here(file, mark):
            mark = self._marks[inode] = Mark(0, "", self._now())
        mark.seen = self._now()
        file.seek(mark.offset)
        found: list[Told] = []
        for lines, banner in _records(file):
            if len(found) >= most:
                break
            mark.offset += sum(map(len, lines)) + len(banner)
            mark.banner = _text(banner)
            record = told(map(_text, lines), mark.banner)
            found += [record] if record else []
        return found


def _records(lines: Iterable[bytes]) -> Iterator[tuple[list[bytes], bytes]]:
    """Whole records; what is not ended yet is left for another time."""
    gathered: list[bytes] = []
    for line in lines:
        if not line.endswith(b"\n"):
            return
        if line.startswith(BANNER.encode()):
            yield gathered, line
            gathered = []
        else:
            gathered.append(line)


def _here(file: BinaryIO, mark: Mark) -> bool:
    """Whether the mark is of this file: inodes are given anew."""
    line = mark.banner.encode(errors="surrogateescape")
    file.seek(max(mark.offset - len(line), 0))
    return file.read(len(line)) == line


def _text(line: bytes) -> str:
    return line.decode(errors="surrogateescape")
