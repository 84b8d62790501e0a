"""`facility batch why` tells why jobs wait and what to do; `facility batch fetch` brings output back, job by job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from facility.agent.files import SOCKET
from facility.agent.socket import listening
from facility.batch import main, queue
from facility.batch.fetch import Fetch
from facility.batch.main import Here
from facility.batch.queue import COMPLETED, HELD, IDLE, RUNNING, AwayError, BatchError
from facility.condor.hold_codes import CLOSED, NONE_NOW, POLICY, REQUEST, SIGN_IN_AGAIN, SUSPENDED
from tests.fakes.own_queue import OwnQueue

WAITING = "3 jobs wait: cms uses all of the 40 cores that it may have."
BATCH = {"user": "cms-alice", "known": True, "idle": 3, "pods": 2, "cpus": 8, "allowedCpus": 10, "waiting": WAITING}


@pytest.fixture(autouse=True)
def no_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDOR_CONFIG", "/dev/null")


class World:
    """A notebook of alice's with an agent, and her queue."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory, self._capsys = directory, capsys
        self.queue = OwnQueue()
        self.batch: dict[str, Any] = {"batch": BATCH}
        self.environment = {"FACILITY_USER": "cms-alice", "AGENT_DIRECTORY": str(directory)}

    def run(self, *words: str, agent: bool = True) -> tuple[int, str]:
        given = main.parser().parse_args(words)
        here = Here(self.environment, lambda: self.queue.queue, lambda: float(self.queue.now))
        if not agent:
            return main.run(given, here), self._printed()
        with listening(self.directory / SOCKET, lambda request: self.batch if request.get("batch") else {}):
            return main.run(given, here), self._printed()

    def _printed(self) -> str:
        found = self._capsys.readouterr()
        return found.out + found.err


@pytest.fixture
def world(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> World:
    return World(tmp_path, capsys)


def test_waiting_jobs_are_explained_by_the_operators_sentence_and_the_share(world: World) -> None:
    for number in (17, 18, 19):
        world.queue.add(number, IDLE)
    world.queue.add(16, RUNNING)
    code, told = world.run("why")
    assert code == 0
    assert "Your jobs: 3 waiting, 1 running." in told
    assert WAITING in told
    assert "2 execute pods work for you, with 8 cores; your share at the moment is 10 cores." in told


def test_other_peoples_jobs_are_not_looked_at(world: World) -> None:
    world.queue.add(17, IDLE, Owner="cms_bob")
    assert world.run("why") == (0, "You have no job in the queue.\n")


def test_who_asks_a_moment_after_submitting_is_told_to_ask_again(world: World) -> None:
    world.queue.add(17, IDLE, QDate=world.queue.now - 2)
    world.batch = {"batch": BATCH | {"waiting": ""}}
    assert "ask again in a moment" in world.run("why")[1]


def test_without_an_agent_or_a_broker_the_queue_is_told_all_the_same(world: World) -> None:
    world.queue.add(17, IDLE)
    assert "the facility does not say why: this is no notebook of the facility" in world.run("why", agent=False)[1]
    world.batch = {"error": "temporarily_unavailable", "error_description": "the broker cannot be reached"}
    assert "1 job waits; the facility does not say why: the broker cannot be reached" in world.run("why")[1]


def test_held_jobs_are_told_by_reason_each_once_with_what_to_do(world: World) -> None:
    more = {"HoldReason": "more memory than asked for", "HoldReasonCode": 34, "HoldReasonSubCode": 0}
    for proc in range(3):
        world.queue.add(17, HELD, proc, **more)
    signed = {"HoldReasonCode": REQUEST, "HoldReasonSubCode": SIGN_IN_AGAIN}
    world.queue.add(18, HELD, HoldReason="The session has ended.", **signed)
    code, told = world.run("why")
    assert code == 1
    assert told.count("more memory than asked for") == 1
    assert "3 jobs are held (17.0, 17.1, 17.2)" in told
    assert "To do: Sign in at the hub." in told
    assert "condor_release 17" in told


@pytest.mark.parametrize("held", [(REQUEST, NONE_NOW), (REQUEST, SUSPENDED), (POLICY, CLOSED)])
def test_nobody_is_told_to_let_go_what_only_others_can(world: World, held: tuple[int, int]) -> None:
    code, subcode = held
    world.queue.add(17, HELD, HoldReason="Others say when.", HoldReasonCode=code, HoldReasonSubCode=subcode)
    _, told = world.run("why")
    assert "Others say when." in told
    assert "To do" not in told


def test_files_that_never_came_are_noticed(world: World) -> None:
    world.queue.add(17, HELD, HoldReasonCode=16, EnteredCurrentStatus=world.queue.now - 3600)
    world.queue.add(18, HELD, HoldReasonCode=16)
    code, told = world.run("why")
    assert "The files of 17.0 have not come" in told
    assert "To do: condor_rm 17.0" in told
    assert code == 0


def test_one_job_is_told_about_wherever_it_is(world: World) -> None:
    world.queue.add(17, RUNNING, RemoteHost="slot1_1@ep-cms-alice-x", JobCurrentStartDate=world.queue.now - 65)
    world.queue.add(18, IDLE, NumJobStarts=2)
    world.queue.add(19, COMPLETED)
    world.queue.finish(19, 3)
    world.queue.leave(19)
    assert "17.0 runs on slot1_1@ep-cms-alice-x for 1 min 5 s." in world.run("why", "17")[1]
    assert "18.0 has been started 2 times before" in world.run("why", "18.0")[1]
    assert "19.0 is in the queue no more: it ended with exit code 3." in world.run("why", "19")[1]
    assert world.run("why", "99")[1] == "None of these jobs is in the queue.\n"


def test_programs_get_an_object(world: World) -> None:
    world.queue.add(17, IDLE)
    found = json.loads(world.run("why", "--json")[1])
    assert found["counts"] == {"waiting": 1, "running": 0, "held": 0, "arriving": 0, "finished": 0}
    assert WAITING in found["sentences"]


def test_nonsense_is_no_job(world: World) -> None:
    assert world.run("why", "x17") == (1, "'x17' is no job: write 17 for all jobs of a cluster, 17.3 for one\n")


def test_an_access_point_that_does_not_answer_is_an_error_in_words(world: World) -> None:
    world.queue.away = True
    code, told = world.run("why")
    assert (code, "the access point does not answer" in told) == (1, True)


def test_output_of_what_has_finished_is_fetched_once(world: World) -> None:
    world.queue.add_finished(17, 3)
    world.queue.add(18, RUNNING)
    assert world.run("fetch") == (0, "17.0, 17.1, 17.2 ended with exit code 0: output in /home/jovyan\n")
    assert world.queue.fetched == ["17.0", "17.1", "17.2"]
    assert world.run("fetch") == (0, "no finished job has output that is not fetched yet\n")


def test_one_job_that_fails_keeps_nobody_from_their_output(world: World) -> None:
    world.queue.add_finished(17, 3)
    world.queue.broken = {"17.1"}
    code, told = world.run("fetch")
    assert code == 1
    assert "17.0, 17.2 ended with exit code 0" in told
    assert "17.1: the output cannot be fetched" in told
    assert {"17.0", "17.2"} <= set(world.queue.fetched)


def test_output_can_go_elsewhere(world: World, tmp_path: Path) -> None:
    world.queue.add_finished(17)
    assert world.run("fetch", "--into", str(tmp_path))[0] == 0
    assert world.queue.ads[0]["SUBMIT_Iwd"] == str(tmp_path)
    assert "is no directory" in world.run("fetch", "--into", str(tmp_path / "none"))[1]


def test_only_named_jobs_are_fetched(world: World) -> None:
    for number in (17, 18):
        world.queue.add_finished(number)
    world.run("fetch", "18")
    assert world.queue.fetched == ["18.0"]


def test_who_waits_gets_each_when_it_has_ended_and_is_told_of_what_needs_somebody(world: World) -> None:
    world.queue.add(17, RUNNING)
    world.queue.add(18, IDLE)
    world.queue.add(19, HELD, HoldReasonCode=34)
    looks: list[float] = []

    def pause(seconds: float) -> None:
        looks.append(seconds)
        world.queue.finish(17 + len(looks) - 1)

    outcome = Fetch(world.queue.queue, "true", print, now=lambda: 0.0, pause=pause).run(wait=60)
    assert world.queue.fetched == ["17.0", "18.0"]
    assert [job["ClusterId"] for job in outcome.held] == [19]
    assert not outcome.well
    assert len(looks) == 2


def test_who_waits_no_longer_than_so_many_seconds_is_told_what_is_left(world: World) -> None:
    world.queue.add(17, RUNNING)
    clock = iter(range(100))
    fetch = Fetch(world.queue.queue, "true", print, now=lambda: float(next(clock)), pause=lambda _: None)
    assert [job["ClusterId"] for job in fetch.run(wait=5).left] == [17]


def test_a_thousand_jobs_of_a_cluster_are_fetched_in_pieces_and_one_that_fails_costs_little(world: World) -> None:
    world.queue.add_finished(17, 1000)
    world.queue.broken = {"17.700"}
    code, told = world.run("fetch")
    assert (code, world.queue.most) == (1, 200)
    assert "17.700: the output cannot be fetched" in told
    assert len(set(world.queue.fetched)) == 999
    assert len(world.queue.fetched) == 999, "what has come is not fetched again"


def test_any_number_of_jobs_can_be_named(world: World) -> None:
    for proc in range(600):
        world.queue.add(17, IDLE, proc)
    assert "600 jobs wait" in world.run("why", *(f"17.{proc}" for proc in range(600)), agent=False)[1]


def test_who_waits_gets_output_although_the_access_point_was_away_meanwhile(world: World) -> None:
    world.queue.add(17, RUNNING)
    said: list[str] = []
    looks: list[float] = []

    def pause(seconds: float) -> None:
        looks.append(seconds)
        world.queue.away = len(looks) < 4
        if len(looks) == 5:
            world.queue.finish(17)

    outcome = Fetch(world.queue.queue, "true", said.append, now=lambda: 0.0, pause=pause).run(wait=60)
    assert (world.queue.fetched, outcome.well) == (["17.0"], True)
    assert len(said) == 1
    assert "does not answer" in said[0]


def test_output_that_could_not_come_as_the_access_point_went_is_fetched_when_it_is_back(world: World) -> None:
    world.queue.add_finished(17)
    leaves = world.queue.leaves = iter([True, False])

    def pause(_: float) -> None:
        world.queue.away = False

    outcome = Fetch(world.queue.queue, "true", print, now=lambda: 0.0, pause=pause).run(wait=60)
    assert (world.queue.fetched, outcome.failed, outcome.well) == (["17.0"], {}, True)
    assert list(leaves) == []


def test_output_of_one_job_waits_for_an_access_point_that_goes_away_after_another_has_failed(world: World) -> None:
    world.queue.add_finished(17, 2)
    world.queue.broken = {"17.0"}
    world.queue.leaves = iter([False, False, True, False])  # both together, the first, the second, the second again

    def pause(_: float) -> None:
        world.queue.away = False

    outcome = Fetch(world.queue.queue, "true", print, now=lambda: 0.0, pause=pause).run(wait=60)
    assert (world.queue.fetched, [str(one) for one in outcome.failed]) == (["17.1"], ["17.0"])


def test_who_does_not_wait_is_told_that_the_access_point_is_away(world: World) -> None:
    world.queue.away = True
    code, told = world.run("fetch")
    assert (code, told.count("the access point does not answer"), told.count("\n")) == (1, 1, 1)


def test_nobody_waits_for_files_that_nobody_sends_any_more(world: World) -> None:
    world.queue.add(17, HELD, HoldReasonCode=16, EnteredCurrentStatus=1000)
    clock = iter(range(1000, 3000, 100))
    fetch = Fetch(world.queue.queue, "true", print, now=lambda: float(next(clock)), pause=lambda _: None)
    assert [job["ClusterId"] for job in fetch.run(wait=float("inf")).held] == [17]
    assert next(clock) > 1600, "before, they may be on their way"


def test_an_access_point_that_has_moved_is_found_where_it_is_now(world: World) -> None:
    there = world.queue.queue
    assert (there.jobs("true"), there.jobs("true"), world.queue.located) == ([], [], 1)
    world.queue.away = True
    with pytest.raises(AwayError):
        there.jobs("true")
    world.queue.away = False
    assert (there.jobs("true"), world.queue.located) == ([], 2)


def test_a_refusal_is_told_from_an_access_point_that_is_away(world: World) -> None:
    world.queue.add(17, COMPLETED)
    world.queue.broken = {"17.0"}
    with pytest.raises(BatchError) as refused:
        world.queue.queue.fetch("ClusterId == 17")
    assert not isinstance(refused.value, AwayError)
    world.queue.away = True
    with pytest.raises(AwayError):
        world.queue.queue.fetch("ClusterId == 17")


def test_elsewhere_a_person_is_known_by_their_token(tmp_path: Path) -> None:
    token = tmp_path / "compute"
    token.write_text("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZS0xIn0.x")
    assert queue.mine({"_CONDOR_SCITOKENS_FILE": str(token)}) == 'AuthTokenSubject == "alice-1"'
    token.write_text("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhXCIgfHwgdHJ1ZSJ9.x")
    with pytest.raises(BatchError):
        queue.mine({"_CONDOR_SCITOKENS_FILE": str(token)})
    with pytest.raises(BatchError, match="facility env"):
        queue.mine({})


def test_examples_are_copied_and_what_a_person_has_changed_stays(tmp_path: Path, world: World) -> None:
    shipped, home = tmp_path / "shipped", tmp_path / "home"
    shipped.mkdir()
    for name in ("a.ipynb", "b.ipynb"):
        (shipped / name).write_text(name)
    home.mkdir()
    (home / "a.ipynb").write_text("mine")
    assert world.run("examples", str(home), "--from", str(shipped))[0] == 0
    assert {one.name: one.read_text() for one in home.iterdir()} == {"a.ipynb": "mine", "b.ipynb": "b.ipynb"}
