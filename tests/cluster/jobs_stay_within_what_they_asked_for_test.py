"""Jobs that take too much are held with a sentence, those beside them go on, and what they leave behind is ended."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from facility.dev.demo.mainjob import Outcome, Stage, result
from tests.cluster.batch import BATCH, DONE, HELD, RUNNING, clear, in_kernel, job, phase, until, where

pytestmark = pytest.mark.cluster
BY_THE_POD = 21  # HoldReasonCode
MEMORY, DISK = 102, 104  # HoldReasonSubCode

#: takes 20 MiB a second
SLOWLY = """
import time
kept = []
while True:
    kept.append(b"x" * (20 << 20))
    time.sleep(1)
"""
#: takes all there is, as fast as it can
AT_ONCE = """
kept = []
while True:
    kept.append(b"x" * (8 << 20))
"""
#: 40 MiB a second
FILES = """
import os, time
for number in range(1000):
    with open(f"file{number}", "wb") as out:
        out.write(os.urandom(1 << 20) * 40)
    time.sleep(1)
"""
#: leaves a process behind that has cut all ties
FORKS = """
import os, time
if os.fork() == 0:
    os.setsid()
    os.environ.clear()
    if os.fork() == 0:
        os.chdir("/")
        for number in range(3, 256):
            try: os.close(number)
            except OSError: pass
        os.execv("/bin/sleep", ["left-behind", "3333"])
    os._exit(0)
time.sleep(5)
"""
BESIDE = """
job = {"executable": "/opt/venv/bin/python", "request_cpus": "1"}
quiet = sent(arguments="90", request_memory="200MB")
until(quiet, 2)
greedy = sent(**job, arguments="greedy.py", transfer_input_files="greedy.py", request_memory="300MB",
              request_disk="600MB")
until(greedy, 2)
until(greedy, 5, 200)
print("RESULT", json.dumps({"quiet": quiet, "greedy": greedy}))
"""
LEAVES = """
forks = sent(executable="/opt/venv/bin/python", arguments="forks.py", transfer_input_files="forks.py")
beside = sent(arguments="120")
until(forks, 2)
until(beside, 2)
until(forks, 4)
print("RESULT", json.dumps({"beside": beside}))
"""


@pytest.mark.parametrize(
    ("program", "subcode", "told"),
    [
        pytest.param(SLOWLY, MEMORY, "MiB of memory", id="memory, slowly", marks=pytest.mark.long),
        pytest.param(AT_ONCE, MEMORY, "MiB of memory", id="memory, at once"),
        pytest.param(FILES, DISK, "request_disk", id="disk", marks=pytest.mark.long),
    ],
)
def test_a_job_that_takes_too_much_is_held_and_the_one_beside_it_goes_on(
    stage: Stage, outcome: Outcome, program: str, subcode: int, told: str
) -> None:
    clear(stage, "cms_alice")
    jobs = result(asyncio.run(in_kernel(stage, "alice", BESIDE, 500, {"greedy.py": program})))
    pod = where(stage, jobs["quiet"])
    greedy = job(stage, jobs["greedy"], "HoldReason", "HoldReasonCode", "HoldReasonSubCode", "NumJobStarts")
    assert (greedy["JobStatus"], greedy["HoldReasonCode"], greedy["HoldReasonSubCode"]) == (HELD, BY_THE_POD, subcode)
    assert told in greedy["HoldReason"]
    assert greedy["NumJobStarts"] == 1, "it was not started again and again before"
    quiet = job(stage, jobs["quiet"], "NumShadowStarts")
    assert (quiet["JobStatus"], quiet["NumShadowStarts"]) == (RUNNING, 1)
    assert phase(stage, pod) == "Running"
    until(stage, jobs["quiet"], DONE, 260)
    clear(stage, "cms_alice")


def processes(stage: Stage, pod: str) -> list[str]:
    """Command lines of a pod's processes."""
    show = "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done 2>/dev/null; true"
    return stage.cluster.execute(BATCH, pod, "execute", ["sh", "-c", show]).splitlines()


def test_a_process_that_a_job_leaves_behind_ends_with_it(stage: Stage, outcome: Outcome) -> None:
    clear(stage, "cms_alice")
    jobs = result(asyncio.run(in_kernel(stage, "alice", LEAVES, 300, {"forks.py": FORKS})))
    pod = where(stage, jobs["beside"])
    stage.cluster.wait_for(
        "the process that was left behind ended",
        lambda: not [line for line in processes(stage, pod) if "3333" in line],
        30,
    )
    assert [line for line in processes(stage, pod) if "sleep 120" in line], "the job beside it goes on"
    clear(stage, "cms_alice")


def test_a_job_that_fills_tmp_hurts_itself_only(stage: Stage, outcome: Outcome) -> None:
    fill = """
import pathlib
def attempt(place):
    try:
        with open(place, "wb") as out:
            for _ in range(1000):
                out.write(b"x" * (1 << 20))
    except OSError as error:
        return error.strerror
told = {place: attempt(place) for place in ("/tmp/full", "/dev/shm/full")}
import json; pathlib.Path("told.json").write_text(json.dumps(told))
"""
    code = """
c = sent(executable="/opt/venv/bin/python", arguments="fill.py", transfer_input_files="fill.py",
         transfer_output_files="told.json")
until(c, 4)
schedd.retrieve(f"ClusterId == {c}")
print("RESULT", json.dumps(json.load(open("told.json"))))
"""
    told: dict[str, Any] = result(asyncio.run(in_kernel(stage, "alice", code, 300, {"fill.py": fill})))
    assert set(told.values()) == {"No space left on device"}, json.dumps(told)
    clear(stage, "cms_alice")
