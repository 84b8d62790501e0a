"""`facility batch dag`: DAGMan's files, run by their owner, each node once, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facility.batch.dag import language, state
from facility.batch.dag.language import DagError
from facility.batch.dag.run import PERIOD, TRIES, Runner
from facility.batch.queue import HELD
from tests.fakes.own_queue import OwnQueue

DIAMOND = """
# a diamond
JOB A a.sub
JOB B a.sub
JOB C a.sub
JOB D a.sub
PARENT A CHILD B C
PARENT B C CHILD D
"""
SUBMIT = "executable = /bin/true\narguments = $(JOB) $(sample)\nqueue\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONDOR_CONFIG", "/dev/null")
    (tmp_path / "a.sub").write_text(SUBMIT)
    return tmp_path


class Script:
    """A script that ends when the test says so."""

    def __init__(self, code: int | None) -> None:
        self.code = code

    def poll(self) -> int | None:
        return self.code

    def terminate(self) -> None:
        self.code = -15


class World:
    """A DAG in a home, and a queue."""

    def __init__(self, home: Path, text: str) -> None:
        self.path = home / "x.dag"
        self.path.write_text(text)
        self.queue = OwnQueue()
        self.said: list[str] = []
        self.now = 0.0
        self.scripts: list[tuple[str, tuple[str, ...]]] = []
        self.codes: dict[str, int | None] = {}

    def start(self, most: int = 0) -> Runner:
        dag = language.read(self.path)

        def script(node: Any, which: Any, macros: dict[str, str]) -> Script:
            self.scripts.append((which.program, tuple(macros.get(word, word) for word in which.arguments)))
            return Script(self.codes.get(which.program, 0))

        runner = Runner(dag, self.path, self.queue.queue, self.said.append, most, script, lambda: self.now)
        runner.begin()
        return runner

    def names(self) -> list[str]:
        return sorted(ad["DAGNodeName"] for ad in self.queue.ads if ad["JobStatus"] == 1)

    def step(self, runner: Runner, *ended: str, code: int = 0) -> bool:
        for name in ended:
            self.queue.finish(self.queue.node(name), code)
        self.now += 1000
        return runner.step()


def test_children_wait_for_all_their_parents_and_output_is_fetched(home: Path) -> None:
    world = World(home, DIAMOND)
    runner = world.start()
    assert world.step(runner)
    assert world.names() == ["A"]
    world.step(runner, "A")
    assert world.names() == ["B", "C"]
    world.step(runner, "B")
    assert world.names() == ["C"]
    world.step(runner, "C")
    assert world.names() == ["D"]
    assert not world.step(runner, "D")
    assert runner.end() == 0
    assert world.queue.fetched == ["1.0", "2.0", "3.0", "4.0"]
    assert not state.path(world.path).exists(), "the next run begins anew"


def test_a_failed_node_keeps_its_children_back_and_no_others_and_is_tried_again_by_the_next_run(home: Path) -> None:
    world = World(home, DIAMOND)
    runner = world.start()
    world.step(runner)
    world.step(runner, "A")
    world.step(runner, "B", code=3)
    assert not world.step(runner, "C")
    assert (runner.end(), runner.left()) == (1, (2, 1, 1))
    assert "B: failed, exit code 3" in world.said
    again = world.start()
    world.step(again)
    assert world.names() == ["B"], "A and C are done"
    world.step(again, "B")
    assert not world.step(again, "D")
    assert again.end() == 0


def test_retries_are_new_attempts_unless_the_exit_code_says_otherwise(home: Path) -> None:
    world = World(home, "JOB A a.sub\nRETRY A 2 UNLESS-EXIT 9\nJOB B a.sub\nRETRY B 2 UNLESS-EXIT 9\n")
    runner = world.start()
    world.step(runner)
    world.step(runner, "A", code=1)
    world.step(runner, "B", code=9)
    assert [ad["FacilityDagAttempt"] for ad in world.queue.ads if ad["DAGNodeName"] == "A"] == [0, 1]
    world.step(runner, "A", code=1)
    assert not world.step(runner, "A", code=1)
    assert runner.left() == (0, 2, 0)
    assert len([ad for ad in world.queue.ads if ad["DAGNodeName"] == "A"]) == 3


def test_a_run_that_was_cut_off_finds_its_jobs_again_and_submits_none_twice(home: Path) -> None:
    world = World(home, DIAMOND)
    runner = world.start()
    world.step(runner)
    before = state.path(world.path).read_text()
    world.step(runner, "A")
    state.path(world.path).write_text(before)  # as if killed between the submission and the note of it
    again = world.start()
    world.step(again)
    assert world.names() == ["B", "C"]
    assert len(world.queue.ads) == 3


def test_jobs_whose_files_never_came_are_removed_and_submitted_again(home: Path) -> None:
    world = World(home, "JOB A a.sub\n")
    world.queue.spools = False
    runner = world.start()
    before = state.path(world.path).read_text()
    world.step(runner)
    state.path(world.path).write_text(before)
    world.queue.spools = True
    again = world.start()
    world.step(again)
    assert [(ad["ClusterId"], ad["JobStatus"]) for ad in world.queue.ads] == [(2, 1)]


def test_an_access_point_that_is_away_is_waited_for(home: Path) -> None:
    world = World(home, DIAMOND)
    runner = world.start()
    world.step(runner)
    world.queue.away = True
    for _ in range(50):
        assert world.step(runner)
    world.queue.away = False
    world.step(runner, "A")
    assert world.names() == ["B", "C"]
    assert len([line for line in world.said if "does not answer" in line]) == 1


def test_nothing_fails_because_the_access_point_is_away_when_it_is_to_be_submitted(home: Path) -> None:
    world = World(home, "JOB A a.sub\nSCRIPT PRE A before.sh\n")
    runner = world.start()
    world.queue.away = True
    for _ in range(50):
        assert world.step(runner)
    world.queue.away = False
    world.step(runner)
    assert (world.names(), world.queue.last) == (["A"], 1)
    assert len(world.scripts) == 1, "what was done before the job is done"
    assert len(world.said) == len(set(world.said)), "nothing is said twice"


def test_a_submission_that_failed_when_the_access_point_had_taken_it_is_not_repeated(home: Path) -> None:
    world = World(home, "JOB A a.sub\n")
    runner = world.start()
    world.queue.cut = True
    world.step(runner)
    world.queue.cut = False
    world.step(runner)
    assert (world.names(), world.queue.last) == (["A"], 1)
    assert not world.step(runner, "A")
    assert runner.left() == (1, 0, 0)


def test_a_submission_whose_files_were_lost_is_removed_and_repeated(home: Path) -> None:
    (home / "a.sub").write_text(SUBMIT.replace("queue", "queue 2"))
    world = World(home, "JOB A a.sub\n")
    runner = world.start()
    world.queue.cut, world.queue.spools = True, False
    world.step(runner)
    world.queue.cut, world.queue.spools = False, True
    world.step(runner)
    assert [(ad["ClusterId"], ad["JobStatus"]) for ad in world.queue.ads] == [(2, 1), (2, 1)]


def test_output_that_cannot_be_fetched_is_asked_for_ever_more_slowly(home: Path) -> None:
    world = World(home, "JOB A a.sub\n")
    runner = world.start()
    world.step(runner)
    world.queue.finish(1)
    world.queue.broken = {"1.0"}
    for _ in range(20):
        world.now += PERIOD
        assert runner.step()
    world.queue.broken = set()
    assert not world.step(runner)
    assert runner.left() == (1, 0, 0)


def test_a_description_that_is_refused_fails_its_node_after_some_tries(home: Path) -> None:
    world = World(home, "JOB A a.sub\n")
    world.queue.refuses = "this access point takes jobs of the vanilla universe only"
    runner = world.start()
    steps = sum(1 for _ in iter(lambda: world.step(runner), False))
    assert steps == TRIES - 1
    assert runner.left() == (0, 1, 0)
    assert any("vanilla universe" in line for line in world.said)


def test_jobs_that_somebody_removed_or_fetched_are_known_from_the_history(home: Path) -> None:
    world = World(home, "JOB A a.sub\nJOB B a.sub\n")
    runner = world.start()
    world.step(runner)
    world.queue.finish(world.queue.node("A"))
    world.queue.leave(world.queue.node("A"))
    world.queue.leave(world.queue.node("B"), JobStatus=3)
    assert not world.step(runner)
    assert runner.left() == (1, 1, 0)


def test_a_node_is_over_when_all_its_jobs_are(home: Path) -> None:
    (home / "a.sub").write_text(SUBMIT.replace("queue", "queue 2"))
    world = World(home, "JOB A a.sub\n")
    runner = world.start()
    world.step(runner)
    world.queue.ads[0] |= {"JobStatus": 4, "ExitCode": 5, "CompletionDate": world.queue.now}
    assert world.step(runner)
    assert not world.step(runner, "A")
    assert runner.left() == (1, 0, 0)


def test_scripts_run_before_and_after_and_the_last_word_is_theirs(home: Path) -> None:
    text = "JOB A a.sub\nSCRIPT PRE A before.sh $JOB $RETRY\nSCRIPT POST A after.sh $RETURN $JOBID\n"
    world = World(home, text)
    world.codes = {"before.sh": None}
    runner = world.start()
    world.step(runner)
    assert world.names() == []
    next(iter(runner._running.values())).code = 0  # type: ignore[attr-defined]
    world.step(runner)
    assert world.names() == ["A"]
    assert not world.step(runner, "A", code=7)
    assert world.scripts == [("before.sh", ("A", "0")), ("after.sh", ("7", "1.0"))]
    assert runner.left() == (1, 0, 0), "the script after it is content"


@pytest.mark.parametrize(("more", "left"), [("", (0, 1, 0)), ("PRE_SKIP A 4\n", (1, 0, 0))])
def test_a_script_before_the_job_may_fail_or_skip_the_node(home: Path, more: str, left: tuple[int, int, int]) -> None:
    world = World(home, f"JOB A a.sub\nSCRIPT PRE A before.sh\n{more}")
    world.codes = {"before.sh": 4}
    runner = world.start()
    assert not world.step(runner)
    assert (runner.left(), world.queue.ads) == (left, [])


def test_limits_and_priorities_are_kept(home: Path) -> None:
    text = "".join(f"JOB N{n} a.sub\nCATEGORY N{n} {'even' if n % 2 == 0 else 'odd'}\n" for n in range(6))
    world = World(home, f"{text}MAXJOBS even 1\nPRIORITY N4 5\n")
    runner = world.start(most=3)
    world.step(runner)
    assert world.names() == ["N1", "N3", "N4"]


def test_abort_dag_on_removes_what_runs_and_returns_what_it_says(home: Path) -> None:
    world = World(home, "JOB A a.sub\nJOB B a.sub\nABORT-DAG-ON A 10 RETURN 2\n")
    runner = world.start()
    world.step(runner)
    assert not world.step(runner, "A", code=10)
    assert runner.end() == 2
    assert not [ad for ad in world.queue.ads if ad["JobStatus"] == 1]
    again = world.start()
    world.step(again)
    assert world.names() == ["A", "B"]


def test_the_final_node_runs_however_it_went_and_decides(home: Path) -> None:
    world = World(home, DIAMOND + "FINAL F a.sub\nSCRIPT POST F after.sh $DAG_STATUS $FAILED_COUNT\n")
    runner = world.start()
    world.step(runner)
    world.step(runner, "A", code=1)
    assert world.names() == ["F"]
    assert not world.step(runner, "F")
    assert world.scripts == [("after.sh", ("2", "1"))]
    assert runner.end() == 0


def test_a_description_sees_the_nodes_macros_and_its_directory(home: Path) -> None:
    (home / "sub").mkdir()
    (home / "sub" / "a.sub").write_text(SUBMIT)
    world = World(home, 'JOB A a.sub DIR sub\nVARS A sample="ttbar \\"2\\"" other="1"\nPRIORITY A 3\n')
    world.step(world.start())
    text = world.queue.texts[1]
    assert 'sample = ttbar "2"' in text
    assert "JOB = A" in text
    assert "priority = 3" in text
    assert world.queue.places[1] == home / "sub"


def test_held_jobs_are_told_once_and_waited_for(home: Path) -> None:
    world = World(home, "JOB A a.sub\n")
    runner = world.start()
    world.step(runner)
    world.queue.ads[0] |= {"JobStatus": HELD, "HoldReasonCode": 34, "HoldReason": "more memory than asked for"}
    for _ in range(3):
        assert world.step(runner)
    assert [line for line in world.said if "held" in line] == ["A: 1.0 is held: more memory than asked for"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no node"),
        ("JOB A a.sub\nSPLICE B b.dag", "line 2: SPLICE is something of DAGMan's"),
        ("JOB A a.sub\nPARENT A CHILD B", "there is no node B"),
        ("JOB A a.sub\nJOB B a.sub\nPARENT A CHILD B\nPARENT B CHILD A", "circle: A, B"),
        ("JOB A a.sub\nJOB A a.sub", "another node A"),
        ("JOB A", "cannot be understood: JOB A"),
        ("JOB A a.sub\nVARS A sample=1", "variables are written"),
        ("JOB A a.sub\nNONSENSE A", "NONSENSE is no command"),
        ("JOB A {\nexecutable = x", "without its }"),
        ("JOB A a.sub\nSCRIPT HOLD A x.sh", "SCRIPT is something"),
    ],
)
def test_what_cannot_be_run_is_refused_with_its_line(home: Path, text: str, told: str) -> None:
    (home / "x.dag").write_text(text)
    with pytest.raises(DagError, match=told):
        language.read(home / "x.dag")


def test_descriptions_may_stand_in_the_dag_and_be_shared(home: Path) -> None:
    text = (
        "SUBMIT-DESCRIPTION s {\nexecutable = /bin/true\n}\nJOB A s\nJOB B {\nexecutable = /bin/false\n}\nDOT x.dot\n"
    )
    (home / "more.dag").write_text("JOB C a.sub\n")
    world = World(home, f"{text}INCLUDE more.dag\nRETRY ALL_NODES 1\n")
    dag = language.read(world.path)
    assert [node.retries for node in dag.nodes.values()] == [1, 1, 1]
    world.step(world.start())
    assert world.names() == ["A", "B", "C"]
    assert "executable = /bin/false" in world.queue.texts[2]


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_whatever_the_dag_and_wherever_it_is_cut_off_each_node_runs_after_its_parents_and_once(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("dag")
    (home / "a.sub").write_text(SUBMIT)
    count = data.draw(st.integers(1, 7))
    edges = [(a, b) for b in range(count) for a in range(b) if data.draw(st.booleans())]
    text = "".join(f"JOB N{n} {home}/a.sub\n" for n in range(count))
    world = World(home, text + "".join(f"PARENT N{a} CHILD N{b}\n" for a, b in edges))
    runner, more, order = world.start(), True, list[str]()
    while more:
        if data.draw(st.booleans()):
            runner = world.start()
        ready: Callable[[], list[str]] = world.names
        ended = data.draw(st.sampled_from(ready())) if ready() else None
        order += [ended] if ended else []
        more = world.step(runner, *([ended] if ended else []))
    assert runner.end() == 0
    assert sorted(order) == [f"N{n}" for n in range(count)]
    assert world.queue.last == count
    assert all(order.index(f"N{a}") < order.index(f"N{b}") for a, b in edges)
