"""Reads files of known content, by root:// and https, and says how each read went.

This is a program: its text runs in a person's pod, gets a wish in JSON on standard input, and answers with a list of
reads in JSON. The wish: `host`; by kind of reader (`KINDS`) which files those read (path to content); `who`, which is
part of readers' names; `token`, shown instead of the person's own if there is one; `retry`, seconds until somebody
tries again who got an error; `signs`, a folder of empty files by which it is told `struck` and `end`, and says who has
begun; `seconds`, after which it ends untold.
"""

from __future__ import annotations

import concurrent.futures
import http.client
import itertools
import json
import os
import ssl
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

PIECE = 1 << 18
#: a file's: where each piece of it ends, and adler32 of all until there
Content = Sequence[tuple[int, str]]
Files = dict[str, Content]
Pieces = Iterator[bytes]
Way = Callable[[str, str], Pieces]
Record = dict[str, Any]

#: how often everything has been read when somebody has begun who reads it again and again: what they read is cached
ROUNDS = 3
#: seconds between reads of what is cached, of what is not, of what is refused; and between pieces of what is held
_AGAIN, _COLD, _NEVER, _HELD = 0.02, 0.7, 0.5, 0.1
#: XRootD's client then asks the server each time, instead of waiting for one that is away
_IMPATIENT = {"XRD_CONNECTIONWINDOW": "5", "XRD_CONNECTIONRETRY": "1"}
#: seconds after which it gives up a request: longer than any test allows, so that the program ends in any case
_UNBEARABLE = "120"


def root(host: str, path: str) -> Pieces:
    """A file in pieces. host: with a user before it, by a connection and a login of its own."""
    from XRootD import client  # type: ignore[import-untyped]

    with client.File() as file:
        _good(file.open(f"root://{host}:1094/{path}"))
        for at in itertools.count(0, PIECE):
            piece = _good(file.read(at, PIECE))
            yield piece
            if len(piece) < PIECE:
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
    while piece := answer.read(PIECE):
        left -= len(piece)
        yield piece
    if left:  # read(n) says nothing of it
        raise OSError(f"cut off, {left} bytes before its end")


def read(
    way: Way, host: str, path: str, digest: str, content: Content = (), rest: Callable[[int], object] = lambda _: None
) -> Record:
    """One read. `wrong`: what came is not the file's, even if an error came after it; or the end came too early, and no
    error. `bytes`: so many came. rest: done after each piece, with how many came until then."""
    record: Record = {"way": way.__name__, "path": path, "at": time.time(), "bytes": 0, "error": "", "wrong": False}
    found, good = 1, dict(content)
    try:
        for piece in way(host, path):
            found = zlib.adler32(piece, found)
            record["bytes"] += len(piece)
            record["wrong"] |= good.get(record["bytes"], f"{found:08x}") != f"{found:08x}"
            rest(record["bytes"])
        record["wrong"] |= f"{found:08x}" != digest
    except (OSError, http.client.HTTPException) as error:
        record["error"] = f"{type(error).__name__}: {error}"[:300]
    return record | {"ended": time.time()}


class Task:
    """What one reader reads, and how."""

    def __init__(self, wish: dict[str, Any], kind: str, way: Way, number: int) -> None:
        self.name = f"{wish['who']}-{kind}-{way.__name__}-{number}"
        self.kind, self.way, self.files = kind, way, wish[kind]
        self.host, self.retry = wish["host"], wish["retry"]
        self._signs, self._end = Path(wish["signs"]), time.monotonic() + wish["seconds"]

    def read(self, path: str, rest: Callable[[int], object] = lambda _: None, user: str = "") -> Record:
        """One of the files."""
        content = self.files[path]
        one = read(self.way, f"{user}{self.host}", path, content[-1][1], content, rest)
        return one | {"kind": self.kind, "reader": self.name}

    def begun(self) -> None:
        """Say so."""
        (self._signs / self.name).touch()

    def told(self, sign: str) -> bool:
        """Whether there is that sign."""
        return (self._signs / sign).exists()

    def over(self) -> bool:
        """Whether it is time to end."""
        return self.told("end") or time.monotonic() > self._end


def again(task: Task) -> Iterator[Record]:
    """All files, one after the other, without a pause."""
    good = 0
    for path in itertools.cycle(task.files):
        if task.over():
            return
        yield (one := task.read(path))
        good += not one["error"]
        if good == ROUNDS * len(task.files):
            task.begun()
        time.sleep(task.retry if one["error"] else _AGAIN)


def cold(task: Task) -> Iterator[Record]:
    """Files that nobody has read yet, each once: every other one, as the others are read the other way."""
    for path in list(task.files)[WAYS.index(task.way) :: len(WAYS)]:
        if task.over():
            return
        yield (one := task.read(path))
        if not one["error"]:
            task.begun()
        time.sleep(_COLD)


def held(task: Task) -> Iterator[Record]:
    """A large file, slowly, of which the second half is read only when it has `struck`."""
    ((path, content),) = task.files.items()

    def rest(came: int) -> None:
        task.begun()
        while not task.told("struck") and not task.over():
            time.sleep(_HELD)
            if came < content[-1][0] / 2:
                return

    yield task.read(path, rest)


def never(task: Task) -> Iterator[Record]:
    """What is not theirs to read, each time by a login of their own: after one that failed XRootD's client fails all
    others like it by itself."""
    for number, path in enumerate(itertools.cycle(task.files)):
        if task.over():
            return
        yield task.read(path, user=f"w{number}@" if task.way is root else "")
        task.begun()
        time.sleep(_NEVER)


WAYS: tuple[Way, ...] = (root, https)
#: of readers: what they do, and how many of them do it in each way
KINDS: dict[str, tuple[Callable[[Task], Iterator[Record]], int]] = {
    "again": (again, 2),
    "cold": (cold, 1),
    "held": (held, 1),
    "never": (never, 1),
}


def readers(wish: dict[str, Any]) -> list[Task]:
    """All whom it takes."""
    numbers = {kind: range(many) for kind, (_, many) in KINDS.items() if wish.get(kind)}
    return [Task(wish, kind, way, number) for kind, some in numbers.items() for way in WAYS for number in some]


def main() -> None:
    """All of them at once."""
    wish = json.load(sys.stdin)
    Path(wish["signs"]).mkdir(exist_ok=True)
    os.environ.setdefault("XRD_REQUESTTIMEOUT", _UNBEARABLE)
    with tempfile.NamedTemporaryFile("w") as kept:  # mode 0600, as XRootD's client wants it
        if wish["token"]:
            kept.write(wish["token"])
            kept.flush()
            os.environ |= {"BEARER_TOKEN_FILE": kept.name, **_IMPATIENT}
        tasks = readers(wish)
        with concurrent.futures.ThreadPoolExecutor(len(tasks)) as pool:
            found = pool.map(lambda task: list(KINDS[task.kind][0](task)), tasks)
            told = json.dumps(list(itertools.chain(*found)))
    (Path(wish["signs"]) / f"{wish['who']}.json").write_text(told)  # what is printed last is lost at times
    print(told)


if __name__ == "__main__":
    main()
