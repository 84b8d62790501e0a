"""The credential monitor: owners with jobs have good token files, nobody else has one, and outages are waited out."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from facility.condor import pauses
from facility.condor.credentials import File
from facility.condor.jobs import OwnerJobs
from facility.condor.keeper import LINGER, PERIOD
from tests.fakes.access_point import LAKE, REFRESH, AccessPoint, access_point, jobs
from tests.fakes.renewing_broker import RenewingBroker

ALICE, BOB = jobs("cms_alice", running=1), jobs("cms_bob", running=1)
AWAY = (503, "temporarily_unavailable", "the issuer is away")


@pytest.fixture
def point(tmp_path: Path) -> Iterator[AccessPoint]:
    with access_point(tmp_path) as made:
        yield made


@pytest.fixture
def remembered(tmp_path: Path) -> Iterator[AccessPoint]:
    """With a broker that renews tokens as the real one does."""
    broker = RenewingBroker()
    with access_point(tmp_path, broker) as made:
        broker.clock = made.clock
        yield made


def test_an_owner_with_jobs_gets_the_owners_token(point: AccessPoint) -> None:
    point.keeper().round([jobs("cms_alice", idle=1)])
    asked = point.broker.asked[0]
    assert (asked["requested_subject"], asked["audience"]) == ("cms_alice", LAKE)
    assert point.token("cms_alice").startswith("token-1.")


def test_files_are_their_owners_secret(point: AccessPoint) -> None:
    before = os.umask(0)
    try:
        point.keeper().round([ALICE])
    finally:
        os.umask(before)
    home = point.directory / "cms_alice"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "cms.use").stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == ["cms.use"]


def test_a_file_says_when_its_token_expires(point: AccessPoint) -> None:
    point.keeper().round([ALICE])
    assert point.files.found() == {File("cms_alice", "cms"): point.clock.now + point.broker.life}


def test_owners_of_another_vo_and_names_that_are_no_owners_get_nothing(point: AccessPoint) -> None:
    point.keeper().round([jobs(name, idle=1) for name in ("atlas_bob", "root", "../cms_x", "cmsx_bob", "cms_")])
    assert point.there() == []
    assert point.broker.asked == []


@pytest.mark.parametrize("counts", [{"held": 3}, {}])
def test_nobody_whose_jobs_are_held_or_gone_gets_a_token(point: AccessPoint, counts: dict[str, int]) -> None:
    point.keeper().round([OwnerJobs("cms_alice", services=("cms",), **counts)])
    assert point.broker.asked == []


def test_a_token_goes_a_while_after_the_last_job(point: AccessPoint) -> None:
    keeper = point.keeper()
    keeper.round([ALICE, BOB])
    point.clock.pass_by(LINGER - PERIOD)
    keeper.round([BOB])
    assert point.there() == [File("cms_alice", "cms"), File("cms_bob", "cms")]
    point.clock.pass_by(PERIOD)
    keeper.round([BOB])
    assert point.there() == [File("cms_bob", "cms")]
    assert not (point.directory / "cms_alice").exists()
    assert "cms_alice: no job needs a token for cms any more" in point.log


def test_a_token_that_no_job_needs_is_not_renewed(point: AccessPoint) -> None:
    keeper = point.keeper()
    keeper.round([ALICE])
    point.clock.pass_by(LINGER - PERIOD)
    keeper.round([])
    assert len(point.broker.asked) == 1


def test_what_an_earlier_monitor_left_goes_too(point: AccessPoint) -> None:
    point.keeper().round([ALICE])
    (point.directory / "cms_alice" / ".cms.new").write_text("half of a tok")
    keeper = point.keeper()
    keeper.round([])
    point.clock.pass_by(LINGER)
    keeper.round([])
    assert not any(point.directory.iterdir())


def test_a_new_monitor_knows_from_the_files_how_long_tokens_are_good(point: AccessPoint) -> None:
    point.keeper().round([ALICE])
    point.broker.refusal = AWAY
    keeper = point.keeper()
    keeper.round([ALICE])
    assert keeper.good_until("cms_alice") == point.clock.now + point.broker.life
    assert point.token("cms_alice").startswith("token-1.")


@pytest.mark.parametrize("spread", [-1.0, 0.0, 1.0])
@pytest.mark.parametrize(("life", "refresh"), [(60, 10.0), (75, 10.0), (120, 30.0), (300, 60.0), (3600, 60.0)])
def test_a_file_is_always_good_until_a_job_has_the_next(
    remembered: AccessPoint, life: int, refresh: float, spread: float
) -> None:
    broker = remembered.broker
    assert isinstance(broker, RenewingBroker)
    broker.life, broker.spread = life, spread
    keeper, left = remembered.keeper(refresh), []
    lives, step = 6, max(PERIOD, life / 150)
    for _ in range(int(lives * life / step)):
        keeper.round([ALICE])
        left.append(keeper.good_until("cms_alice") - remembered.clock.now)
        remembered.clock.pass_by(step)
    assert min(left) > refresh + PERIOD
    assert broker.issued <= lives * life / (life / 2)
    assert len(broker.asked) <= lives * (5 + life / 60)


def test_news_of_a_session_are_heard_within_a_minute_however_long_tokens_live() -> None:
    assert pauses.after_token(3600, 77) == 60


def test_the_broker_is_told_how_long_a_token_must_be_good(point: AccessPoint) -> None:
    point.keeper(refresh=60).round([ALICE])
    assert int(point.broker.asked[0]["min_valid"]) == pauses.min_valid(60 + PERIOD) > 60 + PERIOD


def test_tokens_that_live_too_short_for_running_jobs_are_a_problem_that_is_said_once(remembered: AccessPoint) -> None:
    keeper = remembered.keeper(refresh=60)
    remembered.rounds(keeper, [ALICE], 120)
    (said,) = {line.partition("; ")[2] for line in remembered.log}
    assert said.startswith("tokens of cms live too short: a job's should be good for 77 s at any time")
    assert "30 at most" in said
    assert keeper.held[File("cms_alice", "cms")].problem == said
    assert len(remembered.log) == 1
    assert remembered.there() == [File("cms_alice", "cms")]
    assert len(remembered.broker.asked) < 40


def test_a_broker_that_cannot_be_reached_is_asked_once_a_round_and_good_tokens_stay(point: AccessPoint) -> None:
    keeper, found = point.keeper(), [ALICE, BOB]
    keeper.round(found)
    asked = len(point.broker.asked)
    point.broker.refusal = AWAY
    point.clock.pass_by(40)
    keeper.round(found)
    assert len(point.broker.asked) == asked + 1
    assert len(point.there()) == 2


def test_an_outage_is_met_with_ever_fewer_questions(point: AccessPoint) -> None:
    keeper = point.keeper()
    point.broker.refusal = AWAY
    people = [jobs(f"cms_p{number}", idle=1) for number in range(20)]
    point.rounds(keeper, people, 120)
    before = len(point.broker.asked)
    point.rounds(keeper, people, 120)
    assert before <= 120 / PERIOD
    assert len(point.broker.asked) - before <= 120 / PERIOD
    assert len(point.log) == len(people)
    point.broker.refusal = None
    point.rounds(keeper, people, pauses.LATEST + PERIOD)
    assert len(point.there()) == len(people)


def test_the_pauses_grow_but_leave_several_tries_before_a_token_ends() -> None:
    told = [pauses.after_failure(failures, 0, 0) for failures in range(6)]
    assert told[0] == pauses.SOONEST
    assert all(one <= other for one, other in pairwise(told))
    assert told[-1] == pauses.LATEST
    assert pauses.after_failure(9, 40, 0) == 10
    assert pauses.after_failure(0, 40, 25) == 25


def test_a_slow_broker_does_not_hide_the_queue(point: AccessPoint) -> None:
    keeper = point.keeper()
    answer = point.broker.token

    def slow(form: dict[str, str]) -> tuple[int, dict[str, object]]:
        point.clock.pass_by(3)
        return answer(form)

    point.broker.token = slow  # type: ignore[method-assign]
    keeper.round([jobs(f"cms_p{number}", idle=1) for number in range(30)])
    assert len(point.broker.asked) == 1 + 8, "one goes ahead, others at a time; then it is looked at the queue again"


def test_many_owners_are_asked_for_at_a_time(point: AccessPoint) -> None:
    """A broker that answers only when several ask at once: alone each would wait for ever."""
    together, answer = threading.Barrier(4), point.broker.token
    first = threading.Event()

    def patient(form: dict[str, str]) -> tuple[int, dict[str, object]]:
        if first.is_set():
            together.wait(timeout=30)
        first.set()
        return answer(form)

    point.broker.token = patient  # type: ignore[method-assign]
    point.keeper().round([jobs(f"cms_p{number}", idle=1) for number in range(9)])
    assert len(point.there()) == 9


def test_a_broker_that_is_away_is_asked_for_one_owner_alone(point: AccessPoint) -> None:
    point.broker.refusal = AWAY
    point.keeper().round([jobs(f"cms_p{number}", idle=1) for number in range(9)])
    assert len(point.broker.asked) == 1


def test_an_expired_token_is_taken_away_so_that_jobs_wait_for_a_good_one(point: AccessPoint) -> None:
    keeper, found = point.keeper(), [jobs("cms_alice", idle=1)]
    keeper.round(found)
    point.broker.refusal = AWAY
    point.clock.pass_by(point.broker.life)
    keeper.round(found)
    assert point.there() == []
    assert "cms_alice: the token for cms has expired and is taken away" in point.log
    point.broker.refusal = None
    point.clock.pass_by(10)
    keeper.round(found)
    assert point.token("cms_alice").startswith("token-2.")


def test_running_jobs_outlive_their_token_in_an_outage(point: AccessPoint) -> None:
    keeper = point.keeper()
    keeper.round([ALICE])
    point.broker.refusal = AWAY
    point.clock.pass_by(point.broker.life + 1)
    keeper.round([ALICE])
    assert point.there() == [File("cms_alice", "cms")]
    keeper.round([jobs("cms_alice", idle=1)])
    assert point.there() == []


def test_while_the_queue_cannot_be_read_tokens_are_renewed_all_the_same(point: AccessPoint) -> None:
    keeper = point.keeper()
    keeper.round([ALICE])
    point.clock.pass_by(40)
    keeper.renew()
    assert point.token("cms_alice").startswith("token-2.")


def test_no_token_is_in_the_log_or_in_what_can_be_printed(point: AccessPoint) -> None:
    keeper = point.keeper()
    keeper.round([ALICE])
    assert "token-1." not in f"{keeper.held} {point.log}"


def test_refresh_is_counted_in_what_every_file_must_be_good_for(point: AccessPoint) -> None:
    assert point.keeper().needed == REFRESH + PERIOD
