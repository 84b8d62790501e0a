"""The broker's log has what was refused, what was slow and what was changed; tokens given in time are only counted."""

from __future__ import annotations

import pytest

from facility.broker.access_log import SLOW, worth


@pytest.mark.parametrize("path", ["/token", "/healthz", "/wanted"])
def test_what_goes_well_all_the_time_is_not_worth_a_line(path: str) -> None:
    assert not worth(path, 200, SLOW / 2)


@pytest.mark.parametrize("path", ["/token", "/healthz", "/wanted", "/elsewhere"])
def test_a_refusal_is(path: str) -> None:
    assert worth(path, 403, 0.001)


def test_a_token_that_came_late_is() -> None:
    assert worth("/token", 200, SLOW)


def test_news_that_was_waited_for_is_not() -> None:
    assert not worth("/wanted", 200, 60.0)


def test_what_changes_or_tells_of_a_session_is() -> None:
    assert worth("/sessions/cms-alice", 204, 0.001)
