"""A queue without HTCondor's daemons: real ClassAds and submit descriptions, and jobs that tests move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any

import classad2
import htcondor2

from facility.batch.queue import COMPLETED, HELD, IDLE, Queue


@dataclass(frozen=True)
class Placed:
    """What a submission gives."""

    number: int
    count: int

    def num_procs(self) -> int:
        """How many jobs."""
        return self.count

    def cluster(self) -> int:
        """The cluster's number."""
        return self.number


@dataclass
class OwnQueue:
    """htcondor2.Schedd as far as `facility.batch` knows it. `away`: nothing is answered.

    owner: whose all jobs are. spools: whether files come; cut: the connection ends as they do. broken: jobs whose
    output cannot be fetched. leaves: for each fetch, whether it goes away then. most: jobs fetched in one go. located:
    how often it was looked for.
    """

    owner: str = "cms_alice"
    ads: list[dict[str, Any]] = field(default_factory=list)
    gone: list[dict[str, Any]] = field(default_factory=list)
    away: bool = False
    spools: bool = True
    cut: bool = False
    refuses: str = ""
    broken: set[str] = field(default_factory=set)
    leaves: Iterator[bool] = field(default_factory=lambda: repeat(False))
    most: int = 0
    located: int = 0
    fetched: list[str] = field(default_factory=list)
    texts: dict[int, str] = field(default_factory=dict)
    places: dict[int, Path] = field(default_factory=dict)
    now: int = 1_800_000_000
    last: int = 0

    @property
    def queue(self) -> Queue:
        """As the commands use it."""
        return Queue(self.locate)

    def locate(self) -> OwnQueue:
        """Found, as often as somebody looks for it."""
        self.located += 1
        return self

    def add(self, cluster: int, status: int, proc: int = 0, **more: Any) -> dict[str, Any]:
        """A job."""
        ad = {"ClusterId": cluster, "ProcId": proc, "JobStatus": status, "Owner": self.owner, "QDate": self.now - 60}
        ad |= {"SUBMIT_Iwd": "/home/jovyan", "EnteredCurrentStatus": self.now - 60, **more}
        self.ads.append(ad)
        return ad

    def finish(self, cluster: int, code: int = 0) -> None:
        """Its jobs end."""
        for ad in self.ads:
            if ad["ClusterId"] == cluster:
                ad |= {"JobStatus": COMPLETED, "ExitCode": code, "ExitBySignal": False, "CompletionDate": self.now}

    def add_finished(self, cluster: int, jobs: int = 1) -> None:
        """A cluster of so many jobs that have ended well."""
        for proc in range(jobs):
            self.add(cluster, COMPLETED, proc)
        self.finish(cluster)

    def leave(self, cluster: int, **more: Any) -> None:
        """Its jobs leave the queue."""
        self.gone += [ad | more for ad in self.ads if ad["ClusterId"] == cluster]
        self.ads = [ad for ad in self.ads if ad["ClusterId"] != cluster]

    def node(self, name: str) -> int:
        """The latest cluster of a DAG's node."""
        return max(ad["ClusterId"] for ad in (*self.ads, *self.gone) if ad.get("DAGNodeName") == name)

    def query(self, constraint: str, projection: list[str]) -> list[dict[str, Any]]:
        """Ads, cut to what is asked for."""
        return self._found(self.ads, constraint, projection)

    def history(self, constraint: str, projection: list[str], match: int) -> list[dict[str, Any]]:
        """The same of jobs that have left."""
        return self._found(self.gone, constraint, projection)[:match]

    def retrieve(self, job_spec: str) -> None:
        """As HTCondor: it ends at the first job that fails, and what is fetched may leave."""
        self.away = self.away or next(self.leaves)
        those = self._those(self.ads, job_spec)
        self.most = max(self.most, len(those))
        for ad in those:
            job = f"{ad['ClusterId']}.{ad['ProcId']}"
            if job in self.broken:
                raise htcondor2.HTCondorException(f"File transfer failed for target job {job}")
            self.fetched.append(job)
            ad["StageOutFinish"] = self.now + 1

    def edit(self, job_spec: str, attr: str, value: str) -> None:
        """An attribute, given as an expression."""
        for ad in self._those(self.ads, job_spec):
            ad[attr] = classad2.ExprTree(value).eval()

    def act(self, action: Any, job_spec: str, reason: str) -> None:
        """Removal."""
        assert action is htcondor2.JobAction.Remove
        out = self._those(self.ads, job_spec)
        self.gone += [ad | {"JobStatus": 3} for ad in out]
        self.ads = [ad for ad in self.ads if ad not in out]

    def submit(self, description: Any, *, spool: bool) -> Placed:
        """Jobs that wait for their files."""
        assert spool, "the access point takes no others"
        if self.away or self.refuses:
            raise htcondor2.HTCondorException(self.refuses or "Failed to connect to schedd")
        self.last += 1
        own = {key.removeprefix("MY."): value for key, value in description.items() if key.startswith("MY.")}
        more = {key: classad2.ExprTree(value).eval() for key, value in own.items()}
        count = int(description.getQArgs() or 1)
        for proc in range(count):
            self.add(self.last, HELD, proc, HoldReasonCode=16, **more)
        self.texts[self.last] = str(description)
        self.places[self.last] = Path.cwd()
        return Placed(self.last, count)

    def spool(self, result: Placed) -> None:
        """The files come."""
        for ad in self.ads:
            if ad["ClusterId"] == result.number and self.spools:
                ad |= {"JobStatus": IDLE, "HoldReasonCode": 0}
        if self.cut:
            raise htcondor2.HTCondorException("Failed to read the answer")

    def _found(self, ads: list[dict[str, Any]], constraint: str, projection: list[str]) -> list[dict[str, Any]]:
        return [{key: ad[key] for key in projection if key in ad} for ad in self._those(ads, constraint)]

    def _those(self, ads: list[dict[str, Any]], constraint: str) -> list[dict[str, Any]]:
        if self.away:
            raise htcondor2.HTCondorException("Failed to connect to schedd")
        return [ad for ad in ads if self._fits(ad, constraint)]

    @staticmethod
    def _fits(ad: Mapping[str, Any], constraint: str) -> bool:
        return bool(classad2.ExprTree(constraint).eval(classad2.ClassAd(dict(ad))) is True)
