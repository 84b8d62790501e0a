"""What the readers of the cluster tests write down: a wrong byte is found also where an error came after it."""

from __future__ import annotations

import io
import json
import os
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import checked_reads
from tests.cluster.checked_reads import PIECE, Content, Record
from tests.fakes.patience import PATIENCE

FILE = os.urandom(2 * PIECE + 1000)
PIECES = [FILE[at : at + PIECE] for at in range(0, len(FILE), PIECE)]
CONTENT: Content = [(min(end, len(FILE)), f"{zlib.adler32(FILE[:end]):08x}") for end in (PIECE, 2 * PIECE, 3 * PIECE)]
WRONG = bytes(255 - one for one in PIECES[0])


def read(*pieces: bytes | Exception) -> Record:
    def way(host: str, path: str) -> Iterator[bytes]:
        for one in pieces:
            if isinstance(one, Exception):
                raise one
            yield one

    return checked_reads.read(way, "cache", "/f", CONTENT[-1][1], CONTENT)


def test_a_whole_file_is_right() -> None:
    record = read(*PIECES)
    assert (record["error"], record["wrong"], record["bytes"]) == ("", False, len(FILE))
    assert record["at"] <= record["ended"]


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        PIECES[:2],
        [*PIECES[:2], PIECES[2][:-1]],
        [*PIECES, b"more"],
        [WRONG, *PIECES[1:]],
        [WRONG, OSError("cut off")],
        [PIECES[1], PIECES[0], PIECES[2]],
        [*PIECES[:2], WRONG[:1000]],
    ],
    ids=["nothing", "short", "short by a byte", "long", "wrong", "wrong, then an error", "in disorder", "wrong last"],
)
def test_what_is_not_the_file_is_wrong_whether_or_not_an_error_follows(pieces: list[bytes | Exception]) -> None:
    assert read(*pieces)["wrong"]


@pytest.mark.parametrize("came", [[], PIECES[:1], [PIECES[0], PIECES[1][:77]]], ids=["at once", "later", "in a piece"])
def test_the_files_beginning_and_an_error_is_a_read_that_failed(came: list[bytes]) -> None:
    record = read(*came, ConnectionResetError("gone"))
    assert (record["error"], record["wrong"]) == ("ConnectionResetError: gone", False)
    assert record["bytes"] == sum(map(len, came))


class Program:
    """The program itself, at work on something that gives that file under each name."""

    def __init__(self, signs: Path, given: pytest.MonkeyPatch, **files: list[str]) -> None:
        self.signs, self.asked, self.shown = signs, list[tuple[str, str, str]](), set[str]()
        self.hold = threading.Event()
        for name in ("_AGAIN", "_COLD", "_NEVER", "_HELD"):
            given.setattr(checked_reads, name, 0.001)
        ways = [self._way(name) for name in ("root", "https")]
        for way in ways:
            given.setattr(checked_reads, way.__name__, way)
        given.setattr(checked_reads, "WAYS", tuple(ways))
        given.setattr("os.environ", {"BEARER_TOKEN_FILE": "the person's"})
        wish = {"who": "me", "host": "cache", "signs": str(signs), "seconds": 30, "retry": 0, "token": ""}
        self.wish: dict[str, Any] = wish | {kind: dict.fromkeys(some, CONTENT) for kind, some in files.items()}

    def _way(self, name: str) -> Callable[[str, str], Iterator[bytes]]:
        def way(host: str, path: str) -> Iterator[bytes]:
            self.asked.append((name, host, path))
            kept = Path(os.environ["BEARER_TOKEN_FILE"])
            self.shown.add(kept.read_text() if kept.exists() else str(kept))
            if "forbidden" in path:
                raise OSError("status 403")
            yield from PIECES

        way.__name__ = name
        return way

    def run(self, given: pytest.MonkeyPatch, then: Callable[[], object] = lambda: None) -> list[Record]:
        """All of it: told to end once all have begun, and `then` was done."""
        given.setattr("sys.stdin", io.StringIO(json.dumps(self.wish)))
        names = {task.name for task in checked_reads.readers(self.wish)}
        running = threading.Thread(target=checked_reads.main)
        running.start()
        until(lambda: self.signs.exists() and names <= {one.name for one in self.signs.iterdir()})
        then()
        (self.signs / "end").touch()
        running.join(PATIENCE)
        found: list[Record] = json.loads((self.signs / "me.json").read_text())
        assert {one["reader"] for one in found} == names
        return found


def until(so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not so():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_who_reads_again_has_begun_when_everything_is_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program(tmp_path / "signs", monkeypatch, again=["/a", "/b"])
    found = program.run(monkeypatch)
    names = [one["reader"] for one in found]
    assert set(names) == {f"me-again-{way}-{number}" for way in ("root", "https") for number in (0, 1)}
    assert all(names.count(name) >= 2 * checked_reads.ROUNDS for name in names)
    assert not [one for one in found if one["error"] or one["wrong"]]
    assert program.shown == {"the person's"}


def test_each_cold_file_is_read_once_and_one_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [f"/{number}" for number in range(40)]
    program = Program(tmp_path / "signs", monkeypatch, cold=paths)
    program.run(monkeypatch, lambda: until(lambda: len(program.asked) == 40))
    assert sorted(path for _, _, path in program.asked) == sorted(paths)
    assert {way for way, _, _ in program.asked} == {"root", "https"}


def test_who_holds_a_file_reads_its_end_after_the_fault_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program(tmp_path / "signs", monkeypatch, held=["/large"], again=["/a"])
    struck = []

    def strike() -> None:
        until(lambda: len(program.asked) > 40)
        struck.append(time.time())
        (program.signs / "struck").touch()

    found = [one for one in program.run(monkeypatch, strike) if one["kind"] == "held"]
    assert [one["way"] for one in found] == ["root", "https"]
    assert all(one["at"] < struck[0] <= one["ended"] and not one["wrong"] for one in found)


def test_who_may_not_read_shows_their_token_each_time_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program(tmp_path / "signs", monkeypatch, never=["/forbidden"])
    program.wish["token"] = "a.wrong.one"
    found = program.run(monkeypatch, lambda: until(lambda: len(program.asked) > 10))
    assert program.shown == {"a.wrong.one"}
    assert {one["error"] for one in found} == {"OSError: status 403"}
    assert {one["bytes"] for one in found} == {0}
    users = [host for way, host, _ in program.asked if way == "root"]
    assert users == [f"w{number}@cache" for number in range(len(users))]
    assert {host for way, host, _ in program.asked if way == "https"} == {"cache"}
