"""The scope algebra means what libscitokens does, which decides at caches and access points: asked on random paths.

The library is the one inside of HTCondor's bindings. tests/cluster asks the cache's own, which is newer.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facility.tokens.scopes import Scope, common, parse, parse_all
from tests.fakes import libscitokens
from tests.fakes.authorizations import (
    READ,
    SETTING,
    Place,
    opens,
    opens_by_prefix,
    parts,
    plain,
    question,
    questions,
    scopes,
    token,
)

thorough = settings(max_examples=300)


class Library:
    """The library in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], path: str) -> None:
        self._process = process
        self._say(json.dumps({"load": ["htcondor2"], "library": path, **SETTING}))  # which loads what the library needs

    def allows(self, held: tuple[Scope, ...], wanted: str, place: Place) -> bool:
        """Whether a token with these scopes lets its holder do that there."""
        return self.answer(question(held, wanted, place))

    def answer(self, line: str) -> bool:
        """The answer to a question as it is."""
        self._say(line)
        assert self._process.stdout
        return bool(json.loads(self._process.stdout.readline()))

    def _say(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()


@pytest.fixture(scope="module")
def library() -> Iterator[Library]:
    found = importlib.util.find_spec("htcondor2")
    assert found
    assert found.origin
    (path,) = (Path(found.origin).parents[1] / "htcondor.libs").glob("libSciTokens*")
    command = [sys.executable, "-W", "ignore", libscitokens.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Library(process, str(path))
        process.stdin.close()  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def by_component(library: Library) -> bool:
    """Whether it compares whole components, as the caches' does."""
    return not library.allows(parse_all("storage.read:/john"), READ, Place(("johnathan",)))


@thorough
@given(asked=questions(plain))
def test_they_give_the_same_answers(
    library: Library, by_component: bool, asked: tuple[tuple[Scope, ...], str, Place]
) -> None:
    told = library.allows(*asked)
    assert told == (opens if by_component else opens_by_prefix)(*asked)
    assert told or not opens(*asked)


@thorough
@given(data=st.data(), path=parts(plain))
def test_a_scope_that_another_covers_opens_nothing_that_the_other_does_not(
    library: Library, data: st.DataObject, path: tuple[str, ...]
) -> None:
    wide, narrow = data.draw(scopes(plain, path)), data.draw(scopes(plain, path))
    place = Place(data.draw(parts(plain)) or path)
    if wide.covers(narrow) and library.allows((narrow,), wide.capability, place):
        assert library.allows((wide,), wide.capability, place)


@thorough
@given(data=st.data(), path=parts(plain))
def test_what_two_sets_have_in_common_opens_exactly_what_both_do(
    library: Library, data: st.DataObject, path: tuple[str, ...]
) -> None:
    some = st.lists(scopes(plain, path), min_size=1, max_size=3).map(tuple)
    left, right, place = data.draw(some), data.draw(some), Place(path)
    both = common(left, right)

    def opened(held: tuple[Scope, ...]) -> bool:
        return bool(held) and library.allows(held, READ, place)

    assert not opened(both) or (opened(left) and opened(right))
    wanted = place.scope(READ)
    if any(one.covers(wanted) for one in left) and any(one.covers(wanted) for one in right):
        assert opened(both)


@given(made=scopes(plain))
def test_a_scope_is_read_as_it_was_written(made: Scope) -> None:
    assert parse(str(made)) == made


def test_the_library_takes_tokens_however_long_ago_it_was_made(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It judges by the moment in which it was made, so what it is asked must not depend on how long the tests take."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3600)
    assert library.allows(parse_all("storage.read:/"), READ, Place(("x",)))


def test_a_token_with_somebody_else_s_signature_opens_nothing(library: Library) -> None:
    good, other = (token(parse_all(f"storage.read:/{where}")) for where in ("", "elsewhere"))
    mixed = ".".join([*good.split(".")[:2], other.split(".")[2]])
    answers = [library.answer(json.dumps({"token": one, "authz": "read", "path": "/x"})) for one in (good, mixed)]
    assert answers == [True, False]
