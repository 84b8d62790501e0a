"""HTCondor's records of people follow what VOs and administrators say: ceilings, and who may send no jobs for now."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from facility.condor import credmon
from facility.condor.credentials import Credentials
from facility.condor.hold_codes import REQUEST, SUSPENDED
from facility.condor.jobs import OwnerJobs
from facility.condor.keeper import Keeper
from facility.condor.limits import Limits
from facility.condor.reconfigure import Reconfigure
from facility.condor.remembered import Remembered
from facility.condor.suspension import Suspension
from facility.condor.tools import ToolError
from facility.condor.user_records import PERIOD, Record, Records, changes, parse, refusal
from facility.condor.waiting import Waiting
from facility.exchange import Broker
from facility.operator.build.access_point import people
from facility.users import FacilityUser
from tests.fakes.clock import Clock
from tests.fakes.objects import site, user, vo

htcondor2 = pytest.importorskip("htcondor2")  # with it, classad2 knows HTCondor's own functions
classad2 = pytest.importorskip("classad2")
WHY = "Your jobs overload the lake: write to the facility."
SHOWN = """\
condor@family true undefined undefined
cms_alice@pool 1 undefined undefined
cms_bob@pool 0 5 has left
atlas_eve@elsewhere true undefined undefined
"""


def told(records: Sequence[Record], **limits: Any) -> list[str]:
    return [" ".join(command[1:]) for command in changes(records, Limits(**limits))]


def test_records_are_read_as_htcondor_prints_them_and_only_peoples() -> None:
    assert parse(SHOWN) == [Record("cms_alice", True, None), Record("cms_bob", False, 5, "has left")]


def test_records_that_are_as_they_should_be_are_left_alone() -> None:
    assert told([Record("cms_alice", True, None)]) == []
    assert told([Record("cms_alice", True, 4)], max_running=4) == []
    assert told([Record("cms_bob", False, None, refusal(WHY))], suspended={"cms_bob": WHY}) == []


def test_a_ceiling_holds_for_everybody_who_has_a_record() -> None:
    found = told([Record("cms_alice", True, None), Record("cms_bob", True, 9)], max_running=4)
    assert found == [f"-user {name}@pool -edit MaxJobsRunning=4" for name in ("cms_alice", "cms_bob")]


def test_a_ceiling_that_is_gone_limits_nobody() -> None:
    (lifted,) = told([Record("cms_alice", True, 4)])
    assert int(lifted.rpartition("=")[2]) >= 100_000
    assert told([Record("cms_alice", True, int(lifted.rpartition("=")[2]))]) == []


def test_who_is_suspended_is_refused_with_the_reason_also_without_ever_having_sent_a_job() -> None:
    refused = f"-disable cms_bob@pool -reason Your jobs are suspended: {WHY}"
    assert told([], suspended={"cms_bob": WHY}) == ["-add cms_bob@pool", refused]


@pytest.mark.parametrize("why", ["-enable", "--", "undefined", " ", "  two  spaces "])
def test_no_reason_is_taken_for_something_else_or_written_again_and_again(why: str) -> None:
    *_, reason = next(changes([Record("cms_bob", True, None)], Limits(suspended={"cms_bob": why})))
    assert reason.startswith("Your jobs")
    assert told(parse(f"cms_bob@pool 0 undefined {reason}\n"), suspended={"cms_bob": why}) == []


def test_who_may_work_again_is_let_in_again() -> None:
    assert told([Record("cms_bob", False, None, WHY)]) == ["-enable cms_bob@pool"]


class Point:
    """Records that a fake condor_qusers shows, and the commands that it got."""

    def __init__(self, directory: Path) -> None:
        self.path, self.clock = directory / "limits.json", Clock()
        self.shown, self.refuses = SHOWN, ""
        self.fails, self.takes = "", 0.0
        self.log: list[str] = []
        self.commands: list[Sequence[str]] = []
        self.records = Records(self.path, self.clock, self.log.append, self.show, self.act)

    def show(self) -> str:
        if self.refuses:
            raise ToolError(self.refuses)
        return self.shown

    def act(self, command: Sequence[str]) -> str:
        self.commands.append(command)
        self.clock.pass_by(self.takes)
        return "condor_qusers failed: no" if self.fails and self.fails in command else ""


def test_who_is_new_has_their_ceiling_at_once(tmp_path: Path) -> None:
    point = Point(tmp_path)
    point.path.write_text(Limits(3).text())
    point.shown = "cms_alice@pool 1 3 undefined\n"
    point.records.look()
    point.records.meet(["cms_alice"])
    assert point.commands == []
    point.shown += "cms_bob@pool 1 undefined undefined\n"
    point.records.meet(["cms_alice", "cms_bob"])
    assert [command[2:] for command in point.commands] == [("cms_bob@pool", "-edit", "MaxJobsRunning=3")]
    point.records.meet(["cms_alice", "cms_bob"])
    assert len(point.commands) == 1, "who is known is looked at with all others"


def test_who_is_new_while_the_schedd_is_away_has_their_ceiling_when_it_is_back(tmp_path: Path) -> None:
    point = Point(tmp_path)
    point.path.write_text(Limits(3).text())
    point.shown = ""
    point.records.look()
    point.refuses, point.shown = "condor_qusers failed: no schedd", "cms_bob@pool 1 undefined undefined\n"
    point.records.meet(["cms_bob"])
    assert point.commands == []
    point.refuses = ""
    point.records.meet(["cms_bob"])
    assert len(point.commands) == 1


def test_the_monitor_looks_at_the_records_when_somebody_new_is_in_the_queue(tmp_path: Path) -> None:
    point = Point(tmp_path)
    point.path.write_text(Limits(3).text())
    point.shown = ""

    class Queues:
        """In which bob's first job has come since the records were looked at."""

        def ask(self, schedd: str) -> tuple[OwnerJobs, ...]:
            point.shown = "cms_bob@pool 1 undefined undefined\n"
            return (OwnerJobs("cms_bob", arriving=1),)

    parts: dict[str, Any] = {
        "keeper": Keeper("cms", {}, 60, Broker("https://broker.test", tmp_path), Credentials(tmp_path), point.clock),
        "queues": Queues(),
        "reconfigure": Reconfigure((), ("/bin/true",), point.log.append),
        "status": tmp_path / "status",
        "waiting": Waiting(point.clock, point.log.append),
        "records": point.records,
        "suspension": Suspension(point.clock, point.log.append, lambda command: ""),
        "remembered": Remembered(tmp_path / "wanted.json", point.log.append),
    }
    credmon.Monitor(**parts).turn()
    assert [command[2:] for command in point.commands] == [("cms_bob@pool", "-edit", "MaxJobsRunning=3")]


def test_nobody_new_is_looked_at_where_there_is_no_ceiling(tmp_path: Path) -> None:
    point = Point(tmp_path)
    point.records.look()
    point.refuses = "condor_qusers failed: nobody should have asked"
    point.records.meet(["cms_new"])
    assert not [line for line in point.log if "nobody" in line]


def test_one_persons_trouble_keeps_no_other_from_their_limits(tmp_path: Path) -> None:
    point = Point(tmp_path)
    point.path.write_text(Limits(3).text())
    point.fails = "cms_alice@pool"
    point.records.look()
    assert {word for command in point.commands for word in command if "@" in word} == {"cms_alice@pool", "cms_bob@pool"}
    assert "condor_qusers failed: no" in point.log


def test_a_schedd_that_answers_no_more_is_not_waited_for_again_and_again(tmp_path: Path) -> None:
    point = Point(tmp_path)
    point.path.write_text(Limits(3).text())
    point.shown = "".join(f"cms_p{number}@pool 1 undefined undefined\n" for number in range(9))
    point.fails, point.takes = "-edit", 30.0
    point.records.look()
    assert len(point.commands) == 1


def test_a_change_is_carried_out_at_once_and_drift_within_seconds(tmp_path: Path) -> None:
    point = Point(tmp_path)
    point.shown = "cms_alice@pool 1 undefined undefined\n"
    point.records.look()
    assert point.commands == []
    point.path.write_text(Limits(3).text())
    point.records.look()
    assert [command[-1] for command in point.commands] == ["MaxJobsRunning=3"]
    point.records.look()
    assert len(point.commands) == 1
    point.clock.pass_by(PERIOD)
    point.records.look()
    assert len(point.commands) == 2


def test_a_schedd_that_is_away_is_told_of_once_and_asked_again(tmp_path: Path) -> None:
    point = Point(tmp_path)
    point.refuses = "condor_qusers failed: no schedd"
    for _ in range(3):
        point.records.look()
        point.clock.pass_by(PERIOD)
    assert point.log == ["condor_qusers failed: no schedd"]
    point.refuses = ""
    point.records.look()
    assert point.commands[0][1] == "-enable"


def test_a_file_that_is_half_there_changes_nothing(tmp_path: Path) -> None:
    point = Point(tmp_path)
    point.path.write_text('{"max_running": 1')
    point.records.look()
    assert point.commands == []
    assert "limits.json cannot be read" in point.log[0]
    assert point.records.limits is None, "nobody can take it for nobody's being stopped"


def test_what_the_operator_writes_is_what_the_monitor_reads(tmp_path: Path) -> None:
    spec = {"vo": "cms", "sub": "s", "name": "bob", "uid": 20002, "jobsSuspended": WHY}
    mine = [user("cms", "alice", 20001), FacilityUser.parse({"spec": spec})]
    written = people(vo("cms", maxRunningJobsPerPerson=7), mine, site())["data"]["limits.json"]
    (tmp_path / "limits.json").write_text(written)
    assert Limits.read(tmp_path / "limits.json") == Limits(7, {"cms_bob": WHY})
    assert json.loads(written)["suspended"] == {"cms_bob": WHY}


class Queue:
    """What a suspension has HTCondor do."""

    def __init__(self) -> None:
        self.clock, self.log = Clock(), list[str]()
        self.commands: list[Sequence[str]] = []
        self.refuses = ""
        self.suspension = Suspension(self.clock, self.log.append, self.act)

    def act(self, command: Sequence[str]) -> str:
        self.commands.append(command)
        return self.refuses

    def turn(self, *jobs: OwnerJobs, suspended: Sequence[str] = ()) -> list[str]:
        self.commands.clear()
        self.suspension.look(jobs, dict.fromkeys(suspended, WHY))
        return [command[0] for command in self.commands]


def chosen(constraint: str, **job: Any) -> bool:
    return classad2.ExprTree(constraint).eval(classad2.ClassAd(job)) is True


def test_jobs_of_a_suspended_person_are_held_with_the_reason_running_ones_too() -> None:
    queue = Queue()
    queue.turn()
    assert queue.turn(
        OwnerJobs("cms_bob", idle=1, running=1), OwnerJobs("cms_alice", idle=1), suspended=["cms_bob"]
    ) == ["condor_hold"]
    (hold,) = queue.commands
    assert all(chosen(hold[2], Owner="cms_bob", JobStatus=status) for status in (1, 2, 7))
    assert not chosen(hold[2], Owner="cms_bob", JobStatus=5)
    assert not chosen(hold[2], Owner="cms_alice", JobStatus=1)
    assert WHY in hold[4]
    assert hold[-1] == str(SUSPENDED)


def test_a_job_that_its_owner_lets_go_is_held_again() -> None:
    queue = Queue()
    held = OwnerJobs("cms_bob", held=2)
    queue.turn()
    assert queue.turn(held, suspended=["cms_bob"]) == []
    assert queue.turn(OwnerJobs("cms_bob", held=1, idle=1), suspended=["cms_bob"]) == ["condor_hold"]


def test_exactly_what_was_held_so_goes_on_when_the_owner_may_work_again() -> None:
    queue = Queue()
    bob, eve = OwnerJobs("cms_bob", held=1, suspended=2), OwnerJobs("cms_eve", suspended=1)
    assert queue.turn(bob, eve, suspended=["cms_bob", "cms_eve"]) == []
    assert queue.turn(bob, eve, suspended=["cms_eve"]) == ["condor_release"]
    where = queue.commands[0][2]
    ours = {"JobStatus": 5, "HoldReasonCode": REQUEST, "HoldReasonSubCode": SUSPENDED}
    assert chosen(where, Owner="cms_bob", **ours)
    assert not chosen(where, Owner="cms_eve", **ours)
    assert not chosen(where, Owner="cms_bob", **ours | {"HoldReasonSubCode": 0})


def test_a_new_monitor_lets_go_whom_an_earlier_one_held_and_nobody_else() -> None:
    """HTCondor says that it has failed when there is nothing to be let go."""
    assert Queue().turn(OwnerJobs("cms_bob", suspended=1)) == ["condor_release"]
    assert Queue().turn(OwnerJobs("cms_bob", held=1, hindered=1)) == []


def test_what_htcondor_refuses_is_tried_again_a_while_later() -> None:
    queue = Queue()
    queue.refuses = "condor_release failed: no schedd"
    bob = OwnerJobs("cms_bob", suspended=1)
    assert queue.turn(bob) == ["condor_release"]
    assert queue.turn(bob) == []
    queue.refuses = ""
    queue.clock.pass_by(10)
    assert queue.turn(bob) == ["condor_release"]
