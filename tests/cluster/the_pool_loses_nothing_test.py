"""Whatever happens to the pool: jobs that run go on, jobs that wait are run, and each brings its output home, once.

How long each part was away is in `artifacts/pool-recovery.json`. What takes longer is left to `make pool-tests`;
with FACILITY_LONG=1 the central manager is away for ten minutes and the broker for an hour, without it both for as long
as tokens need to expire.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from facility.dev.demo import place, world
from facility.dev.demo.mainjob import Outcome, Stage, result
from tests.cluster import disasters
from tests.cluster.batch import SENDING, remove_all
from tests.cluster.disasters import POINT, Disaster, away, killed, point, process
from tests.cluster.kills import Containers, Pods, Programs
from tests.cluster.shipping import ship

pytestmark = pytest.mark.cluster
LONG = bool(os.environ.get("FACILITY_LONG"))
JOBS, SECONDS = 6, 45
MANAGER_AWAY, BROKER_AWAY = (600, 3600) if LONG else (90, 2.5 * world.TOKEN_LIFE)
#: a job says which it is, and by a number that it draws which of its runs this is
WORK = r"""
import json, sys, time, uuid
begun, run = time.time(), uuid.uuid4().hex
time.sleep(float(sys.argv[2]))
json.dump({"job": int(sys.argv[1]), "run": run, "begun": begun, "ended": time.time()}, open("out.json", "w"))
"""
#: what runs in the kernel: the jobs are sent, and it is waited until some of them are at work
SEND = """
def given(jobs, seconds):
    description = {"executable": "/opt/venv/bin/python", "transfer_executable": "false", "request_memory": "100MB",
        "arguments": f"work.py $(Process) {seconds}", "transfer_input_files": "work.py", "log": "work.log",
        "transfer_output_files": "out.json", "transfer_output_remaps": '"out.json = out.$(Process).json"',
        "should_transfer_files": "YES", "when_to_transfer_output": "ON_EXIT", "error": "work.err"}
    placed = schedd.submit(htcondor2.Submit(description), count=jobs, spool=True)
    schedd.spool(placed)
    return placed.cluster()
def at_work(cluster, seconds=180):
    end = time.monotonic() + seconds
    running = f"ClusterId == {cluster} && JobStatus == 2 && JobCurrentStartExecutingDate =!= undefined"
    while not (found := schedd.query(running, ["ProcId"])):
        assert time.monotonic() < end, "no job runs"
        time.sleep(1)
    return {"cluster": cluster, "running": [one["ProcId"] for one in found], "now": time.time()}
"""
#: and then they are waited for, whoever is away, and their output is fetched
COLLECT = """
import pathlib
def collected(cluster, jobs, seconds):
    end, seen = time.monotonic() + seconds, "nothing"
    while True:
        try:
            found = submit.located(1).query(f"ClusterId == {cluster}",
                ["ProcId", "JobStatus", "NumJobStarts", "NumJobCompletions", "HoldReason"])
            seen = [dict(one) for one in found]
            if len(found) == jobs and all(one["JobStatus"] == 4 for one in found):
                break
        except (htcondor2.HTCondorException, SystemExit) as error:
            seen = str(error)
        assert time.monotonic() < end, seen
        time.sleep(1)
    submit.located().retrieve(f"ClusterId == {cluster}")
    output = [json.loads(pathlib.Path(f"out.{number}.json").read_text()) for number in range(jobs)]
    counts = ("NumJobStarts", "NumJobCompletions")
    return [output[one["ProcId"]] | {name: one.get(name, 0) for name in counts} for one in found]
"""
CREDMON = Programs("credmon", "facility-batch", "credmon", "facility.condor.credmon", (POINT,))
DISASTERS = (
    Disaster("schedd killed", process("condor_schedd")),
    Disaster("access point moved", point(killed(Pods("ap", "facility-batch", "access-point"), at_once=False))),
    Disaster("central manager killed", killed(Pods("cm", "facility-batch", "cm"))),
)
#: what takes longer, or is near to what is above
FURTHER = (
    Disaster("credential monitor killed", killed(CREDMON)),
    Disaster("operator killed", killed(Pods("operator", "facility", "operator"))),
    Disaster("shadows killed", process("condor_shadow"), again=True),
    Disaster("access point killed", point(killed(Containers("ap", "facility-batch", "access-point", POINT)))),
    Disaster("access point moved at once", point(killed(Pods("ap", "facility-batch", "access-point")))),
    Disaster("accounting killed", killed(Containers("accounting", "facility-batch", "accounting", POINT))),
    Disaster("execute pod lost", disasters.execute_pod, again=True, back=300),
    Disaster("central manager away", away("statefulset", "cm", "facility-batch", "cm", MANAGER_AWAY)),
    Disaster("broker away", away("deployment", "broker", "facility", "broker", BROKER_AWAY)),
    Disaster("upgrade of the pool", disasters.upgraded, back=400),
)


@pytest.fixture(scope="module")
def recovery(stage: Stage) -> Iterator[dict[str, float]]:
    """Seconds by disaster, kept for whoever wants to know; afterwards the facility is the demo's again."""
    found: dict[str, float] = {}
    yield found
    stage.artifacts.mkdir(parents=True, exist_ok=True)
    (stage.artifacts / "pool-recovery.json").write_text(json.dumps(found, indent=1) + "\n")
    place.install(stage.cluster)
    stage.cluster.wait_for("the queue", lambda: disasters.answers(stage), 240)


@dataclass(frozen=True)
class Seen:
    """What came of the jobs. running: who was at work when it happened, at `struck`. took: seconds of the part's."""

    jobs: list[dict[str, Any]]
    running: list[int]
    struck: float
    took: float

    def begun_again(self) -> list[int]:
        """Those that were at work and had to start anew; a program may take a moment to begin."""
        return [one["job"] for one in self.jobs if one["job"] in self.running and one["begun"] > self.struck + 5]


async def through(stage: Stage, disaster: Disaster) -> Seen:
    """Jobs are sent, it happens, and their output is collected, all from one kernel."""
    async with stage.at_hub(world.CMS, "alice") as alice:
        await alice.sign_in()
        await alice.spawn()
        await ship(alice, "submit")
        await alice.put("work.py", WORK)
        async with alice.kernel() as kernel:
            await kernel.run(SENDING + SEND + COLLECT)
            sent = f"cluster = given({JOBS}, {SECONDS})\nprint('RESULT', json.dumps(at_work(cluster)))"
            before = result(await kernel.run(sent, 300))
            took = await asyncio.to_thread(disaster.strike, stage)
            told = await kernel.run(f"print('RESULT', json.dumps(collected(cluster, {JOBS}, 420)))", 460)
            await kernel.run("submit.located().act(htcondor2.JobAction.Remove, f'ClusterId == {cluster}')")
    jobs: Any = result(told)
    return Seen(jobs, before["running"], before["now"], took)


@pytest.mark.parametrize(
    "disaster", [*DISASTERS, *(pytest.param(one, marks=pytest.mark.long) for one in FURTHER)], ids=lambda one: one.name
)
def test_all_jobs_end_once_with_their_output(
    stage: Stage, outcome: Outcome, recovery: dict[str, float], disaster: Disaster
) -> None:
    remove_all(stage, "cms_alice")
    seen = asyncio.run(through(stage, disaster))
    jobs = seen.jobs
    recovery[disaster.name] = round(seen.took, 1)
    assert sorted(one["job"] for one in jobs) == list(range(JOBS))
    assert len({one["run"] for one in jobs}) == JOBS
    assert all(one["ended"] - one["begun"] >= SECONDS for one in jobs)
    assert [one["NumJobCompletions"] for one in jobs] == [1] * JOBS
    assert disaster.again or seen.begun_again() == []
    starts = [one["NumJobStarts"] for one in jobs]
    assert max(starts) <= (2 if disaster.again else 1), starts
    assert seen.took < disaster.back, seen.took
