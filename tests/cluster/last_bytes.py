"""Reads through a cache in four ways for as long as it lasts, and says when each of them was given bytes for the last
time: new opens by root:// and https, each with a connection of its own, and a long read that each of the two holds.

This is a program: its text runs in a person's pod. It gets a wish in JSON on standard input (`host`, `path`, `token`,
`seconds`, and `begun`: a file that it makes once all four have bytes, and takes away at its end), and answers in JSON
after those seconds (`last`: moments since the epoch by way, `said`: the last error of each). What it reads has to be
long enough for that.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import socket
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_PORT, _PATIENCE = 1094, 3
#: bytes, and seconds between them: slow enough to last, and more than what waits in sockets for a second
_PIECE, _PAUSE = 1 << 16, 0.1
_CONTEXT = ssl.create_default_context()
Wish = dict[str, Any]


def opened_by_https(wish: Wish) -> Iterator[bytes]:
    """A piece by each request."""
    while True:
        yield _requested(wish, {"Range": f"bytes=0-{_PIECE - 1}"}).read()


def held_by_https(wish: Wish) -> Iterator[bytes]:
    """Piece by piece of one answer."""
    answer = _requested(wish, {})
    while True:
        yield answer.read(_PIECE)


def _requested(wish: Wish, headers: dict[str, str]) -> http.client.HTTPResponse:
    """With little room for what was not read yet: what waits there would seem to come from a cache that is gone."""
    plain = socket.socket()
    plain.settimeout(_PATIENCE)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _PIECE)
    plain.connect((wish["host"], _PORT))
    where = http.client.HTTPSConnection(wish["host"], _PORT)
    where.sock = _CONTEXT.wrap_socket(plain, server_hostname=wish["host"])
    where.request("GET", wish["path"], headers={"Authorization": f"Bearer {wish['token']}"} | headers)
    answer = where.getresponse()
    if answer.status not in (http.client.OK, http.client.PARTIAL_CONTENT):
        raise OSError(f"status {answer.status}")
    return answer


def opened_by_root(wish: Wish) -> Iterator[bytes]:
    """A piece by each open; another name is another login."""
    for number in itertools.count():
        with _opened(wish, f"opens{number}") as file:
            yield _good(file.read(0, _PIECE, timeout=_PATIENCE))


def held_by_root(wish: Wish) -> Iterator[bytes]:
    """Piece by piece of one file that stays open."""
    file = _opened(wish, "holds")
    for at in itertools.count(0, _PIECE):
        yield _good(file.read(at, _PIECE, timeout=_PATIENCE))


def _opened(wish: Wish, name: str) -> Any:
    from XRootD import client  # reads BEARER_TOKEN_FILE

    file = client.File()
    _good(file.open(f"root://{name}@{wish['host']}:{_PORT}/{wish['path']}", timeout=_PATIENCE))
    return file


def _good(answer: tuple[Any, Any]) -> Any:
    if not answer[0].ok:
        raise OSError(str(answer[0]).strip())
    return answer[1]


#: by name, with whether it begins anew after an error
_WAYS: dict[str, tuple[Callable[[Wish], Iterator[bytes]], bool]] = {
    "opened by https": (opened_by_https, True),
    "opened by root": (opened_by_root, True),
    "held by https": (held_by_https, False),
    "held by root": (held_by_root, False),
}


class Watch:
    """When each way was last given bytes, and what was said to it last."""

    def __init__(self, wish: Wish) -> None:
        self._wish, self.last, self.said = wish, dict.fromkeys(_WAYS, 0.0), dict.fromkeys(_WAYS, "")

    def follow(self, way: str) -> None:
        """Until it ends, or for ever."""
        pieces, again = _WAYS[way]
        while True:
            try:
                for piece in pieces(self._wish):
                    if not piece:
                        raise OSError("no more bytes")
                    self.last[way] = time.time()
                    time.sleep(_PAUSE)
            except (OSError, http.client.HTTPException) as error:
                self.said[way] = f"{time.time():.1f} {type(error).__name__}: {error}"
            if not again:
                return
            time.sleep(_PAUSE)


def main() -> None:
    """All four at once. Not joined: XRootD's client goes on asking for a cache that is away."""
    wish = json.load(sys.stdin)
    end, watch = time.monotonic() + wish["seconds"], Watch(wish)
    with tempfile.NamedTemporaryFile("w") as kept:  # mode 0600, as XRootD's client wants it
        kept.write(wish["token"])
        kept.flush()
        os.environ["BEARER_TOKEN_FILE"] = kept.name
        for way in _WAYS:
            threading.Thread(target=watch.follow, args=[way], daemon=True).start()
        while time.monotonic() < end:
            if all(watch.last.values()):
                Path(wish["begun"]).touch()
            time.sleep(_PAUSE)
    Path(wish["begun"]).unlink(missing_ok=True)
    print(json.dumps({"last": watch.last, "said": watch.said}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
