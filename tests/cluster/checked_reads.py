"""Reads files of known checksums without a pause, by root:// and https, and says how each read went.

This is a program: its text runs in a person's pod, with the person's own token, and gets a wish in JSON on standard
input (`host`, `files`: path to adler32, `seconds`), and answers with a list of reads in JSON.
"""

from __future__ import annotations

import concurrent.futures
import http.client
import itertools
import json
import os
import ssl
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_PIECE = 1 << 18
Pieces = Iterator[bytes]


def root(host: str, path: str) -> Pieces:
    """A file in pieces."""
    from XRootD import client  # type: ignore[import-untyped]

    with client.File() as file:
        _good(file.open(f"root://{host}:1094/{path}"))
        for at in itertools.count(0, _PIECE):
            piece = _good(file.read(at, _PIECE))
            yield piece
            if len(piece) < _PIECE:
                return


def _good(answer: tuple[Any, Any]) -> Any:
    if not answer[0].ok:
        raise OSError(str(answer[0]).strip())
    return answer[1]


def https(host: str, path: str) -> Pieces:
    """A file in pieces."""
    where = http.client.HTTPSConnection(host, 1094, timeout=60, context=ssl.create_default_context())
    token = Path(os.environ["BEARER_TOKEN_FILE"]).read_text().strip()
    where.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    answer = where.getresponse()
    if answer.status != http.client.OK:
        raise OSError(f"status {answer.status}")
    left = int(answer.headers["Content-Length"])
    while piece := answer.read(_PIECE):
        left -= len(piece)
        yield piece
    if left:  # read(n) says nothing of it
        raise OSError(f"cut off, {left} bytes before its end")


def read(way: Callable[[str, str], Pieces], host: str, path: str, digest: str) -> dict[str, Any]:
    """One read. `wrong`: all of it came without an error, and is not the file."""
    record: dict[str, Any] = {"way": way.__name__, "path": path, "at": time.time(), "error": "", "wrong": False}
    try:
        found = 1
        for piece in way(host, path):
            found = zlib.adler32(piece, found)
        record["wrong"] = f"{found:08x}" != digest
    except (OSError, http.client.HTTPException) as error:
        record["error"] = f"{type(error).__name__}: {error}"[:300]
    return record | {"ended": time.time()}


def reads(way: Callable[[str, str], Pieces], wish: dict[str, Any]) -> list[dict[str, Any]]:
    """One read after the other, until the time is over."""
    found, end = [], time.monotonic() + wish["seconds"]
    for path, digest in itertools.cycle(wish["files"].items()):
        if time.monotonic() > end:
            break
        found.append(read(way, wish["host"], path, digest))
        time.sleep(0.1 if found[-1]["error"] else 0.02)
    return found


def main() -> None:
    """Two at once by each protocol."""
    wish = json.load(sys.stdin)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        print(json.dumps(list(itertools.chain(*pool.map(lambda way: reads(way, wish), (root, https, root, https))))))


if __name__ == "__main__":
    main()
