"""The report of a person's tokens: of each how long it is good, and one sentence for each thing that is wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from facility.agent.report import report
from facility.agent.state import Moment
from facility.agent.words import span

NOW = Moment(steady=5000.0, wall=datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp())
ENDED = {"error": "interaction_required", "error_description": "The session has ended."}
AWAY = {"error": "temporarily_unavailable", "error_description": "the broker is away"}
SUSPENDED = {"error": "access_denied", "error_description": "The virtual organization cms is suspended."}


def entry(seconds: float = 600, **more: Any) -> dict[str, Any]:
    return {
        "path": "/run/token/lake",
        "audience": "https://lake",
        "scope": "storage.read:/",
        "seconds": seconds,
        **more,
    }


def status(broker: dict[str, str] | None = None, silent: float = 0, ahead: float = 0, **files: Any) -> dict[str, Any]:
    updated = datetime.fromtimestamp(NOW.wall - silent, UTC).isoformat()
    clock = {"steady": NOW.steady - silent, "ahead": ahead}
    return {"updated": updated, "clock": clock, "broker": broker or {}, "files": files}


@pytest.mark.parametrize(
    ("found", "trouble"),
    [
        (status(lake=entry()), ()),
        (status(lake=entry(600, **AWAY)), ("lake: the broker is away (temporarily_unavailable)",)),
        (status(lake=entry(0, **ENDED)), ("lake: sign in again: The session has ended. (interaction_required)",)),
        (status(lake=entry(0)), ("lake: there is no token now",)),
        (status(lake=entry(-5)), ("lake: there is no token now",)),
        (
            status(compute=entry(0, **SUSPENDED), lake=entry(0, **SUSPENDED)),
            ("compute, lake: The virtual organization cms is suspended. (access_denied)",),
        ),
        (status(AWAY, lake=entry()), ("the broker is away (temporarily_unavailable)",)),
        (status(silent=240, lake=entry()), ()),
        (
            status(silent=600, lake=entry(1200)),
            ("the agent has written nothing since 2027-01-02T02:54:05+00:00: restart your server",),
        ),
        (
            status(ahead=300, lake=entry()),
            ("this machine's clock is 5 min 0 s ahead of the broker's: tell the facility's administrators",),
        ),
        (
            status(ahead=-301, lake=entry()),
            ("this machine's clock is 5 min 1 s behind the broker's: tell the facility's administrators",),
        ),
        (status(ahead=60, lake=entry()), ()),
        ({}, ("no agent has written its status yet: tokens are not there, or are not renewed",)),
    ],
)
def test_what_is_wrong_is_told_once_with_the_files_it_concerns(found: dict[str, Any], trouble: tuple[str, ...]) -> None:
    assert report({}, found, NOW).trouble == trouble


@pytest.mark.parametrize(
    ("found", "again"), [(status(lake=entry(0, **ENDED)), True), (status(ENDED), True), (status(AWAY), False)]
)
def test_signing_in_again_is_named_where_it_is_what_helps(found: dict[str, Any], again: bool) -> None:
    assert report({}, found, NOW).again is again


def test_seconds_are_those_left_and_never_below_none() -> None:
    tokens = report({}, status(a=entry(95.7), b=entry(-3), c=entry(0)), NOW).tokens
    assert [token.seconds for token in tokens] == [95, 0, 0]


def test_a_clock_that_was_set_since_changes_nothing_of_how_long_a_token_is_good() -> None:
    earlier = status(silent=100, lake=entry(600))
    for wrong in (-300, 300):
        found = report({}, earlier, Moment(NOW.steady, NOW.wall + wrong))
        assert ([token.seconds for token in found.tokens], found.trouble) == ([500], ())


def test_a_status_from_before_the_machine_was_started_is_judged_by_the_time_of_day() -> None:
    found = report({}, status(silent=100, lake=entry(600)), Moment(50.0, NOW.wall))
    assert [token.seconds for token in found.tokens] == [500]


def test_a_pod_that_says_nothing_of_its_person_has_a_report_too() -> None:
    found = report({}, {}, NOW)
    assert (found.user, found.vo, found.sign_in, found.lakes) == ("unknown", "unknown", "", ())


def test_a_vo_without_prefixes_in_the_environment_still_shows_where_its_cache_is() -> None:
    (lake,) = report({"LAKE_ROOT": "root://cache:1094/", "LAKE_HTTPS": "https://cache:1094"}, {}, NOW).lakes
    assert (lake.prefix, lake.root, lake.https) == ("", "root://cache:1094/", "https://cache:1094")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (3900, "1 h 5 min")]
)
def test_times_are_told_in_two_units(seconds: int, text: str) -> None:
    assert span(seconds) == text
