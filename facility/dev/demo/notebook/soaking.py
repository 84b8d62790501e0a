"""Runs in a notebook's kernel: sends a job that reads for as long as this kernel does, and reads beside it.

A dask worker, started once and kept, reads too. What came of all of it is written to `soak.json` in the home directory.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import htcondor2
import soak
import submit

JOB = "soak.job.json"


def description(vo: str, path: str, seconds: float) -> dict[str, str]:
    """One job that reads for so long."""
    plain: dict[str, str] = submit.description(vo, path, int(seconds))
    return plain | {
        "arguments": f"soak.py {vo} {path} {seconds:g} {JOB}",
        "transfer_input_files": "soak.py, analysis.py",
        "transfer_output_files": JOB,
        "output": "soak.out",
        "error": "soak.err",
        "log": "soak.log",
        "request_memory": "700MB",
    }


def with_worker(path: str, keep: ExitStack) -> dict[str, soak.Read]:
    """Reads by a dask worker, a process of its own that lives as long as this one, where the image has dask."""
    try:
        import distributed
    except ImportError:
        return {}
    dask: Any = distributed  # its classes carry no types
    cluster = keep.enter_context(dask.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None))
    client = keep.enter_context(dask.Client(cluster))
    url = f"{os.environ['LAKE_ROOT'].rstrip('/')}/{path}"
    return {"dask root": lambda: int(client.submit(soak.first, url, pure=False).result(timeout=120))}


def main(vo: str, path: str, seconds: float) -> None:
    """Submit, read, fetch; print `RESULT` and a line of JSON that tells in which file the records are."""
    schedd = submit.located()
    placed = schedd.submit(htcondor2.Submit(description(vo, path, seconds)), count=1, spool=True)
    schedd.spool(placed)
    with ExitStack() as keep:
        read = soak.ways(vo, path, keep) | with_worker(path, keep)
        records = soak.soak(read, seconds, say=lambda text: print(text, flush=True))
    found = {"notebook": records, **fetched(placed.cluster(), int(seconds / 2) + 300)}
    (Path.home() / "soak.json").write_text(json.dumps(found))
    print("RESULT", json.dumps({"file": "soak.json", "kernel": os.getpid()}))


def fetched(cluster: int, seconds: int) -> dict[str, Any]:
    """The job's records once it has ended, and how often it was started."""
    schedd, chosen = submit.located(), f"ClusterId == {cluster}"
    submit.wait(schedd, cluster, seconds)
    starts = schedd.query(chosen, ["NumJobStarts"])[0]["NumJobStarts"]
    schedd.retrieve(chosen)
    schedd.act(htcondor2.JobAction.Remove, chosen)
    return {"job": json.loads(Path(JOB).read_text()), "starts": int(starts)}
