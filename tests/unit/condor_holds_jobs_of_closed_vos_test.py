"""A closed VO's jobs wait in the queue with a reason, and exactly those go on when it is open again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from facility.condor import access_point_config, credmon
from facility.condor.credentials import Credentials, File
from facility.condor.eviction import PERIOD, Eviction
from facility.condor.hold_codes import CLOSED, POLICY
from facility.condor.jobs import OwnerJobs
from facility.condor.keeper import Keeper
from facility.condor.reconfigure import Reconfigure
from facility.condor.remembered import Remembered
from facility.condor.suspension import Suspension
from facility.condor.user_records import Records
from facility.condor.waiting import Waiting
from facility.operator.build.access_point import credmon_settings
from facility.vo import VirtualOrganization
from tests.fakes.clock import Clock
from tests.fakes.objects import site, vo
from tests.unit.condor_configuration_test import read

classad2 = pytest.importorskip("classad2")
OPEN = vo("cms")
SUSPENDED = OPEN.model_copy(update={"spec": OPEN.spec.model_copy(update={"suspended": True})})
REMOVED = OPEN.model_copy(update={"deleting": True})
HELD_BY_US = {"HoldReasonCode": POLICY, "HoldReasonSubCode": CLOSED, "NumHolds": 5000}


def policy(of: VirtualOrganization, name: str, job: dict[str, Any]) -> Any:
    """What a macro of the access point says of a job; False where there is none, as HTCondor has it."""
    text = read(access_point_config.access_point(of, site()), name)[name]
    return classad2.ExprTree(text).eval(classad2.ClassAd(job)) if text else False


@pytest.mark.parametrize("closed", [SUSPENDED, REMOVED])
@pytest.mark.parametrize(
    ("status", "held"), [(1, True), (2, True), (3, False), (4, False), (5, False), (6, False), (7, True)]
)
def test_what_waits_or_runs_is_held_and_what_is_done_can_be_fetched(
    closed: VirtualOrganization, status: int, held: bool
) -> None:
    assert policy(closed, "SYSTEM_PERIODIC_HOLD", {"JobStatus": status}) is held
    assert policy(OPEN, "SYSTEM_PERIODIC_HOLD", {"JobStatus": status}) is False


@pytest.mark.parametrize(("closed", "told"), [(SUSPENDED, "cms is suspended"), (REMOVED, "cms is being removed")])
def test_a_held_job_says_why_it_waits(closed: VirtualOrganization, told: str) -> None:
    assert told in policy(closed, "SYSTEM_PERIODIC_HOLD_REASON", {})
    assert policy(closed, "SYSTEM_PERIODIC_HOLD_SUBCODE", {}) == CLOSED


@pytest.mark.parametrize(
    ("job", "released"),
    [
        (HELD_BY_US, True),
        (HELD_BY_US | {"HoldReasonSubCode": 0}, False),
        ({"HoldReasonCode": POLICY}, False),
        ({"HoldReasonCode": 1, "HoldReasonSubCode": CLOSED}, False),
        ({"HoldReasonCode": 16}, False),
        ({"HoldReasonCode": 34, "HoldReasonSubCode": CLOSED}, False),
    ],
)
def test_an_open_vo_lets_go_exactly_what_was_held_because_it_was_closed(job: dict[str, Any], released: bool) -> None:
    assert policy(OPEN, "SYSTEM_PERIODIC_RELEASE", job) is released


@pytest.mark.parametrize("job", [HELD_BY_US, {"HoldReasonCode": 4, "NumHolds": 1, "EnteredCurrentStatus": 0}])
def test_a_closed_vo_lets_nothing_go(job: dict[str, Any]) -> None:
    assert policy(SUSPENDED, "SYSTEM_PERIODIC_RELEASE", job) is False


@pytest.mark.parametrize("of", [OPEN, SUSPENDED])
def test_it_happens_within_seconds(of: VirtualOrganization) -> None:
    found = read(access_point_config.access_point(of, site()), "PERIODIC_EXPR_INTERVAL", "MAX_PERIODIC_EXPR_INTERVAL")
    assert {name: int(value) <= 10 for name, value in found.items()} == dict.fromkeys(found, True)


def test_only_a_closed_vos_monitor_ends_jobs(tmp_path: Path) -> None:
    path = tmp_path / "credmon.json"
    for of, closed in ((OPEN, False), (SUSPENDED, True), (REMOVED, True)):
        path.write_text(credmon_settings(of, site()))
        assert credmon.load(path).closed is closed


class _Queue:
    def __init__(self, running: int) -> None:
        self.jobs = (OwnerJobs("cms_alice", running=running),)

    def ask(self, schedd: str) -> tuple[OwnerJobs, ...]:
        return self.jobs


class _Broker:
    def token(self, audience: str, scope: str = "", subject: str = "", min_valid: int = 0) -> Any:
        raise AssertionError("a closed VO's monitor asks for no token")


class Monitor:
    """A closed VO's monitor, with a token file that an open one left, and programs that write down their calls."""

    def __init__(self, directory: Path, reconfigured: bool = True) -> None:
        self.clock, self.log = Clock(), list[str]()
        self.calls = directory / "calls"
        (directory / "oauth").mkdir()
        self.files = Credentials(directory / "oauth")
        self.files.write(File("cms_alice", "cms"), "a.b.c", self.clock.now + 60)
        self.queue = _Queue(running=1)
        keeper = Keeper("cms", {"cms": "audience"}, 60, _Broker(), self.files, self.clock)
        call = ("/bin/sh", "-c", f"echo vacate >> {self.calls}")
        made = Eviction(self.clock, self.log.append, call)
        told = Reconfigure((), ("/bin/true",) if reconfigured else ("/bin/false",), self.log.append)
        waiting = Waiting(self.clock, self.log.append)
        records = Records(directory / "limits.json", self.clock, self.log.append, lambda: "")
        suspension = Suspension(self.clock, self.log.append, lambda command: "")
        (directory / "wanted.json").write_text('[["cms_alice", "cms"]]')
        self.monitor = credmon.Monitor(
            keeper,
            self.queue,
            told,
            directory / "status",
            waiting,
            records,
            suspension,
            Remembered(directory / "wanted.json", self.log.append),
            made,  # type: ignore[arg-type]
        )

    def turn(self) -> int:
        """One round; how often jobs have been told to end by now."""
        self.monitor.turn()
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0


def test_running_jobs_are_ended_now_and_again_until_none_runs(tmp_path: Path) -> None:
    point = Monitor(tmp_path)
    assert [point.turn(), point.turn()] == [1, 1]
    point.clock.pass_by(PERIOD)
    assert point.turn() == 2
    point.queue.jobs = (OwnerJobs("cms_alice", held=1),)
    point.clock.pass_by(PERIOD)
    assert point.turn() == 2


def test_nobody_has_a_token_any_more(tmp_path: Path) -> None:
    point = Monitor(tmp_path)
    point.turn()
    assert point.files.found() == {}
    assert json.loads((tmp_path / "wanted.json").read_text()) == []
    assert json.loads((tmp_path / "status").read_text())["owners"] == {}


def test_nothing_is_ended_before_htcondor_knows_that_it_must_not_start_again(tmp_path: Path) -> None:
    assert Monitor(tmp_path, reconfigured=False).turn() == 0


def test_what_cannot_be_ended_is_told() -> None:
    log: list[str] = []
    Eviction(Clock(), log.append, ("/bin/sh", "-c", "echo not allowed >&2; exit 1")).look([OwnerJobs("a", running=1)])
    assert log == ["/bin/sh failed: not allowed"]
