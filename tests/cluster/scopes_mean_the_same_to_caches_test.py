"""The scope algebra answers as the very library does by which caches decide: asked in the cache's own container."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facility.dev.demo.mainjob import Stage
from facility.tokens.scopes import Scope
from tests.fakes import libscitokens
from tests.fakes.authorizations import READ, SETTING, Place, escaped, opens, question, questions

pytestmark = pytest.mark.cluster
PROGRAM = Path(libscitokens.__file__).read_text()
Question = tuple[tuple[Scope, ...], str, Place]


def asked(stage: Stage, some: list[Question]) -> list[bool]:
    """What the library in the cache's container says."""
    lines = [json.dumps({"load": [], "library": "libSciTokens.so.0", **SETTING}), *(question(*one) for one in some)]
    command = ["exec", "-i", "-n", "facility", "xcache-cms-0", "-c", "xcache", "--", "python3", "-c", PROGRAM]
    return [bool(json.loads(line)) for line in stage.cluster.do(*command, stdin="\n".join(lines)).splitlines()]


@settings(max_examples=5, deadline=None, database=None, suppress_health_check=[*HealthCheck])
@given(some=st.lists(questions(escaped), min_size=100, max_size=200))
def test_random_questions_have_the_same_answers(stage: Stage, some: list[Question]) -> None:
    answers = asked(stage, some)
    assert len(answers) == len(some)
    assert [one for one, told in zip(some, answers, strict=True) if opens(*one) != told] == []


def test_paths_that_only_begin_alike_are_two(stage: Stage) -> None:
    """libscitokens before 1.4.1 lets /john read /johnathan."""
    held = (Scope(READ, ("john",)),)
    some: list[Question] = [(held, READ, Place((name,))) for name in ("john", "johnathan")]
    assert asked(stage, some) == [True, False]


@pytest.mark.parametrize("part", ["50%", "a\\b"])
def test_a_scope_that_we_never_ask_for_opens_nothing_and_closes_others(stage: Stage, part: str) -> None:
    never, good = Scope(READ, (part,)), Scope(READ, ("data",))
    some: list[Question] = [
        ((good,), READ, Place(("data",))),
        ((never,), READ, Place((part,))),
        ((never, good), READ, Place(("data",))),
    ]
    assert asked(stage, some) == [True, False, False]
