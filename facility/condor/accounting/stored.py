"""How a book is stored: a line of JSON, a line for each job that is counted in part, and a last one that says how many.

Written and read line by line: there may be hundreds of thousands of jobs, and little memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import IO, Any

from facility.condor.accounting.ledger import Counted

_END = "end"


def lines(head: str, counted: Iterable[tuple[str, Counted]]) -> Iterator[str]:
    """The file's. `head`: the line of JSON."""
    yield f"{head}\n"
    number = 0
    for job, (wall, cpu, last) in counted:
        number += 1
        yield f"{job} {wall!r} {cpu!r} {last!r}\n"
    yield f"{_END} {number}\n"


def read(file: IO[str]) -> tuple[dict[str, Any], dict[str, Counted]]:
    """The head, and what is counted of each job. Raises ValueError for what `lines` has not made."""
    head = dict(json.loads(file.readline()))
    counted: dict[str, Counted] = {}
    for line in file:
        job, *values = line.split()
        if job == _END:
            if values != [str(len(counted))]:
                break
            return head, counted
        wall, cpu, last = map(float, values)
        counted[job] = (wall, cpu, last)
    raise ValueError("the end is missing")
