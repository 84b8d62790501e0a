"""The process that reads queues for `facility.condor.jobs`: one question and one answer per line, as JSON.

It asks the schedd for one ad per owner, status and reason of hold instead of one per job, so that ten thousand jobs
cost no more than ten.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import IO, Any

import htcondor2

IDLE, RUNNING, HELD, TRANSFERRING, SUSPENDED = 1, 2, 5, 6, 7
#: codes of holds that end by themselves: credentials not there yet, input files still arriving
_PASSING = (4, 16)
_ATTRIBUTES = ["Owner", "JobStatus", "HoldReasonCode"]


def main(questions: IO[str] = sys.stdin, answers: IO[str] = sys.stdout) -> None:
    """Answer until the questions end."""
    schedds: dict[str, Any] = {}
    for line in questions:
        name = json.loads(line)["schedd"]
        try:
            answer: dict[str, Any] = {"owners": _ask(schedds, name)}
        except (htcondor2.HTCondorException, OSError, LookupError) as error:
            schedds.pop(name, None)  # it may have a new address
            answer = {"error": str(error) or type(error).__name__}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _ask(schedds: dict[str, Any], name: str) -> list[dict[str, Any]]:
    if name not in schedds:
        # without a name: the schedd of this pod, from the file in which it says where it is
        location = htcondor2.Collector().locate(htcondor2.DaemonType.Schedd, name or None)
        if location is None:
            raise LookupError(f"the collector does not know {name}")
        schedds[name] = htcondor2.Schedd(location)
    schedd = schedds[name]
    counted = schedd.query("JobStatus != 3 && JobStatus != 4", _ATTRIBUTES, opts=htcondor2.QueryOpt.GroupBy)
    oldest = schedd.query("JobStatus == 1", ["Owner", "QDate"], opts=htcondor2.QueryOpt.GroupBy)
    return tally(counted, oldest)


def tally(counted: Iterable[Any], oldest: Iterable[Any]) -> list[dict[str, Any]]:
    """One entry per owner, as the fields of OwnerJobs."""
    owners: dict[str, dict[str, Any]] = {}
    for ad in counted:
        entry = owners.setdefault(ad["Owner"], {"owner": ad["Owner"]})
        kind = _kind(int(ad["JobStatus"]), int(ad.get("HoldReasonCode", 0)))
        entry[kind] = entry.get(kind, 0) + int(ad["JobCount"])
    for ad in oldest:
        entry = owners.setdefault(ad["Owner"], {"owner": ad["Owner"]})
        entry["waiting_since"] = min(float(ad["QDate"]), entry.get("waiting_since", float("inf")))
    return list(owners.values())


def _kind(status: int, hold: int) -> str:
    if status == HELD:
        return "starting_over" if hold in _PASSING else "held"
    return "idle" if status == IDLE else "running"


if __name__ == "__main__":
    main()
