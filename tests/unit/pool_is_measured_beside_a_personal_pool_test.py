"""What `make bench PART=pool` does with jobs, and what it makes of the times: both pools are asked for the same."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.bench import pool_jobs, pool_rate, pool_start
from tests.bench.pool_peer import bare, pod, resources, slots

IMAGE_CONFIG = Path(__file__).parents[2] / "images" / "notebook" / "condor_config"


class Placed:
    def cluster(self) -> int:
        return 7


class Schedd:
    """A schedd whose jobs have ended as soon as they are there. `ads`: what it answers while they have not."""

    def __init__(self, *ads: dict[str, Any]) -> None:
        self.unfinished = [[ad] for ad in ads]
        self.jobs: list[tuple[dict[str, str], int, bool]] = []
        self.spooled = 0
        self.removed: list[str] = []
        self.fetched: list[str] = []

    def submit(self, description: Any, count: int, spool: bool) -> Placed:
        job = dict(description)
        self.jobs.append((job, count, spool))
        if "initialdir" in job:
            (Path(job["initialdir"]) / "began").write_text(f"{time.time() + 2:.9f}\n")
        return Placed()

    def spool(self, placed: Placed) -> None:
        self.spooled += 1

    def query(self, constraint: str, projection: list[str], limit: int = -1) -> list[dict[str, Any]]:
        if "JobStatus != 4" in constraint:
            assert limit == 1, "as many ads as there are jobs would slow the schedd down that is measured"
            return self.unfinished.pop(0) if self.unfinished else []
        count = self.jobs[-1][1] if self.jobs else 1
        return [
            {"ClusterId": 7, "NumJobStarts": 1, "LastRemoteHost": f"slot1_{number % 4}@ep-1"} for number in range(count)
        ]

    def retrieve(self, constraint: str) -> None:
        self.fetched.append(constraint)

    def act(self, action: Any, constraint: str) -> None:
        self.removed.append(constraint)


def test_a_start_is_from_before_the_submit_to_the_jobs_own_clock() -> None:
    schedd = Schedd()
    found = pool_jobs.start(schedd=schedd)
    assert found["start_s"] == pytest.approx(2, abs=0.5)
    assert 0 <= found["sent_s"] < 0.5
    assert (schedd.spooled, schedd.fetched, schedd.removed) == (1, ["ClusterId == 7"], ["ClusterId == 7"])


def test_jobs_without_files_are_not_spooled_and_run_where_they_are() -> None:
    schedd = Schedd()
    pool_jobs.start(spool=False, schedd=schedd)
    (job, count, spool) = schedd.jobs[0]
    assert (count, spool, schedd.spooled, schedd.fetched) == (1, False, 0, [])
    assert job["should_transfer_files"] == "IF_NEEDED"


def test_a_rate_tells_of_all_jobs_slots_and_starts() -> None:
    schedd = Schedd()
    found = pool_jobs.rate(jobs=12, schedd=schedd)
    assert (found["jobs"], found["slots"], found["pods"], found["starts"]) == (12, 4, 1, 12)
    assert schedd.jobs[0][:2] == (pool_jobs.plain(executable="/bin/sleep", arguments="0"), 12)
    assert schedd.removed == ["ClusterId == 7"]


def test_jobs_whose_files_or_token_are_on_the_way_are_waited_for() -> None:
    slept: list[float] = []
    ads = [{"JobStatus": 5, "HoldReasonCode": code} for code in pool_jobs.PASSING]
    pool_jobs.wait(Schedd(*ads, {"JobStatus": 2}), 7, 0.5, slept.append)
    assert slept == [0.5] * 3


def test_a_job_on_hold_ends_the_measurement_with_its_reason() -> None:
    schedd = Schedd({"JobStatus": 5, "HoldReasonCode": 13, "HoldReason": "the disk is full"})
    with pytest.raises(SystemExit, match="the disk is full"):
        pool_jobs.rate(jobs=1, schedd=schedd)


def test_submits_are_of_jobs_that_never_start_and_all_of_them_are_removed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tool = tmp_path / "condor_submit"
    tool.write_text('#!/bin/sh\ntest "$2" = -spool && grep -qx "requirements = false" "$3" && echo "9.0 - 9.0"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    schedd = Schedd()
    found = pool_jobs.submits(3, schedd=schedd)
    assert found["count"] == 3
    assert [job["requirements"] for job, _, _ in schedd.jobs] == ["false"] * 3
    assert sorted(schedd.removed) == ["ClusterId == 7"] * 3 + ["ClusterId == 9"] * 3


def test_what_is_shipped_prints_its_result_as_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    pool_jobs.tell("clear", owner="cms_alice", schedd=Schedd())
    assert capsys.readouterr().out == 'RESULT {"clusters": 1}\n'


def test_the_peer_is_configured_by_htcondor_itself_with_as_many_slots(tmp_path: Path) -> None:
    code = f"""
import htcondor2, json, os, pathlib
from tests.bench import pool_jobs
os.environ["CONDOR_CONFIG"] = str(pool_jobs.configured(pathlib.Path({str(tmp_path / "pool")!r}), 3))
htcondor2.reload_config()
names = ("NUM_CPUS", "DAEMON_LIST", "MASTER", "SEC_DEFAULT_AUTHENTICATION_METHODS")
print(json.dumps({{name: htcondor2.param[name] for name in names}}))
"""
    environment = {"CONDOR_CONFIG": str(IMAGE_CONFIG), "PATH": "/usr/bin:/bin"}
    root = IMAGE_CONFIG.parents[2]
    said = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, env=environment, cwd=root)
    found = json.loads(said.stdout)
    assert found["NUM_CPUS"] == 3
    assert {"COLLECTOR", "NEGOTIATOR", "SCHEDD", "STARTD"} <= set(found["DAEMON_LIST"].split())
    assert found["MASTER"] == "/usr/sbin/condor_master"
    assert found["SEC_DEFAULT_AUTHENTICATION_METHODS"].startswith("FS")


def test_the_peers_pods_ask_for_what_execute_pods_ask_for() -> None:
    with_code, without = pod("a", "image:1", ["x"]), bare("b", "image:1")
    for one in (with_code, without):
        (container,) = one["spec"]["containers"]
        assert container["resources"] == resources()
        assert (container["image"], one["spec"]["restartPolicy"]) == ("image:1", "Never")
    assert "volumes" not in without["spec"]
    assert "volumeMounts" not in without["spec"]["containers"][0]
    assert slots() >= 1


def test_starts_are_ratios_of_medians_beside_the_like_and_their_goals_are_kept() -> None:
    rows = pool_start.figures([3.0, 1.5], [6.0], [2.2, 2.0, 1.0])
    assert (rows["P5_zero"]["value"], rows["P5_zero"]["goal"]) == (2.0, 1.5)
    assert (rows["P5_warm"]["value"], rows["P5_warm"]["goal"]) == (1.1, 1.1)
    assert rows["P5_warm_over_unsent"]["value"] == 2.2
    assert rows["P5_zero_over_whole"]["value"] == 0.5


async def test_turns_are_taken_and_the_first_is_not_counted() -> None:
    order: list[str] = []
    times = {"ours": iter([99.0, 1.0, 3.0, 2.0]), "theirs": iter([99.0, 5.0, 5.0, 9.0])}

    def side(name: str) -> pool_start.Measure:
        async def one() -> float:
            order.append(name)
            return next(times[name])

        return one

    assert await pool_start.in_turns([side("ours"), side("theirs")], 3, pause=0) == [2.0, 5.0]
    assert order == ["ours", "theirs"] * 4


def run(seconds: float, pods: int = 1, starts: int = 100) -> dict[str, float]:
    return {"jobs": 100, "seconds": seconds, "sent_s": 0.1, "slots": 4, "pods": pods, "starts": starts}


def test_a_rate_is_all_jobs_over_the_whole_time_and_beside_the_peers() -> None:
    rows = pool_rate.rates([run(20), run(20)], [run(16), run(24)], run(10))
    assert rows["P6_per_s"]["value"] == 5.0
    assert rows["P6"]["value"] == round(5 / ((100 / 16 + 100 / 24) / 2), 2)
    assert rows["P6_over_unsent"]["value"] == 0.5
    assert (rows["P6"]["goal"], rows["P6"]["least"]) == (0.95, True)


@pytest.mark.parametrize(
    ("mine", "said"),
    [
        pytest.param(run(20, pods=2), "as many slots", id="more slots"),
        pytest.param(run(20, starts=101), "more than once", id="a job ran twice"),
    ],
)
def test_runs_that_cannot_be_compared_are_no_figure(mine: dict[str, float], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        pool_rate.rates([mine], [run(20)], run(20))


def test_single_submits_are_in_milliseconds() -> None:
    rows = pool_rate.submits(
        [{"count": 10, "seconds": 1, "by_tool_s": 2}], [{"count": 10, "seconds": 2, "by_tool_s": 3}]
    )
    assert (rows["submit_connected_ms"]["value"], rows["submit_by_tool_ms"]["value"]) == (100, 200)
    assert "300.0 ms" in rows["submit_by_tool_ms"]["beside"]
