"""HTCondor's own records: of ended runs (JOB_EPOCH_HISTORY), and of jobs that have left the queue (HISTORY).

Each is an ad of one attribute a line, and a line of asterisks after it that says what it was. People choose what is in
many attributes, so only numbers are taken, none below nothing, and the owner, whom HTCondor has set.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

#: how a line begins that ends a record
BANNER = "***"
_RUN = re.compile(r"\*\*\* EPOCH ClusterId=\d+ ")
_JOB = re.compile(r"\*\*\* Offset = ")
_NUMBER = re.compile(r"-?\d+(\.\d*)?([eE][-+]?\d+)?")
_COMPLETED = 4
_Numbers = Callable[[str], float]
_LONGEST = 10 * 365 * 86400.0  # seconds; what says more is nonsense


@dataclass(frozen=True)
class Told:
    """What one record says of a job.

    whole: of all its runs together, as it has left the queue; else of one run. ended: seconds since the epoch. wall,
    cpu: seconds. cores: that it had. memory: MiB at most. completed: whether it ended by itself.
    """

    job: str
    owner: str
    whole: bool
    ended: float
    wall: float
    cpu: float
    cores: int = 1
    memory: int = 0
    completed: bool = False


def told(lines: Iterable[str], banner: str) -> Told | None:
    """The record of these lines; None where it is none of the two kinds, or says too little to account for."""
    run, job = _RUN.match(banner), _JOB.match(banner)
    if not run and not job:
        return None
    values = dict(pair for line in lines if (pair := _pair(line)))
    owner, number = values.get("Owner", "").strip('"'), _numbers(values)
    if not owner or "ClusterId" not in values:
        return None
    cores = int(number("CpusProvisioned") or number("RequestCpus")) or 1
    name = f"{int(number('ClusterId'))}.{int(number('ProcId'))}"
    memory = int(number("ResidentSetSize") / 1024)
    if run:
        ended, begun = number("EpochWriteDate"), number("JobCurrentStartDate")
        wall = _seconds(ended - begun) if begun else 0.0
        return Told(name, owner, False, ended, wall, _cpu(number, "Remote"), cores, memory)
    ended = number("CompletionDate") or number("EnteredCurrentStatus")
    cpu = _cpu(number, "CumulativeRemote" if "CumulativeRemoteUserCpu" in values else "Remote")
    wall, completed = _seconds(number("RemoteWallClockTime")), number("JobStatus") == _COMPLETED
    return Told(name, owner, True, ended, wall, cpu, cores, memory, completed)


def _pair(line: str) -> tuple[str, str] | None:
    name, equals, value = line.partition(" = ")
    return (name.strip(), value.strip()) if equals else None


def _numbers(values: Mapping[str, str]) -> _Numbers:
    """Numbers of an ad by name, 0 for what is none."""

    def number(name: str) -> float:
        value = values.get(name, "")
        return max(float(value), 0.0) if _NUMBER.fullmatch(value) else 0.0

    return number


def _cpu(number: _Numbers, prefix: str) -> float:
    return _seconds(number(f"{prefix}UserCpu") + number(f"{prefix}SysCpu"))


def _seconds(value: float) -> float:
    return min(max(value, 0.0), _LONGEST)
