"""Queues are read by a child process, so that a daemon that does not answer stops nobody for long."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from facility.condor.jobs import OwnerJobs, QueueError, Queues

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
]


def test_jobs_are_counted_by_what_they_wait_for() -> None:
    tally = pytest.importorskip("facility.condor.jobs_child").tally
    oldest = [{"Owner": "cms_alice", "QDate": 30}, {"Owner": "cms_alice", "QDate": 20}]
    counts = [OwnerJobs.read(entry) for entry in tally(COUNTED, oldest)]
    assert counts == [
        OwnerJobs("cms_alice", idle=4, running=3, held=3, waiting_since=20, services=("cms", "rucio")),
        OwnerJobs("cms_bob", arriving=1, starting_over=1, hindered=6, held=7),
    ]


def test_a_collector_that_is_away_is_an_answer_and_not_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    htcondor2 = pytest.importorskip("htcondor2")
    monkeypatch.setitem(htcondor2.param, "COLLECTOR_HOST", "127.0.0.1:1")
    from facility.condor import jobs_child

    answers = io.StringIO()
    jobs_child.main(io.StringIO('{"schedd": "ap@x"}\n{"schedd": "ap@y"}\n'), answers)
    assert [set(json.loads(line)) for line in answers.getvalue().splitlines()] == [{"error"}, {"error"}]
