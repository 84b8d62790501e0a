"""The process that reads queues for `facility.condor.jobs`: one question and one answer per line, as JSON.

It asks the schedd for one ad for all jobs that are alike instead of one per job, so that ten thousand cost no more than
ten. Such an ad has everything that its values refer to, so that what a job asks for may be an expression.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import IO, Any

import classad2
import htcondor2

from facility.condor.hold_codes import ARRIVING, NO_TOKEN, NONE_NOW, REQUEST, SIGN_IN_AGAIN, SUSPENDED

IDLE, HELD = 1, 5
#: running, or its files are on the way back: its slot is taken
_WORKING = (2, 6, 7)
#: kinds of idle jobs that are told of, for each owner: those with most jobs, and of the others the largest, so that
#: none waits for ever behind the many; what is left out follows when these have gone
_COMMON, _LARGE = 16, 8
Amounts = tuple[int, int, int, int]
#: what the bindings raise; nothing that somebody has written into a job may end the answers about everybody
_TROUBLES = (htcondor2.HTCondorException, classad2.ClassAdException, OSError, LookupError, ValueError, TypeError)
#: holds that end by themselves
_PASSING = {NO_TOKEN: "starting_over", ARRIVING: "arriving"}
#: subcodes of the credential monitor's own holds
_OURS = {SIGN_IN_AGAIN: "hindered", NONE_NOW: "hindered", SUSPENDED: "suspended"}
#: what the constraint names is in it too: the schedd tests it on what it has grouped
_ATTRIBUTES = [
    "Owner",
    "JobStatus",
    "HoldReasonCode",
    "HoldReasonSubCode",
    "OAuthServicesNeeded",
    "RequestCpus",
    "RequestMemory",
    "RequestDisk",
    "RequestGPUs",
    "RemoteHost",
]


def main(questions: IO[str] = sys.stdin, answers: IO[str] = sys.stdout) -> None:
    """Answer until the questions end."""
    schedds: dict[str, Any] = {}
    for line in questions:
        name = json.loads(line)["schedd"]
        try:
            answer: dict[str, Any] = {"owners": _ask(schedds, name)}
        except _TROUBLES as error:
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
    return tally(schedds[name].query("JobStatus != 3 && JobStatus != 4", _ATTRIBUTES, opts=htcondor2.QueryOpt.GroupBy))


def tally(counted: Iterable[Any]) -> list[dict[str, Any]]:
    """One entry per owner, as the fields of OwnerJobs; shapes are lists of their amounts."""
    owners: dict[str, dict[str, Any]] = {}
    needs: dict[str, dict[Amounts, int]] = {}
    for ad in counted:
        entry = owners.setdefault(ad["Owner"], {"owner": ad["Owner"]})
        kind, count = _kind(ad), int(ad["JobCount"])
        entry[kind] = entry.get(kind, 0) + count
        if kind not in ("held", "suspended"):
            named = str(ad.get("OAuthServicesNeeded", "")).replace(",", " ").split()
            entry["services"] = sorted({*entry.get("services", ()), *named})
        if kind == "idle":
            amounts, known = _amounts(ad), needs.setdefault(ad["Owner"], {})
            known[amounts] = known.get(amounts, 0) + count
        elif int(ad["JobStatus"]) in _WORKING:
            _add(entry.setdefault("working", {}), str(ad.get("RemoteHost", "")), _amounts(ad), count)
    for owner, known in needs.items():
        owners[owner]["needs"] = [[*amounts, count] for amounts, count in _told(known)]
    return list(owners.values())


def _told(known: dict[Amounts, int]) -> list[tuple[Amounts, int]]:
    kinds = sorted(known.items(), key=lambda one: (-one[1], one[0]))
    return kinds[:_COMMON] + sorted(kinds[_COMMON:], reverse=True)[:_LARGE]


def _add(working: dict[str, list[int]], host: str, amounts: Amounts, count: int) -> None:
    """Count jobs for the pod that `slot1_2@pod` names; nothing for jobs that have lost theirs."""
    pod = host.partition("@")[2]
    if pod:
        before = working.get(pod, [0, 0, 0, 0])
        working[pod] = [had + count * more for had, more in zip(before, amounts, strict=True)]


def _amounts(ad: Any) -> Amounts:
    """What a job asks for, as `facility.condor.amounts.Shape` has it: at least a core; its disk is in KiB in the ad."""
    disk = _amount(ad, "RequestDisk")
    return (
        max(_amount(ad, "RequestCpus"), 1),
        _amount(ad, "RequestMemory"),
        -(-disk // 1024),
        _amount(ad, "RequestGPUs"),
    )


def _amount(ad: Any, name: str) -> int:
    """A number, rounded up; 0 when there is none, or an expression that comes to none."""
    value = ad.get(name)
    if value is None:
        return 0
    if isinstance(value, classad2.ExprTree):
        try:
            value = value.eval(ad)
        except (*_TROUBLES, RuntimeError):
            return 0
    if isinstance(value, classad2.Value) or not isinstance(value, int | float) or not 0 < value < 2**53:
        return 0
    return -int(-value // 1)


def _kind(ad: Any) -> str:
    """As which of OwnerJobs' counts a group of jobs is counted."""
    status = int(ad["JobStatus"])
    if status == HELD:
        code, subcode = _amount(ad, "HoldReasonCode"), _amount(ad, "HoldReasonSubCode")
        ours = _OURS.get(subcode) if code == REQUEST else None
        return ours or _PASSING.get(code, "held")
    return "idle" if status == IDLE else "running"


if __name__ == "__main__":
    main()
