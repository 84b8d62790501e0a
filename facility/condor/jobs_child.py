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

from facility.condor.hold_codes import ARRIVING, NO_TOKEN, NONE_NOW, REQUEST, SIGN_IN_AGAIN

IDLE, HELD = 1, 5
#: holds that end by themselves
_PASSING = {NO_TOKEN: "starting_over", ARRIVING: "arriving"}
_ATTRIBUTES = ["Owner", "JobStatus", "HoldReasonCode", "HoldReasonSubCode", "OAuthServicesNeeded"]


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
        kind = _kind(ad)
        entry[kind] = entry.get(kind, 0) + int(ad["JobCount"])
        if kind != "held":
            named = str(ad.get("OAuthServicesNeeded", "")).replace(",", " ").split()
            entry["services"] = sorted({*entry.get("services", ()), *named})
    for ad in oldest:
        entry = owners.setdefault(ad["Owner"], {"owner": ad["Owner"]})
        entry["waiting_since"] = min(float(ad["QDate"]), entry.get("waiting_since", float("inf")))
    return list(owners.values())


def _kind(ad: Any) -> str:
    """As which of OwnerJobs' counts a group of jobs is counted."""
    status = int(ad["JobStatus"])
    if status == HELD:
        code, subcode = int(ad.get("HoldReasonCode", 0)), int(ad.get("HoldReasonSubCode", 0))
        ours = code == REQUEST and subcode in (SIGN_IN_AGAIN, NONE_NOW)
        return "hindered" if ours else _PASSING.get(code, "held")
    return "idle" if status == IDLE else "running"


if __name__ == "__main__":
    main()
