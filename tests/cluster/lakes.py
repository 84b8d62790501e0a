"""The demo's lake as those see it who keep it: files come, grow, are replaced and go at the origin."""

from __future__ import annotations

import json
import posixpath
from typing import Any

from facility.dev.demo import world
from facility.dev.demo.mainjob import Stage

_FILL = """
import os, pathlib, sys
folder, count, size, first = pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:])
folder.mkdir(parents=True, exist_ok=True)
for number in range(first, first + count):
    (folder / str(number)).write_bytes(os.urandom(size))
"""
_LISTING = """
import json, os, sys
print(json.dumps({one.name: one.stat().st_size for one in os.scandir(sys.argv[1])}))
"""
_CHECKSUMS = """
import json, pathlib, sys, zlib
print(json.dumps({one.name: f"{zlib.adler32(one.read_bytes()):08x}" for one in pathlib.Path(sys.argv[1]).iterdir()}))
"""
_SENT = """
print(next(line.split()[9] for line in open("/proc/net/dev") if line.split()[0] == "eth0:"))
"""


def put(stage: Stage, path: str, size: int, letter: str = "a") -> None:
    """A file of so many letters at the origin: whole at once, in the place of one that is there."""
    written = f"head -c {size} /dev/zero | tr '\\0' {letter}"
    folder = posixpath.dirname(path)
    _shell(stage, f'mkdir -p "/data{folder}" && {written} >"/data{path}.new" && mv "/data{path}.new" "/data{path}"')


def append(stage: Stage, path: str, size: int) -> None:
    """That many bytes more at a file's end."""
    _shell(stage, f'head -c {size} /dev/zero >>"/data{path}"')


def remove(stage: Stage, path: str) -> None:
    """No such file or folder any more, if there was one."""
    _shell(stage, f'rm -rf "/data{path}"')


def fill(stage: Stage, folder: str, *, count: int, size: int, first: int = 0) -> None:
    """So many files of random bytes in a folder, called by numbers."""
    _python(stage, _FILL, f"/data{folder}", str(count), str(size), str(first))


def listing(stage: Stage, folder: str) -> dict[str, int]:
    """What is in a folder: names and what the file system says of their sizes."""
    return _told(stage, _LISTING, folder)


def checksums(stage: Stage, folder: str) -> dict[str, str]:
    """adler32 of all files of a folder, by name."""
    return _told(stage, _CHECKSUMS, folder)


def checksum(stage: Stage, path: str, kind: str) -> str:
    """adler32 or crc32c of a file, by XRootD's own tool."""
    return _at_origin(stage, f"xrd{kind}", f"/data{path}").split()[0]


def sent(stage: Stage) -> int:
    """Bytes that the origin has sent since it began, with all that goes around data."""
    return int(_python(stage, _SENT))


def _told(stage: Stage, program: str, folder: str) -> Any:
    return json.loads(_python(stage, program, f"/data{folder}"))


def _python(stage: Stage, program: str, *arguments: str) -> str:
    return _at_origin(stage, "python3", "-c", program, *arguments)


def _shell(stage: Stage, command: str) -> None:
    _at_origin(stage, "sh", "-c", command)


def _at_origin(stage: Stage, *command: str) -> str:
    return stage.cluster.do("exec", "-n", world.NAMESPACE, "deploy/origin", "-c", "origin", "--", *command)
