"""What people have used counts half after the half-life, however often it is looked at, and survives in a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facility.condor.usage import Usage, read

HOUR = 3600.0


def test_use_counts_half_after_the_half_life() -> None:
    assert Usage(0, {"cms_a": 1000.0}).later(HOUR, {}, HOUR).used == {"cms_a": pytest.approx(500)}


def test_cores_count_while_they_are_had() -> None:
    assert Usage(0, {}).later(10, {"cms_a": 4}, 1e9).used == {"cms_a": pytest.approx(40)}


def test_use_for_ever_comes_to_a_rest() -> None:
    usage = Usage(0, {})
    for moment in range(1, 60):
        usage = usage.later(moment * HOUR, {"cms_a": 1}, HOUR)
    assert usage.used["cms_a"] == pytest.approx(HOUR / 0.6931, rel=1e-3)


@given(st.lists(st.floats(0.1, 5000), min_size=1, max_size=10))
def test_it_makes_no_difference_how_often_it_is_looked_at(steps: list[float]) -> None:
    often, moment = Usage(0, {"cms_a": 500.0}), 0.0
    for step in steps:
        moment += step
        often = often.later(moment, {"cms_a": 3}, HOUR)
    assert often.used["cms_a"] == pytest.approx(
        Usage(0, {"cms_a": 500.0}).later(moment, {"cms_a": 3}, HOUR).used["cms_a"]
    )


def test_a_clock_that_is_set_back_gives_nobody_anything() -> None:
    assert Usage(100, {"cms_a": 50.0}).later(40, {"cms_a": 9}, HOUR).used == {"cms_a": 50.0}


def test_what_is_next_to_nothing_is_forgotten() -> None:
    assert Usage(0, {"cms_a": 10.0}).later(10 * HOUR, {}, HOUR).used == {}


def test_it_is_read_as_it_was_written() -> None:
    assert read(Usage(100, {"cms_a": 50.4, "cms_b": 7e9}).text(), 200) == Usage(100, {"cms_a": 50, "cms_b": 7e9})


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", '{"moment": 1, "used": {"a": "x"}}', '{"moment": 1, "used": 3}']
)
def test_what_cannot_be_read_is_no_use_at_all(text: str) -> None:
    assert read(text, 200) == Usage(200, {})


def test_nothing_is_from_the_future() -> None:
    assert read('{"moment": 900, "used": {"a": 5}}', 200).moment == 200
