"""`python -m tests.bench.pool_ads JOBS PEOPLE KINDS FLAG`: the process that reads queues, before a simulated schedd.

The process is the operator's own (`facility.condor.jobs_child`); what it asks is answered from made job ads, in
ClassAds of HTCondor's own bindings. All jobs are idle, once the file FLAG is there; until then there are none. Each
person of cms has as many, in so many kinds: 1 if all jobs ask for the same, as many as jobs if no two do.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import classad2
import htcondor2

from facility import names
from facility.condor import jobs_child

VO = "cms"
IDLE = 1


def owners(people: int) -> list[str]:
    """Whose the jobs are."""
    return [names.owner(VO, f"p{number:04}") for number in range(people)]


def ads(jobs: int, people: int, kinds: int) -> Iterator[dict[str, Any]]:
    """The jobs, as far as anybody asks about them."""
    mine = owners(people)
    for number in range(jobs):
        kind = number // people % kinds
        yield {
            "Owner": mine[number % people],
            "JobStatus": IDLE,
            "QDate": 1_700_000_000 + number // 10,
            "RequestCpus": 1 + kind % 4,
            "RequestMemory": 500 + 7 * kind,
            "RequestDisk": 1_000_000 + 1000 * kind,
            "OAuthServicesNeeded": VO,
            "User": f"{mine[number % people]}@{names.TRUST_DOMAIN}",
            "ClusterId": number + 1,
            "ProcId": 0,
            "NumJobStarts": 0,
        }


class Schedd:
    """What `htcondor2.Schedd` is for who reads queues."""

    jobs, people, kinds = 0, 1, 1
    flag = Path()

    def __init__(self, location: object) -> None:
        """Wherever it is."""

    def query(
        self,
        constraint: str = "true",
        projection: tuple[str, ...] | list[str] = (),
        callback: object = None,
        limit: int = -1,
        opts: Any = htcondor2.QueryOpt.Default,
    ) -> list[Any]:
        """Ads of all jobs or of none, as all are alike in what a constraint may ask; grouped where that is wanted."""
        grouped = bool(int(opts) & int(htcondor2.QueryOpt.GroupBy))
        found = _answer(self.jobs, self.people, self.kinds, str(constraint), tuple(projection), grouped)
        return list(found) if self.flag.exists() else []


@cache
def _answer(
    jobs: int, people: int, kinds: int, constraint: str, projection: tuple[str, ...], grouped: bool
) -> list[Any]:
    """Made once: the schedd's own work is not what is measured."""
    some = classad2.ClassAd(next(ads(1, people, kinds)))
    if classad2.ExprTree(constraint).eval(some) is not True:
        return []
    if not grouped:
        return [classad2.ClassAd(_chosen(ad, projection)) for ad in ads(jobs, people, kinds)]
    counts: dict[tuple[Any, ...], int] = {}
    for ad in ads(jobs, people, kinds):
        key = tuple(ad.get(name) for name in projection)
        counts[key] = counts.get(key, 0) + 1
    return [_group(projection, key, count) for key, count in counts.items()]


def _chosen(ad: dict[str, Any], projection: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in ad.items() if not projection or name in projection}


def _group(projection: tuple[str, ...], key: tuple[Any, ...], count: int) -> Any:
    given = {name: value for name, value in zip(projection, key, strict=True) if value is not None}
    return classad2.ClassAd(given | {"JobCount": count})


class Collector:
    """Knows every schedd."""

    def locate(self, kind: object, name: str | None = None) -> object:
        """Where it is."""
        return classad2.ClassAd({"MyAddress": "<127.0.0.1:9618>", "Name": name or ""})


def main(arguments: list[str]) -> None:
    """As the module says."""
    Schedd.jobs, Schedd.people, Schedd.kinds = map(int, arguments[:3])
    Schedd.flag = Path(arguments[3])
    htcondor2.Schedd, htcondor2.Collector = Schedd, Collector
    jobs_child.main()


if __name__ == "__main__":
    main(sys.argv[1:])
