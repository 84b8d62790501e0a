"""Runs beside a schedd, in a person's notebook or in the pod of the personal pool, and times what it does with jobs.

Shipped to both as it is: nothing but the standard library and HTCondor's bindings. `python pool_jobs.py NAME JSON` does
one measurement and prints `RESULT` and a line of JSON; a kernel calls `tell(NAME, ...)`.
`python pool_jobs.py serve FOLDER SLOTS` becomes HTCondor's own personal pool (`htcondor2.personal`), the peer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import htcondor2

HELD = 5
#: reasons of hold that pass by themselves: the token is on the way, the files are
PASSING = (4, 16)
PATIENCE = 1800.0


def plain(**more: str) -> dict[str, str]:
    """A job as both pools get it. Ended, it stays in the queue until it is removed, to be asked how it went."""
    asked = {"transfer_executable": "false", "request_cpus": "1", "request_memory": "100MB", "request_disk": "10MB"}
    way = {"should_transfer_files": "YES", "when_to_transfer_output": "ON_EXIT", "leave_in_queue": "JobStatus == 4"}
    return asked | way | more


def natural(**more: str) -> dict[str, str]:
    """A job as people write it for a pool on their own machine: it runs where the files are already."""
    return plain(**more) | {"should_transfer_files": "IF_NEEDED"}


def start(spool: bool = True, schedd: Any = None) -> dict[str, float]:
    """Seconds from before the submit until the job's own first instant, by the job's clock, and those of the submit."""
    schedd = schedd or located()
    with TemporaryDirectory() as folder:
        kind = plain if spool else natural
        job = kind(executable="/bin/date", arguments="+%s.%N", output="began", initialdir=folder)
        asked = time.time()
        cluster = send(schedd, job, 1, spool)
        sent = time.time()
        wait(schedd, cluster, 0.1)
        if spool:
            schedd.retrieve(f"ClusterId == {cluster}")
        remove(schedd, cluster)
        began = float((Path(folder) / "began").read_text())
    return {"start_s": began - asked, "sent_s": sent - asked}


def busy(seconds: int, schedd: Any = None) -> dict[str, float]:
    """One job of so many seconds, from its submit until it has left the queue."""
    schedd = schedd or located()
    begun = time.time()
    cluster = send(schedd, plain(executable="/bin/sleep", arguments=str(seconds)), 1, True)
    wait(schedd, cluster, 0.2)
    remove(schedd, cluster)
    return {"seconds": time.time() - begun}


def rate(jobs: int, spool: bool = True, schedd: Any = None) -> dict[str, float]:
    """Jobs that do nothing: how many seconds all of them take from before the submit, and on how many slots."""
    schedd = schedd or located()
    kind = plain if spool else natural
    asked = time.time()
    cluster = send(schedd, kind(executable="/bin/sleep", arguments="0"), jobs, spool)
    sent = time.time()
    wait(schedd, cluster, 0.5)
    ended = time.time()
    ads = schedd.query(f"ClusterId == {cluster}", ["LastRemoteHost", "NumJobStarts"])
    remove(schedd, cluster)
    hosts = {str(ad["LastRemoteHost"]) for ad in ads}
    return {
        "jobs": len(ads),
        "seconds": ended - asked,
        "sent_s": sent - asked,
        "slots": len(hosts),
        "pods": len({host.partition("@")[2] for host in hosts}),
        "starts": sum(int(ad["NumJobStarts"]) for ad in ads),
    }


def submits(count: int, schedd: Any = None) -> dict[str, float]:
    """Seconds of so many submits of one job each, by one process that stays connected, and by one process each."""
    schedd = schedd or located()
    never = plain(executable="/bin/true", requirements="false")
    begun = time.time()
    clusters = [send(schedd, never, 1, True) for _ in range(count)]
    seconds = time.time() - begun
    with TemporaryDirectory() as folder:
        file = Path(folder) / "never.sub"
        file.write_text("".join(f"{name} = {value}\n" for name, value in never.items()) + "queue\n")
        begun = time.time()
        clusters += [_by_tool(file) for _ in range(count)]
        by_tool = time.time() - begun
    for cluster in clusters:
        remove(schedd, cluster)
    return {"count": count, "seconds": seconds, "by_tool_s": by_tool}


def _by_tool(file: Path) -> int:
    command = ["condor_submit", "-terse", "-spool", str(file)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return int(said.partition(".")[0])


def clear(owner: str, schedd: Any = None) -> dict[str, float]:
    """Remove whatever this person has in the queue."""
    schedd = schedd or located()
    mine = {int(ad["ClusterId"]) for ad in schedd.query(f'Owner == "{owner}"', ["ClusterId"])}
    for cluster in mine:
        remove(schedd, cluster)
    return {"clusters": len(mine)}


def located(seconds: float = 120.0) -> Any:
    """The schedd of this place, once it is known. Raises HTCondorException after so many seconds."""
    until = time.monotonic() + seconds
    while True:
        try:
            return htcondor2.Schedd()
        except (htcondor2.HTCondorException, TypeError, OSError):  # not all daemons are there yet
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def send(schedd: Any, job: dict[str, str], count: int, spool: bool) -> int:
    """Submit, with the files if they are to be sent along. The cluster's number."""
    placed = schedd.submit(htcondor2.Submit(job), count=count, spool=spool)
    if spool:
        schedd.spool(placed)
    return int(placed.cluster())


def wait(schedd: Any, cluster: int, period: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Until all jobs of the cluster have ended. One ad is asked for, however many there are."""
    until = time.monotonic() + PATIENCE
    unfinished = f"ClusterId == {cluster} && JobStatus != 4"
    names = ["JobStatus", "HoldReason", "HoldReasonCode"]
    while left := schedd.query(unfinished, names, limit=1):
        (one,) = left
        if one["JobStatus"] == HELD and one.get("HoldReasonCode") not in PASSING:
            raise SystemExit(f"a job of {cluster} is on hold: {one.get('HoldReason')}")
        if time.monotonic() > until:
            raise SystemExit(f"the jobs of {cluster} have not ended: {dict(one)}")
        sleep(period)


def remove(schedd: Any, cluster: int) -> None:
    """Take the cluster out of the queue, ended or not."""
    schedd.act(htcondor2.JobAction.Remove, f"ClusterId == {cluster}")


def configured(folder: Path, slots: int) -> Path:
    """Write the configuration of a personal pool as HTCondor itself makes it. The file."""
    from htcondor2.personal import PersonalPool

    pool = PersonalPool(folder, config={"NUM_CPUS": str(slots)}, use_config=False)
    return Path(pool.initialize().config_file)


def serve(folder: Path, slots: int) -> None:
    """Become the personal pool's master."""
    os.environ["CONDOR_CONFIG"] = str(configured(folder, slots))
    os.execvp("condor_master", ["condor_master", "-f"])


def first(folder: Path, slots: int) -> dict[str, float]:
    """Start a personal pool and run a job in it: seconds since the epoch at which that began."""
    config = configured(folder, slots)
    os.environ["CONDOR_CONFIG"] = str(config)
    htcondor2.reload_config()
    with subprocess.Popen(["condor_master", "-f"]) as master:
        asked = time.time()
        try:
            began = asked + start(spool=False)["start_s"]
        finally:
            master.terminate()
    return {"began": began}


MEASUREMENTS: dict[str, Callable[..., dict[str, float]]] = {
    "start": start,
    "busy": busy,
    "rate": rate,
    "submits": submits,
    "clear": clear,
}


def tell(name: str, **how: Any) -> None:
    """Do one measurement and print what came of it."""
    print("RESULT", json.dumps(MEASUREMENTS[name](**how)))


def main(arguments: list[str]) -> None:
    """As the module says."""
    name = arguments[0]
    if name == "serve":
        serve(Path(arguments[1]), int(arguments[2]))
    elif name == "first":
        print("RESULT", json.dumps(first(Path(arguments[1]), int(arguments[2]))))
    else:
        tell(name, **json.loads(arguments[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
