"""Each cause of waiting is a sentence, of one line and without any hole, that says what would help."""

from __future__ import annotations

import pytest

from facility.condor.amounts import Shape
from facility.condor.reasons import sentence
from facility.condor.situation import Cause, Reason


@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize("shape", [None, Shape(1, 2000, 3000), Shape(4, 2000, 3000, 2)])
def test_every_cause_has_its_sentence(cause: Cause, shape: Shape | None) -> None:
    text = sentence(Reason(cause, 12, shape), "cms", 4)
    assert text[0].isupper() or text.startswith("cms ")
    assert text.endswith(".")
    assert not set("{}\n") & set(text)
    assert "None" not in text


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (
            Reason(Cause.PERSON, 12),
            "You have all 12 cores that one person of cms may have: further jobs start as these end.",
        ),
        (
            Reason(Cause.SITE, 40),
            "All 40 cores that this facility gives to jobs are in use, and your share of them is 1 core at the moment: "
            "jobs start in turn as others' end.",
        ),
        (
            Reason(Cause.TOO_LARGE, shape=Shape(64, 2000, 3000, 1)),
            "They ask for 64 cores, 2000 MiB of memory, 3000 MiB of disk, 1 GPU, which no execute pod here has: "
            "ask for less and submit again.",
        ),
    ],
)
def test_it_says_what_is_reached(reason: Reason, text: str) -> None:
    assert sentence(reason, "cms", 1) == text
