"""Jobs of somebody who must sign in again are held with that reason, and exactly those go on after the sign-in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from facility.condor import pauses
from facility.condor.hold_codes import NONE_NOW, REQUEST, SIGN_IN_AGAIN
from facility.condor.jobs import OwnerJobs
from facility.condor.keeper import PERIOD, Keeper
from facility.condor.waiting import PARTING
from tests.fakes.access_point import AccessPoint, access_point, jobs

htcondor2 = pytest.importorskip("htcondor2")  # with it, classad2 knows HTCondor's own functions
classad2 = pytest.importorskip("classad2")
OVER = (403, "interaction_required", "The session has ended. Sign in again at https://hub.test")
AWAY = (503, "temporarily_unavailable", "the issuer is away")


@pytest.fixture
def point(tmp_path: Path) -> Iterator[AccessPoint]:
    with access_point(tmp_path) as made:
        yield made


def turn(point: AccessPoint, keeper: Keeper, *found: OwnerJobs) -> list[tuple[str, str]]:
    """One round over the queue; what HTCondor is told: the command and its constraint."""
    point.commands.clear()
    keeper.round(found)
    point.waiting().look(found, keeper)
    return [(command[0], command[2]) for command in point.commands]


def chosen(constraint: str, **job: Any) -> bool:
    return classad2.ExprTree(constraint).eval(classad2.ClassAd({"Owner": "cms_alice"} | job)) is True


def held(code: int, subcode: int) -> dict[str, int]:
    return {"JobStatus": 5, "HoldReasonCode": code, "HoldReasonSubCode": subcode}


def test_waiting_jobs_are_held_with_the_reason_and_a_code_of_their_own(point: AccessPoint) -> None:
    point.broker.refusal = OVER
    ((command, constraint),) = turn(point, point.keeper(), jobs("cms_alice", idle=3), jobs("cms_bob", held=1))
    assert command == "condor_hold"
    assert chosen(constraint, JobStatus=1)
    assert not chosen(constraint, JobStatus=1, Owner="cms_bob")
    assert not chosen(constraint, JobStatus=2)
    options = dict(zip(point.commands[0][1::2], point.commands[0][2::2], strict=True))
    assert options["-reason"].startswith("The session has ended. Sign in again at https://hub.test")
    assert options["-subcode"] == str(SIGN_IN_AGAIN)


def test_none_of_them_can_start_meanwhile(point: AccessPoint) -> None:
    keeper = point.keeper()
    turn(point, keeper, jobs("cms_alice", idle=1))
    point.broker.refusal = OVER
    point.clock.pass_by(45)
    turn(point, keeper, jobs("cms_alice", idle=1))
    assert point.there() == []


def test_jobs_that_htcondor_tries_again_without_a_token_say_what_they_wait_for(point: AccessPoint) -> None:
    point.broker.refusal = OVER
    told = turn(point, point.keeper(), jobs("cms_alice", starting_over=1))
    assert [command for command, _ in told] == ["condor_release", "condor_hold"]
    assert chosen(told[0][1], **held(4, 0))
    assert not chosen(told[0][1], **held(REQUEST, 0))


def test_running_jobs_go_on_until_their_token_is_about_to_expire(point: AccessPoint) -> None:
    keeper = point.keeper()
    turn(point, keeper, jobs("cms_alice", running=1))
    point.broker.refusal, ends = OVER, point.clock.now + point.broker.life
    point.clock.now = ends - PARTING - 1
    assert turn(point, keeper, jobs("cms_alice", running=1)) == []
    assert len(point.there()) == 1
    point.clock.pass_by(1)
    ((command, constraint),) = turn(point, keeper, jobs("cms_alice", running=1))
    assert command == "condor_hold"
    assert chosen(constraint, JobStatus=2)
    assert not chosen(constraint, JobStatus=6)


def test_a_missing_token_of_a_service_does_not_end_jobs_early(point: AccessPoint) -> None:
    keeper = point.keeper()
    turn(point, keeper, jobs("cms_alice", running=1))
    point.broker.refusal = OVER
    assert [one for one, _ in turn(point, keeper, jobs("cms_alice", "rucio", running=1, idle=1))] == ["condor_hold"]
    assert not chosen(point.commands[0][2], JobStatus=2)


def test_after_the_sign_in_the_token_is_there_and_then_exactly_those_jobs_go_on(point: AccessPoint) -> None:
    keeper = point.keeper()
    point.broker.refusal = OVER
    waiting = jobs("cms_alice", hindered=2, held=3)
    assert turn(point, keeper, waiting) == []
    point.broker.refusal = None
    point.clock.pass_by(10)
    ((command, constraint),) = turn(point, keeper, waiting)
    assert command == "condor_release"
    assert point.token("cms_alice").startswith("token-1.")
    assert chosen(constraint, **held(REQUEST, SIGN_IN_AGAIN))
    assert chosen(constraint, **held(REQUEST, NONE_NOW))
    for other in (held(REQUEST, 0), held(26, 403), held(26, SIGN_IN_AGAIN), held(4, 0), held(16, 0)):
        assert not chosen(constraint, **other)


def test_jobs_do_not_go_on_before_all_their_tokens_are_there(point: AccessPoint) -> None:
    keeper = point.keeper(services={"cms": "https://origin.test"})
    assert turn(point, keeper, jobs("cms_alice", "rucio", hindered=1)) == []


def test_a_new_monitor_lets_go_what_an_earlier_one_has_held(point: AccessPoint) -> None:
    told = turn(point, point.keeper(), jobs("cms_alice", hindered=2))
    assert [command for command, _ in told] == ["condor_release"]


def test_a_new_monitor_whose_broker_is_away_changes_nothing(point: AccessPoint) -> None:
    point.broker.refusal = AWAY
    assert turn(point, point.keeper(), jobs("cms_alice", hindered=2), jobs("cms_bob", idle=1)) == []


def test_new_jobs_wait_where_only_an_expired_token_is_left_for_running_ones(point: AccessPoint) -> None:
    keeper = point.keeper()
    turn(point, keeper, jobs("cms_alice", running=1))
    point.broker.refusal = AWAY
    point.clock.pass_by(point.broker.life)
    ((command, constraint),) = turn(point, keeper, jobs("cms_alice", running=1, idle=1))
    assert command == "condor_hold"
    assert chosen(constraint, JobStatus=1)
    assert not chosen(constraint, JobStatus=2)
    assert point.commands[0][-1] == str(NONE_NOW)


def test_what_htcondor_refuses_is_told_and_tried_again_a_while_later(point: AccessPoint) -> None:
    keeper, waiting = point.keeper(), point.waiting()
    point.broker.refusal, point.refuses = OVER, "condor_hold failed: no queue"
    found = [jobs("cms_alice", idle=1)]
    for _ in range(6):
        keeper.round(found)
        waiting.look(found, keeper)
        point.clock.pass_by(PERIOD)
    assert point.log[-1] == "condor_hold failed: no queue"
    assert len(point.commands) == 2


def test_a_person_who_must_sign_in_is_asked_for_again_once_for_all_their_tokens(point: AccessPoint) -> None:
    point.broker.refusal = OVER
    keeper = point.keeper()
    point.rounds(keeper, [jobs("cms_alice", "rucio", idle=1)], 100)
    assert 9 <= len(point.broker.asked) <= 11
    assert keeper.signed_out == {"cms_alice": OVER[2]}


def test_the_more_people_must_sign_in_the_more_seldom_each_is_asked_for() -> None:
    assert pauses.signed_out(1) == pauses.SIGNED_OUT
    assert pauses.signed_out(1000) == 1000 / pauses.AT_ONCE


def test_one_sign_in_brings_all_of_the_owners_tokens_at_once(point: AccessPoint) -> None:
    point.broker.refusal = OVER
    keeper = point.keeper()
    keeper.round([jobs("cms_alice", "rucio", hindered=1)])
    point.broker.refusal = None
    point.clock.pass_by(10)
    keeper.round([jobs("cms_alice", "rucio", hindered=1)])
    assert len(point.there()) == 2
