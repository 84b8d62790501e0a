"""A cache asks a storage over https once for a small file that it has not, and believes no more than was said.

A real cache with a small storage before it, on this machine's loopback: what it asks is counted.
"""

from __future__ import annotations

import os
import ssl
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from threading import Event
from urllib.error import HTTPError

import pytest

from tests.bench.cache_rig import VO, Rig, Server, rig
from tests.fakes import https_origin
from tests.fakes.https_origin import Asked, HttpsOrigin

pytestmark = pytest.mark.cluster
MEBI = 1 << 20
BEGINNING = (0, MEBI - 1)


@dataclass(frozen=True)
class Stand:
    """A cache and what it reads from."""

    rig: Rig
    origin: HttpsOrigin
    cache: Server

    def put(self, name: str, size: int) -> str:
        """A file at the origin; its path."""
        path = f"/{VO}/{name}"
        self.origin.files[path] = os.urandom(size)
        return path

    def read(self, path: str) -> bytes:
        """Of the cache, as curl would. Raises HTTPError, HTTPException or OSError."""
        bearer = {"Authorization": f"Bearer {self.rig.token.read_text()}"}
        wanted = urllib.request.Request(self.cache.url("https", path), headers=bearer)
        trust = ssl.create_default_context(cafile=self.rig.authority.bundle)
        with urllib.request.urlopen(wanted, context=trust, timeout=60) as answer:
            body: bytes = answer.read()
            return body


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("asked")


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Stand]:
    with rig(folder) as made, https_origin.serving(made.authority) as origin:
        made.stored_at(origin.port)
        stand = Stand(made, origin, made.cache("asking", tokens=True))
        first = stand.put("first", 100_000)
        assert stand.read(first) == origin.files[first]
        assert origin.of(first) == [Asked("HEAD", first), Asked("GET", first, BEGINNING)]  # so it says both alike
        yield stand


@pytest.fixture
def stand(running: Stand) -> Stand:
    return running


@contextmanager
def another(first: Stand, name: str) -> Iterator[Stand]:
    """A storage of which nothing is known yet, and a cache for it."""
    with https_origin.serving(first.rig.authority) as origin:
        first.rig.stored_at(origin.port)
        yield Stand(first.rig, origin, first.rig.cache(name, tokens=True))


def test_a_small_file_is_one_question_and_then_none(stand: Stand) -> None:
    path = stand.put("small", 100_000)
    assert stand.read(path) == stand.origin.files[path]
    assert stand.origin.of(path) == [Asked("GET", path, BEGINNING)]
    assert stand.read(path) == stand.origin.files[path]
    assert len(stand.origin.of(path)) == 1


def test_of_a_large_file_no_byte_comes_twice(stand: Stand) -> None:
    path, size = stand.put("large", 3 * MEBI + 5), 3 * MEBI + 5
    assert stand.read(path) == stand.origin.files[path]
    asked = stand.origin.of(path)
    assert asked[0] == Asked("GET", path, BEGINNING)
    parts = sorted(one.part for one in asked if one.part)
    assert [first for first, _ in parts] == [0, *(last + 1 for _, last in parts[:-1])]
    assert parts[-1][1] >= size - 1


def test_many_who_open_it_at_once_are_one_question(stand: Stand) -> None:
    path = stand.put("wanted", 200_000)
    with ThreadPoolExecutor(50) as people:
        got = set(people.map(stand.read, [path] * 50))
    assert got == {stand.origin.files[path]}
    assert stand.origin.of(path) == [Asked("GET", path, BEGINNING)]


def test_what_is_not_there_is_one_question_and_not_found(stand: Stand) -> None:
    with pytest.raises(HTTPError, match="404"):
        stand.read(f"/{VO}/nothing")
    assert stand.origin.of(f"/{VO}/nothing") == [Asked("GET", f"/{VO}/nothing", BEGINNING)]


def test_an_empty_file_is_empty(stand: Stand) -> None:
    assert stand.read(stand.put("empty", 0)) == b""


@pytest.mark.parametrize("longer", [0, 7], ids=["of the same size", "of another size"])
def test_who_reads_what_becomes_another_file_gets_an_error_and_no_mixture(stand: Stand, longer: int) -> None:
    size = 3 * MEBI
    path = stand.put(f"changing-{longer}", size)

    def changed() -> None:
        stand.origin.files[path] = os.urandom(size + longer)
        stand.origin.held = https_origin.at_once

    stand.origin.held = changed
    with pytest.raises((HTTPError, HTTPException, OSError)):
        stand.read(path)


def test_from_who_is_slow_to_give_bytes_nobody_waits_for_them_twice(running: Stand) -> None:
    released = Event()
    with another(running, "late") as stand:
        path, next_one = stand.put("late", 100_000), stand.put("later", 100_000)
        stand.origin.held = lambda: released.wait(20) if len(stand.origin.asked) < 3 else None
        assert stand.read(path) == stand.origin.files[path]
        released.set()
        assert stand.read(next_one) == stand.origin.files[next_one]
        assert stand.origin.of(next_one)[0] == Asked("HEAD", next_one)
        assert Asked("GET", next_one, BEGINNING) not in stand.origin.of(next_one)


@pytest.mark.parametrize("said", ["", '"another"'], ids=["untold", "told otherwise"])
def test_bytes_whose_version_is_not_told_with_them_come_after_the_word_on_it(running: Stand, said: str) -> None:
    with another(running, f"untold-{len(said)}") as stand:
        stand.origin.tag_of_parts = said
        first, second = stand.put("untold", 100_000), stand.put("untold-too", 100_000)
        for path in (first, second):
            assert stand.read(path) == stand.origin.files[path]
            assert stand.origin.of(path) == [Asked("HEAD", path), Asked("GET", path, BEGINNING)]


def test_to_whom_a_storage_sends_on_the_question_goes_without_the_token(running: Stand) -> None:
    with another(running, "door") as stand, https_origin.serving(running.rig.authority) as pool:
        pool.files, pool.tag_of_parts, stand.origin.sends_on = stand.origin.files, "", f"https://localhost:{pool.port}"
        path = stand.put("elsewhere", 100_000)
        assert stand.read(path) == stand.origin.files[path]
        assert stand.origin.of(path) == [Asked("HEAD", path), Asked("GET", path, BEGINNING)]
        assert pool.of(path) == [Asked("GET", path, BEGINNING)]
        assert stand.origin.tokens == {f"Bearer {running.rig.token.read_text()}"}
        assert pool.tokens == {""}
        large = stand.put("larger-elsewhere", 2 * MEBI)
        assert stand.read(large) == stand.origin.files[large]


def test_a_storage_that_gives_whole_files_only_is_soon_not_asked_for_parts_before_it_is_read(running: Stand) -> None:
    with another(running, "whole") as stand:
        stand.origin.parts = False
        first, second = stand.put("whole", 100_000), stand.put("whole-too", 100_000)
        assert stand.read(first) == stand.origin.files[first]
        assert stand.read(second) == stand.origin.files[second]
        assert stand.origin.of(second)[0] == Asked("HEAD", second)
        assert Asked("GET", second, BEGINNING) not in stand.origin.of(second)
