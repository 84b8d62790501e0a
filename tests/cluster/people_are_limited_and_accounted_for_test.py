"""Ceilings, and people whose jobs are stopped, on the real cluster; and what their jobs have used."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from facility.dev.demo.kernel import CellError
from facility.dev.demo.mainjob import Outcome, Stage, result
from tests.cluster.batch import BATCH, DONE, HELD, RUNNING, in_kernel, job, queue, remove_all, statuses, until

pytestmark = pytest.mark.cluster
POINT = "ap-cms-0"
#: seconds until a ConfigMap's change is seen in a pod, and carried out
SEEN = 180
WHY = "They overload the lake."
SLEEPS = "print('RESULT', json.dumps([sent(arguments='{seconds}') for _ in range({count})]))"
#: asked in the container that accounts: what it is, what it sees, what it tells
ASK = r"""
import json, os, pathlib, urllib.request
def read(path):
    try:
        return sorted(os.listdir(path))
    except OSError as error:
        return type(error).__name__
told = {path: read(path) for path in ("/condor", "/condor/spool", "/run/condor", "/var/run/secrets", "/etc/facility")}
told |= {"uid": os.getuid(), "metrics": urllib.request.urlopen("http://127.0.0.1:9090/metrics").read().decode()}
print(json.dumps(told))
"""


def send(stage: Stage, count: int, seconds: int) -> list[int]:
    """Jobs of alice's that sleep; their numbers."""
    sent: Any = result(asyncio.run(in_kernel(stage, "alice", SLEEPS.format(count=count, seconds=seconds))))
    return [int(one) for one in sent]


def patch(stage: Stage, kind: str, name: str, spec: dict[str, object]) -> None:
    stage.cluster.do("patch", kind, name, "-n", "facility", "--type=merge", "-p", json.dumps({"spec": spec}))


@pytest.fixture
def alice(stage: Stage, outcome: Outcome) -> Iterator[None]:
    """alice without jobs and limits, before and afterwards."""
    remove_all(stage, "cms_alice")
    yield
    patch(stage, "facilityuser", "cms-alice", {"jobsSuspended": ""})
    patch(stage, "vo", "cms", {"batch": {"maxRunningJobsPerPerson": 0}})
    stage.cluster.wait_for("no limit any more", lambda: free(record(stage)), SEEN)
    remove_all(stage, "cms_alice")


def record(stage: Stage) -> tuple[str, ...]:
    """HTCondor's record of alice: whether she may submit (1 or 0), how many of her jobs may run."""
    shown = queue(stage, "condor_qusers", "-af", "User", "Enabled", "MaxJobsRunning").splitlines()
    return next((tuple(line.lower().split()[1:]) for line in shown if line.startswith("cms_alice@")), ())


def free(record: tuple[str, ...]) -> bool:
    """Whether it sets no limit."""
    return record[:1] != ("0",) and record[1:] != ("1",)


def test_no_more_jobs_of_a_person_run_than_their_vo_says(stage: Stage, alice: None) -> None:
    send(stage, 1, 1)  # there is a record of who has sent a job
    patch(stage, "vo", "cms", {"batch": {"maxRunningJobsPerPerson": 1}})
    stage.cluster.wait_for("the ceiling", lambda: record(stage)[1:] == ("1",), SEEN)
    jobs = send(stage, 3, 15)
    most = 0

    def done() -> bool:
        nonlocal most
        states = list(statuses(stage, jobs).values())
        most = max(most, states.count(RUNNING))
        return states == [DONE] * len(jobs)

    stage.cluster.wait_for("three jobs, one after the other", done, 300)
    assert most == 1


def test_jobs_of_a_person_who_is_stopped_wait_with_the_reason_and_go_on_afterwards(stage: Stage, alice: None) -> None:
    (running,) = send(stage, 1, 600)
    until(stage, running, RUNNING, 180)
    patch(stage, "facilityuser", "cms-alice", {"jobsSuspended": WHY})
    until(stage, running, HELD, SEEN)
    held = job(stage, running, "HoldReason", "HoldReasonSubCode")
    assert WHY in held["HoldReason"]
    assert held["HoldReasonSubCode"] == 423
    with pytest.raises(CellError, match=re.escape(WHY)):
        send(stage, 1, 1)
    queue(stage, "condor_release", str(running))
    stage.cluster.wait_for("held again", lambda: job(stage, running).get("JobStatus") == HELD, 30)
    patch(stage, "facilityuser", "cms-alice", {"jobsSuspended": ""})
    until(stage, running, RUNNING, SEEN + 60)


def told(stage: Stage) -> dict[str, object]:
    answer = stage.cluster.execute(BATCH, POINT, "accounting", ["python3", "-c", ASK])
    found: dict[str, object] = json.loads(answer)
    return found


def value(stage: Stage, name: str) -> float:
    """A sum of alice's."""
    wanted = re.compile(rf'^facility_batch_{name}{{vo="cms",user="alice".*}} (\S+)$', re.MULTILINE)
    return sum(float(found) for found in wanted.findall(str(told(stage)["metrics"])))


def read_anew(stage: Stage) -> None:
    """Wait until all that HTCondor has written by now is accounted for."""
    now = time.time()
    wanted = re.compile(r"^facility_batch_accounted_timestamp_seconds (\d+)$", re.MULTILINE)

    def looked() -> bool:
        found = wanted.search(str(told(stage)["metrics"]))
        return bool(found and float(found[1]) > now + 1)

    stage.cluster.wait_for("records read anew", looked, 60)


def test_what_a_job_used_is_accounted_for_when_it_ends(stage: Stage, alice: None) -> None:
    read_anew(stage)  # what other tests' jobs have used
    runs, wall, jobs = (value(stage, name) for name in ("runs_total", "wall_seconds_total", "jobs_total"))
    (one,) = send(stage, 1, 20)
    until(stage, one, DONE, 180)
    used = job(stage, one, "NumShadowStarts", "RemoteWallClockTime")
    read_anew(stage)
    assert value(stage, "runs_total") == runs + used["NumShadowStarts"], used
    assert value(stage, "wall_seconds_total") - wall == pytest.approx(used["RemoteWallClockTime"], abs=2), used
    assert used["RemoteWallClockTime"] >= 20
    assert value(stage, "jobs_total") == jobs
    queue(stage, "condor_rm", str(one))
    stage.cluster.wait_for("the job out of the queue", lambda: not job(stage, one), 60)
    read_anew(stage)
    assert value(stage, "jobs_total") == jobs + 1
    assert value(stage, "runs_total") == runs + used["NumShadowStarts"]


def test_who_accounts_sees_htcondors_records_and_nothing_else(stage: Stage, alice: None) -> None:
    found = told(stage)
    assert found["uid"] == 65532
    assert found["/condor"] == ["accounting", "history"]
    for path in ("/condor/spool", "/run/condor", "/var/run/secrets", "/etc/facility"):
        assert found[path] in ("FileNotFoundError", []), path
