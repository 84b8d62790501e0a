"""What jobs of an execute pod have taken of what would end the pod if it were full: memory, and its volume on disk.

A gauge tells whether it is about to be full, at little cost, and how much of it each account has.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

CGROUP, PROC = Path("/sys/fs/cgroup"), Path("/proc")
#: MiB before the pod's limit at which memory counts as full; what a job can take between two looks must be less
HEADROOM = 96
#: MiB beyond what jobs have together at which the disk counts as full, less than facility.condor.shapes.DAEMONS_DISK
EXCESS = 64
#: seconds between two looks at the disk, and how much longer than a look the pause is
_SELDOM, _RESTING = 0.5, 10
_MIB = 2**20


class Processes:
    """The processes of some accounts."""

    def __init__(self, uids: Collection[int], proc: Path = PROC) -> None:
        self.uids, self._proc = uids, proc

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Process id and account of each."""
        for path in self._proc.iterdir():
            if path.name.isdigit() and (uid := _account(path)) in self.uids:
                yield int(path.name), uid

    def sizes(self) -> dict[int, int]:
        """Bytes of memory that each account's processes have."""
        found: dict[int, int] = {}
        for pid, uid in self:
            found[uid] = found.get(uid, 0) + _resident(self._proc / str(pid))
        return found


class _Files(NamedTuple):
    """Where a version of cgroups says what a container may take, what it takes, and of what kinds."""

    limit: str
    current: str
    stat: str
    lasting: tuple[str, ...]


#: what the kernel keeps for processes: page tables of large ones, buffers of sockets, and the like
_KERNEL = ("kernel_stack", "pagetables", "sec_pagetables", "percpu", "sock", "vmalloc", "slab_unreclaimable")
_VERSIONS = (
    _Files("memory.max", "memory.current", "memory.stat", ("anon", "shmem", *_KERNEL)),
    _Files(
        "memory/memory.limit_in_bytes",
        "memory/memory.usage_in_bytes",
        "memory/memory.stat",
        ("total_rss", "total_shmem"),
    ),
)
_UNLIMITED = 2**60  # bytes: version 1 says a number of that size where there is no limit


class Memory:
    """The memory of the container's cgroup: what nothing can be done about, anonymous and shared pages, and what the
    kernel keeps for its processes. Caches of files give way by themselves. Where there is no limit, it is never full.
    """

    name = "memory"

    def __init__(self, processes: Processes, cgroup: Path = CGROUP) -> None:
        files = next((one for one in _VERSIONS if (cgroup / one.limit).is_file()), _VERSIONS[0])
        self._current, self._stat, self._lasting = cgroup / files.current, cgroup / files.stat, files.lasting
        self._most, self._processes = _limit(cgroup / files.limit) - HEADROOM * _MIB, processes

    def full(self) -> bool:
        """Raises OSError or ValueError when it cannot be read."""
        if self._most <= 0 or int(self._current.read_text()) < self._most:
            return False
        numbers = dict(line.split(maxsplit=1) for line in self._stat.read_text().splitlines())
        return sum(int(numbers.get(name, 0)) for name in self._lasting) >= self._most

    def sizes(self) -> dict[int, int]:
        """Bytes by account."""
        return self._processes.sizes()


class Disk:
    """The directories of jobs. There is no quota on them: Kubernetes ends the pod some seconds after it is full."""

    name = "disk"

    def __init__(self, directory: Path, most: int, uids: Collection[int], now: Callable[[], float]) -> None:
        """`most`: MiB that jobs have together; `now`: in seconds, of a clock that only goes on."""
        self._directory, self._most, self._uids, self._now = directory, (most + EXCESS) * _MIB, uids, now
        self._next, self._full, self._sizes = 0.0, False, dict[int, int]()

    def full(self) -> bool:
        """As it was at the last look, which is some seconds ago where there are very many files."""
        if self._now() >= self._next:
            begun = self._now()
            self._sizes = {}
            self._full = sum(self._used(str(self._directory))) >= self._most
            self._next = self._now() + max(_SELDOM, _RESTING * (self._now() - begun))
        return self._full

    def sizes(self) -> dict[int, int]:
        """Bytes by account, at the last look."""
        return self._sizes

    def _used(self, directory: str) -> Iterator[int]:
        """Bytes of each file below, as far as it can be seen: jobs make and remove them meanwhile."""
        with suppress(OSError), os.scandir(directory) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        yield from self._used(entry.path)
                    found = entry.stat(follow_symlinks=False)
                    if found.st_uid in self._uids:
                        self._sizes[found.st_uid] = self._sizes.get(found.st_uid, 0) + found.st_blocks * 512
                    yield found.st_blocks * 512


def _limit(path: Path) -> int:
    """Bytes; 0 where there is no limit, or no cgroup."""
    text = path.read_text().strip() if path.is_file() else "max"
    return 0 if text == "max" or int(text) >= _UNLIMITED else int(text)


def _account(process: Path) -> int:
    """The real uid; -1 when the process has gone. Not the directory's owner, which a process can change."""
    with suppress(OSError):
        for line in (process / "status").read_text().splitlines():
            if line.startswith("Uid:"):
                return int(line.split()[1])
    return -1


def _resident(process: Path) -> int:
    with suppress(OSError, ValueError, IndexError):
        return int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
