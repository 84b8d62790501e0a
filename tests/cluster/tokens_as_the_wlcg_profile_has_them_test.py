"""Which tokens open a file at a cache: a table after the WLCG Common JWT Profiles 1.3 and RFC 7519, by root and https.

The tokens are in `wlcg_tokens.py`.
"""

from __future__ import annotations

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster import doors, refusals
from tests.cluster.reading import Answer
from tests.cluster.wlcg_tokens import GIVEN, REFUSED

pytestmark = pytest.mark.cluster

Answers = dict[tuple[str, str], tuple[doors.Case, Answer]]


@pytest.fixture(scope="module")
def answers(stage: Stage, outcome: Outcome) -> Answers:
    """Of one read with each token over each protocol."""
    told = doors.answers(stage, doors.service(world.CMS), refusals.tokens(world.CMS))
    return {(case.name, case.question.by): (case, answer) for case, answer in told}


@pytest.mark.parametrize("protocol", refusals.WAYS)
@pytest.mark.parametrize("case", GIVEN)
def test_it_opens_the_file(answers: Answers, case: str, protocol: str) -> None:
    _, answer = answers[case, protocol]
    assert answer.ok, answer
    assert answer.bytes > 10_000


@pytest.mark.parametrize("protocol", refusals.WAYS)
@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused(answers: Answers, case: str, protocol: str) -> None:
    doors.as_they_should([answers[case, protocol]])
