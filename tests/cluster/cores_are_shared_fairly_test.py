"""Cores go to those who have least for their share, as running jobs end; and people are told why theirs wait."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from facility import names
from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage, result
from tests.cluster.batch import DONE, IDLE, clear, in_kernel, job, pods, statuses, where

pytestmark = pytest.mark.cluster
OWNER, USAGE = "cms_alice", "batch-usage"
SENT = "print('RESULT', json.dumps([sent(arguments='{seconds}', {more}) for _ in range({count})]))"


def send(stage: Stage, count: int, seconds: int, more: str = "") -> list[int]:
    """Jobs of alice's that sleep; their numbers."""
    sent: Any = result(asyncio.run(in_kernel(stage, "alice", SENT.format(count=count, seconds=seconds, more=more))))
    return [int(one) for one in sent]


def limit(stage: Stage, **batch: object) -> None:
    """Settings of the VO's batch."""
    change = json.dumps({"spec": {"batch": batch}})
    stage.cluster.do("patch", "vo", world.CMS.name, "-n", "facility", "--type=merge", "-p", change)


def fares(stage: Stage) -> dict[str, Any]:
    """What alice is told of her jobs."""
    found: dict[str, Any] = stage.cluster.get("facilityuser", "cms-alice", "-n", "facility").get("status", {})
    return dict(found.get("batch", {}))


@pytest.fixture
def alice(stage: Stage, outcome: Outcome) -> Iterator[None]:
    """alice without jobs and pods, and the VO without limits of cores, before and afterwards."""
    clear(stage, OWNER)
    yield
    limit(stage, maxCpus=None, maxCpusPerPerson=None)
    clear(stage, OWNER)


def annotations(pod: dict[str, Any]) -> dict[str, str]:
    return dict(pod["metadata"].get("annotations", {}))


def test_many_small_jobs_share_few_pods(stage: Stage, alice: None) -> None:
    jobs = send(stage, 40, 5)
    most = 0

    def done() -> bool:
        nonlocal most
        most = max(most, len(pods(stage, OWNER)))
        return list(statuses(stage, jobs).values()) == [DONE] * len(jobs)

    stage.cluster.wait_for("forty jobs", done, 300)
    assert most <= 10, "four of them fit into a pod"


def test_a_job_that_asks_for_more_gets_a_larger_pod(stage: Stage, alice: None) -> None:
    (one,) = send(stage, 1, 60, "request_cpus='6'")
    stage.cluster.wait_for("the job runs", lambda: bool(where(stage, one)), 120)
    (pod,) = [found for found in pods(stage, OWNER) if found["metadata"]["name"] == where(stage, one)]
    assert annotations(pod)[names.ANNOTATION_SHAPE].startswith("6-")


def test_people_are_told_what_keeps_their_jobs_waiting(stage: Stage, alice: None) -> None:
    limit(stage, maxCpusPerPerson=2)
    send(stage, 6, 120)
    stage.cluster.wait_for(
        "two run and the reason is told", lambda: "one person of cms" in fares(stage)["waiting"], 120
    )
    assert fares(stage)["cpus"] <= 2
    assert fares(stage)["idle"] + fares(stage)["running"] == 6


def test_a_pod_beyond_a_limit_takes_no_more_jobs_and_ends_none(stage: Stage, alice: None) -> None:
    jobs = send(stage, 8, 90)
    stage.cluster.wait_for("all run", lambda: all(where(stage, one) for one in jobs), 180)
    assert len(pods(stage, OWNER)) >= 2
    limit(stage, maxCpusPerPerson=4)

    def retiring() -> list[dict[str, Any]]:
        return [one for one in pods(stage, OWNER) if names.ANNOTATION_RETIRE in annotations(one)]

    stage.cluster.wait_for("pods that are to leave", lambda: bool(retiring()), 30)
    stage.cluster.wait_for("all done", lambda: all(job(stage, one)["JobStatus"] == DONE for one in jobs), 240)
    assert all(job(stage, one, "NumJobStarts")["NumJobStarts"] == 1 for one in jobs), "none was begun again"


def test_pods_that_find_no_node_are_not_multiplied(stage: Stage, alice: None) -> None:
    # no node of the demo has so many of the made-up GPUs, if any at all
    jobs = send(stage, 12, 5, "request_gpus='8'")
    stage.cluster.wait_for("a pod that waits", lambda: bool(pods(stage, OWNER)), 60)
    stage.cluster.wait_for("the reason told", lambda: "No node has room" in fares(stage).get("waiting", ""), 60)
    assert len(pods(stage, OWNER)) <= 4
    assert all(job(stage, one)["JobStatus"] == IDLE for one in jobs)


def test_what_was_used_is_written_down(stage: Stage, alice: None) -> None:
    before = used(stage)
    send(stage, 4, 30)
    stage.cluster.wait_for("alice's use", lambda: used(stage) >= before + 60, 200)


def used(stage: Stage) -> float:
    """Seconds of cores that alice has used, as they count now."""
    found = [one for one in stage.cluster.items("configmaps", "-n", "facility") if one["metadata"]["name"] == USAGE]
    return max((float(json.loads(one["data"]["usage.json"])["used"].get(OWNER, 0)) for one in found), default=0.0)
