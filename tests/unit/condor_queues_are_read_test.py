"""Queues are read by a child process, so that a daemon that does not answer stops nobody for long."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from facility.condor.jobs import OwnerJobs, QueueError, Queues
from facility.condor.shapes import Shape
from facility.condor.situation import Need

ECHO = """
import json, sys
for line in sys.stdin:
    print(json.dumps({"owners": [{"owner": json.loads(line)["schedd"], "idle": 1}]}), flush=True)
"""
SILENT = "import sys\nfor line in sys.stdin: pass\n"
DYING = "import sys\nsys.stdin.readline()\n"
REFUSING = """
import json, sys
for line in sys.stdin:
    print(json.dumps({"error": "the collector does not know it"}), flush=True)
"""


@contextmanager
def child(tmp_path: Path, program: str, patience: float = 10.0) -> Iterator[Queues]:
    path = tmp_path / "child.py"
    path.write_text(program)
    queues = Queues({}, (sys.executable, str(path)), patience)
    try:
        yield queues
    finally:
        queues.close()


def test_the_answer_is_one_entry_per_owner(tmp_path: Path) -> None:
    with child(tmp_path, ECHO) as queues:
        assert queues.ask("first") == (OwnerJobs("first", idle=1),)
        assert queues.ask("second") == (OwnerJobs("second", idle=1),)


def test_a_queue_that_does_not_answer_is_given_up_in_time(tmp_path: Path) -> None:
    begun = time.monotonic()
    with child(tmp_path, SILENT, patience=0.3) as queues, pytest.raises(QueueError, match=r"no answer within 0\.3 s"):
        queues.ask("ap@nowhere")
    assert time.monotonic() - begun < 5


def test_after_a_failure_the_next_question_is_asked_anew(tmp_path: Path) -> None:
    with child(tmp_path, DYING) as queues:
        with pytest.raises(QueueError, match="ended"):
            queues.ask("ap@somewhere")
        (tmp_path / "child.py").write_text(ECHO)
        assert queues.ask("ap@somewhere") == (OwnerJobs("ap@somewhere", idle=1),)


def test_a_refusal_says_which_queue_and_why(tmp_path: Path) -> None:
    with (
        child(tmp_path, REFUSING) as queues,
        pytest.raises(QueueError, match="the queue of ap@x cannot be read: the collector does not know it"),
    ):
        queues.ask("ap@x")


def test_a_missing_program_is_a_queue_that_cannot_be_read() -> None:
    with pytest.raises(QueueError, match="No such file"):
        Queues({}, ("/nonexistent/python",)).ask("ap@x")


@pytest.mark.parametrize(
    ("jobs", "needed"),
    [
        (OwnerJobs("o", idle=1), True),
        (OwnerJobs("o", running=1), True),
        (OwnerJobs("o", arriving=1), True),
        (OwnerJobs("o", starting_over=1), True),
        (OwnerJobs("o", hindered=1), True),
        (OwnerJobs("o", held=5), False),
        (OwnerJobs("o"), False),
    ],
)
def test_only_jobs_that_run_or_may_start_need_a_token(jobs: OwnerJobs, needed: bool) -> None:
    assert jobs.needs_token is needed


COUNTED: list[dict[str, Any]] = [
    {"Owner": "cms_alice", "JobStatus": 1, "JobCount": 4, "OAuthServicesNeeded": "cms"},
    {"Owner": "cms_alice", "JobStatus": 2, "JobCount": 2, "OAuthServicesNeeded": "cms,rucio"},
    {"Owner": "cms_alice", "JobStatus": 6, "JobCount": 1, "OAuthServicesNeeded": "cms"},
    {"Owner": "cms_alice", "JobStatus": 5, "HoldReasonCode": 1, "JobCount": 3, "OAuthServicesNeeded": "cms,fts"},
    {"Owner": "cms_bob", "JobStatus": 5, "HoldReasonCode": 16, "JobCount": 1},
    {"Owner": "cms_bob", "JobStatus": 5, "HoldReasonCode": 4, "HoldReasonSubCode": 0, "JobCount": 1},
    {"Owner": "cms_bob", "JobStatus": 5, "HoldReasonCode": 1, "HoldReasonSubCode": 401, "JobCount": 5},
    {"Owner": "cms_bob", "JobStatus": 5, "HoldReasonCode": 1, "HoldReasonSubCode": 503, "JobCount": 1},
    {"Owner": "cms_bob", "JobStatus": 5, "HoldReasonCode": 26, "HoldReasonSubCode": 401, "JobCount": 7},
    {"Owner": "cms_bob", "JobStatus": 5, "HoldReasonCode": 1, "HoldReasonSubCode": 423, "JobCount": 2},
]


def tally(*ads: dict[str, Any]) -> list[OwnerJobs]:
    """As the child counts them and the parent reads it."""
    child = pytest.importorskip("facility.condor.jobs_child")
    classad2 = pytest.importorskip("classad2")
    counted = child.tally([classad2.ClassAd(ad) for ad in ads])
    return [OwnerJobs.read(entry) for entry in json.loads(json.dumps(counted))]


def test_jobs_are_counted_by_what_they_wait_for() -> None:
    counts = [replace(one, needs=(), working={}) for one in tally(*COUNTED)]
    assert counts == [
        OwnerJobs("cms_alice", idle=4, running=3, held=3, services=("cms", "rucio")),
        OwnerJobs("cms_bob", arriving=1, starting_over=1, hindered=6, held=7, suspended=2),
    ]


@pytest.mark.parametrize(
    ("subcode", "counted"),
    [("401", "held"), (-401, "held"), (2**60, "held"), (401.0, "hindered"), (True, "held"), (None, "held")],
)
def test_a_hold_whose_subcode_is_odd_is_somebody_elses(subcode: object, counted: str) -> None:
    odd = {} if subcode is None else {"HoldReasonSubCode": subcode}
    (bob,) = tally({"Owner": "cms_bob", "JobStatus": 5, "HoldReasonCode": 1, "JobCount": 3} | odd)
    assert replace(bob, services=()) == replace(OwnerJobs("cms_bob"), **{counted: 3})


@pytest.mark.parametrize(("text", "counted"), [("400 + 1", "hindered"), ("1 / 0", "held"), ("undefined", "held")])
def test_a_hold_whose_subcode_is_an_expression_is_what_that_comes_to(text: str, counted: str) -> None:
    classad2 = pytest.importorskip("classad2")
    held = {"Owner": "cms_bob", "JobStatus": 5, "HoldReasonCode": 1, "JobCount": 3}
    (bob,) = tally(held | {"HoldReasonSubCode": classad2.ExprTree(text)})
    assert replace(bob, services=()) == replace(OwnerJobs("cms_bob"), **{counted: 3})


IDLE = {"Owner": "cms_alice", "JobStatus": 1, "JobCount": 2, "RequestCpus": 1, "RequestMemory": 900}


def test_idle_jobs_are_grouped_by_what_they_ask_for() -> None:
    large = IDLE | {"RequestCpus": 4, "RequestDisk": 3000, "RequestGPUs": 1, "JobCount": 1}
    (alice,) = tally(IDLE, IDLE | {"HoldReasonCode": 3}, large)
    assert alice.needs == (Need(Shape(1, 900, 0), 4), Need(Shape(4, 900, 3, 1), 1))


def test_what_a_job_asks_for_may_be_an_expression() -> None:
    classad2 = pytest.importorskip("classad2")
    tree = classad2.ExprTree("ifThenElse(MemoryUsage =!= undefined, MemoryUsage, (ImageSize + 1023) / 1024)")
    (alice,) = tally(IDLE | {"RequestMemory": tree, "ImageSize": 12000})
    assert alice.needs == (Need(Shape(1, 12, 0), 2),)


@pytest.mark.parametrize("nonsense", ["many", -3, "1/0", "undefined", "1e300"])
def test_what_comes_to_no_number_asks_for_nothing(nonsense: object) -> None:
    classad2 = pytest.importorskip("classad2")
    value = classad2.ExprTree(nonsense) if isinstance(nonsense, str) and nonsense != "many" else nonsense
    (alice,) = tally(IDLE | {"RequestMemory": value, "RequestCpus": value})
    assert alice.needs == (Need(Shape(1, 0, 0), 2),)


def test_running_jobs_are_counted_for_the_pod_they_run_in() -> None:
    running = IDLE | {"JobStatus": 2, "JobCount": 1}
    (alice,) = tally(
        running | {"RemoteHost": "slot1_1@ep-cms-alice-bcdfg"},
        running | {"RemoteHost": "slot1_2@ep-cms-alice-bcdfg", "JobStatus": 6},
        running | {"RemoteHost": "slot1_1@ep-cms-alice-xyzxy", "RequestCpus": 3},
        running,
    )
    assert alice.working == {"ep-cms-alice-bcdfg": Shape(2, 1800, 0), "ep-cms-alice-xyzxy": Shape(3, 900, 0)}
    assert alice.running == 4


def test_a_hundred_thousand_kinds_of_jobs_are_told_in_few_words() -> None:
    (alice,) = tally(*(IDLE | {"RequestMemory": memory, "JobCount": 1 + (memory == 777)} for memory in range(1, 3000)))
    assert alice.idle == 3000
    assert alice.needs[0] == Need(Shape(1, 777, 0), 2)
    assert Need(Shape(1, 2999, 0), 1) in alice.needs, "the largest does not wait behind the many"
    assert len(alice.needs) == 24


def test_a_collector_that_is_away_is_an_answer_and_not_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    htcondor2 = pytest.importorskip("htcondor2")
    monkeypatch.setitem(htcondor2.param, "COLLECTOR_HOST", "127.0.0.1:1")
    from facility.condor import jobs_child

    answers = io.StringIO()
    jobs_child.main(io.StringIO('{"schedd": "ap@x"}\n{"schedd": "ap@y"}\n'), answers)
    assert [set(json.loads(line)) for line in answers.getvalue().splitlines()] == [{"error"}, {"error"}]
