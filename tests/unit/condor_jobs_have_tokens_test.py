"""The credential monitor: owners with jobs have a good token file, nobody else has one, and outages are waited out."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from facility.condor.credentials import Credentials
from facility.condor.jobs import OwnerJobs
from facility.condor.keeper import PERIOD, Keeper
from facility.exchange import Broker
from tests.fakes.authority import Authority
from tests.fakes.clock import Clock
from tests.fakes.token_broker import IDENTITY, TokenBroker, serving

REFRESH = 10.0
AUDIENCE = "https://origin.test"


@dataclass
class AccessPoint:
    """A credential directory, a broker and a clock that only the test moves."""

    broker: TokenBroker
    authority: Authority
    root: Path
    clock: Clock = field(default_factory=Clock)
    log: list[str] = field(default_factory=list)

    def keeper(self) -> Keeper:
        identity = self.root / "identity"
        identity.write_text(IDENTITY)
        outside = Broker(self.broker.url, identity, self.authority.client, self.clock)
        files = Credentials(self.directory, "cms")
        return Keeper("cms", AUDIENCE, REFRESH, outside, files, self.clock, self.log.append)

    @property
    def directory(self) -> Path:
        return self.root / "credentials"

    def token(self, owner: str) -> str:
        return (self.directory / owner / "cms.use").read_text()

    def owners(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir())


@pytest.fixture
def point(tmp_path: Path) -> Iterator[AccessPoint]:
    (tmp_path / "credentials").mkdir()
    authority = Authority(tmp_path)
    with serving(authority, TokenBroker()) as broker:
        yield AccessPoint(broker, authority, tmp_path)


def test_an_owner_with_jobs_gets_the_owners_token(point: AccessPoint) -> None:
    point.keeper().round([OwnerJobs("cms_alice", idle=1)])
    asked = point.broker.asked[0]
    assert (asked["requested_subject"], asked["audience"]) == ("cms_alice", AUDIENCE)
    assert point.token("cms_alice").startswith("token-1.")


def test_files_are_their_owners_secret(point: AccessPoint) -> None:
    before = os.umask(0)
    try:
        point.keeper().round([OwnerJobs("cms_alice", idle=1)])
    finally:
        os.umask(before)
    home = point.directory / "cms_alice"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "cms.use").stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == ["cms.use"]


def test_owners_of_another_vo_and_names_that_are_no_owners_get_nothing(point: AccessPoint) -> None:
    point.keeper().round([OwnerJobs(name, idle=1) for name in ("atlas_bob", "root", "../cms_x", "cmsx_bob", "cms_")])
    assert point.owners() == []
    assert point.broker.asked == []


def test_held_jobs_alone_need_no_token(point: AccessPoint) -> None:
    point.keeper().round([OwnerJobs("cms_alice", held=3)])
    assert point.owners() == []


def test_the_token_goes_with_the_last_job(point: AccessPoint) -> None:
    keeper = point.keeper()
    keeper.round([OwnerJobs("cms_alice", running=1), OwnerJobs("cms_bob", running=1)])
    keeper.round([OwnerJobs("cms_bob", running=1)])
    assert point.owners() == ["cms_bob"]
    assert point.log[-1] == "cms_alice: no job needs a token any more"


def test_what_an_earlier_monitor_left_goes_too(point: AccessPoint) -> None:
    point.keeper().round([OwnerJobs("cms_alice", running=1)])
    point.keeper().round([])
    assert point.owners() == []


def test_a_new_monitor_asks_anew_and_keeps_the_files_until_then(point: AccessPoint) -> None:
    point.keeper().round([OwnerJobs("cms_alice", running=1)])
    point.keeper().round([OwnerJobs("cms_alice", running=1)])
    assert point.token("cms_alice").startswith("token-2.")


@pytest.mark.parametrize("life", [60, 75, 120, 3600])
def test_a_file_is_always_good_until_a_job_has_the_next(point: AccessPoint, life: int) -> None:
    point.broker.life = life
    keeper, left = point.keeper(), []
    for _ in range(200):
        keeper.round([OwnerJobs("cms_alice", running=1)])
        left.append(keeper.held["cms_alice"].expires - point.clock.now)
        point.clock.pass_by(life / 60)
    assert min(left) > REFRESH + PERIOD
    assert len(point.broker.asked) < 20


def test_tokens_that_live_too_short_for_running_jobs_are_a_problem_that_is_said_once(point: AccessPoint) -> None:
    point.broker.life = 12
    keeper = point.keeper()
    for _ in range(10):
        keeper.round([OwnerJobs("cms_alice", running=1)])
        point.clock.pass_by(PERIOD)
    assert point.log == ["cms_alice: tokens live shorter than the 14 s that a running job may go without"]


def test_a_person_who_must_sign_in_again_is_told_so_and_asked_for_again(point: AccessPoint) -> None:
    keeper = point.keeper()
    point.broker.refusal = (403, "interaction_required", "sign in again at https://hub.test")
    for _ in range(8):
        keeper.round([OwnerJobs("cms_alice", idle=1), OwnerJobs("cms_bob", idle=1)])
        point.clock.pass_by(PERIOD)
    assert len(point.broker.asked) == 4
    assert "sign in again at https://hub.test" in keeper.held["cms_alice"].problem
    assert len(point.log) == 2
    point.broker.refusal = None
    point.clock.pass_by(10)
    keeper.round([OwnerJobs("cms_alice", idle=1), OwnerJobs("cms_bob", idle=1)])
    assert point.owners() == ["cms_alice", "cms_bob"]


def test_a_broker_that_is_away_is_asked_once_a_round_and_good_tokens_stay(point: AccessPoint) -> None:
    keeper = point.keeper()
    jobs = [OwnerJobs("cms_alice", running=1), OwnerJobs("cms_bob", running=1)]
    keeper.round(jobs)
    asked = len(point.broker.asked)
    point.broker.refusal = (503, "temporarily_unavailable", "the issuer is away")
    point.clock.pass_by(40)
    keeper.round(jobs)
    assert len(point.broker.asked) == asked + 1
    assert point.owners() == ["cms_alice", "cms_bob"]


def test_an_expired_token_is_taken_away_so_that_jobs_wait_for_a_good_one(point: AccessPoint) -> None:
    keeper = point.keeper()
    keeper.round([OwnerJobs("cms_alice", idle=1)])
    point.broker.refusal = (503, "temporarily_unavailable", "the issuer is away")
    point.clock.pass_by(61)
    keeper.renew()
    assert not (point.directory / "cms_alice").exists()
    point.broker.refusal = None
    point.clock.pass_by(10)
    keeper.renew()
    assert point.token("cms_alice").startswith("token-2.")


def test_while_the_queue_cannot_be_read_tokens_are_renewed_all_the_same(point: AccessPoint) -> None:
    keeper = point.keeper()
    keeper.round([OwnerJobs("cms_alice", running=1)])
    point.clock.pass_by(40)
    keeper.renew()
    assert point.token("cms_alice").startswith("token-2.")


def test_no_token_is_in_the_log_or_in_what_can_be_printed(point: AccessPoint) -> None:
    keeper = point.keeper()
    keeper.round([OwnerJobs("cms_alice", running=1)])
    assert "token-1." not in f"{keeper.held} {point.log}"
