"""Runs in a notebook's kernel: four jobs over the files, as a physicist would submit them with htcondor2."""

from __future__ import annotations

import json
import time
from pathlib import Path

import analysis
import htcondor2

JOBS = 4
DONE, HELD, SPOOLING = 4, 5, 16  # JobStatus Completed and Held, HoldReasonCode of input that is still on its way


def description(vo: str, path: str, seconds: int) -> dict[str, str]:
    """The submit description: nothing in it speaks of tokens."""
    return {
        "executable": "/opt/venv/bin/python",
        "transfer_executable": "false",
        "arguments": f"job.py {vo} {path} $(Process) {JOBS} {seconds}",
        "transfer_input_files": "job.py, analysis.py",
        "transfer_output_files": "part.$(Process).json, reads.$(Process).json",
        "should_transfer_files": "YES",
        "when_to_transfer_output": "ON_EXIT",
        "output": "job.$(Process).out",
        "error": "job.$(Process).err",
        "log": "job.log",
        "request_cpus": "1",
        "request_memory": "300MB",
    }


def located(tries: int = 60) -> htcondor2.Schedd:
    """The VO's schedd. After a restart of the central manager it is known again within a minute."""
    for left in reversed(range(tries)):
        try:
            return htcondor2.Schedd()
        except htcondor2.HTCondorException as error:
            if not left or "locate" not in str(error):
                raise
            time.sleep(1)
    raise SystemExit("no try was allowed")


def submit(vo: str, path: str, seconds: int) -> tuple[htcondor2.Schedd, int]:
    """Submit and spool the jobs. The schedd and the cluster's number."""
    schedd = located()
    placed = schedd.submit(htcondor2.Submit(description(vo, path, seconds)), count=JOBS, spool=True)
    schedd.spool(placed)
    return schedd, placed.cluster()


def wait(schedd: htcondor2.Schedd, cluster: int, seconds: int) -> dict[str, float]:
    """Wait until all jobs have ended. Seconds from now until the first ran and until the last had ended."""
    began, first = time.monotonic(), 0.0
    attributes = ["JobStatus", "HoldReason", "HoldReasonCode", "NumJobStarts", "JobCurrentStartDate"]
    while time.monotonic() - began < seconds:
        jobs = schedd.query(f"ClusterId == {cluster}", attributes)
        held = [
            j["HoldReason"] for j in jobs if j["JobStatus"] == HELD and j.get("HoldReasonCode") not in (SPOOLING, 4)
        ]
        if held:
            raise SystemExit(f"jobs are on hold: {held}")
        if not first and any(j.get("JobCurrentStartDate") for j in jobs):
            first = time.monotonic() - began
        if jobs and all(j["JobStatus"] == DONE for j in jobs):
            return {"first_start_s": round(first, 1), "all_done_s": round(time.monotonic() - began, 1)}
        time.sleep(1)
    raise SystemExit(f"the jobs of cluster {cluster} have not ended after {seconds} s: {[dict(j) for j in jobs]}")


def main(vo: str, path: str, seconds: int) -> None:
    """Submit, wait, fetch, merge; print `RESULT` and a line of JSON."""
    schedd, cluster = submit(vo, path, seconds)
    times = wait(schedd, cluster, seconds + 400)
    schedd.retrieve(f"ClusterId == {cluster}")
    schedd.act(htcondor2.JobAction.Remove, f"ClusterId == {cluster}")
    parts = [json.loads(Path(f"part.{n}.json").read_text()) for n in range(JOBS)]
    reads = [json.loads(Path(f"reads.{n}.json").read_text()) for n in range(JOBS)]
    print("RESULT", json.dumps({"merged": analysis.merge(parts), "reads": reads, "cluster": cluster, **times}))
