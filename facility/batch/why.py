"""`facility batch why`: why my jobs wait or are held, and what to do about it, from the queue and from the operator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from facility.batch import words
from facility.batch.arriving import arriving, late
from facility.batch.queue import COMPLETED, HELD, IDLE, REMOVED, RUNNING, SENDING, Job, JobId, listed, of
from facility.condor.hold_codes import CLOSED, NO_TOKEN, NONE_NOW, POLICY, REQUEST, SIGN_IN_AGAIN, SUSPENDED

_SELF_RELEASED = "It goes on by itself."
#: holds, by code and subcode, that their owner can do nothing about
_NOT_THEIRS = ((REQUEST, NONE_NOW), (REQUEST, SUSPENDED), (POLICY, CLOSED))


@dataclass(frozen=True)
class Facts:
    """What there is to know. `batch`: the broker's answer, with `trouble` instead where there is none.

    asked: the jobs that were named; none means all. gone: those of them that have left the queue.
    """

    jobs: Sequence[Job]
    batch: Mapping[str, Any]
    trouble: str = ""
    asked: Sequence[JobId] = ()
    gone: Sequence[Job] = ()
    now: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """For people and programs: how many jobs are how, sentences, and what to do."""

    counts: Mapping[str, int]
    sentences: tuple[str, ...]
    todo: tuple[str, ...]

    @property
    def well(self) -> bool:
        """Whether nobody has to do anything for the jobs to go on."""
        return not self.counts["held"]


def judge(facts: Facts) -> Verdict:
    """What the facts come to."""
    told = [*_summary(facts), *_waiting(facts), *_held(facts), *_running(facts), *_finished(facts), *_gone(facts)]
    todo = dict.fromkeys(what for _, what in told if what)
    return Verdict(_counts(facts.jobs), tuple(sentence for sentence, _ in told if sentence), tuple(todo))


def _counts(jobs: Iterable[Job]) -> dict[str, int]:
    kinds = [kind(job) for job in jobs]
    return {name: kinds.count(name) for name in ("waiting", "running", "held", "arriving", "finished")}


def kind(job: Job) -> str:
    """As what a job is counted: waiting, running, held, arriving or finished; `removed` is not counted."""
    status = int(job["JobStatus"])
    if status == HELD:
        return "arriving" if arriving(job) else "held"
    return {IDLE: "waiting", REMOVED: "removed", COMPLETED: "finished"}.get(status, "running")


def _of(facts: Facts, name: str) -> list[Job]:
    return [job for job in facts.jobs if kind(job) == name]


Told = Iterator[tuple[str, str]]


def _summary(facts: Facts) -> Told:
    counts = {name: count for name, count in _counts(facts.jobs).items() if count}
    if not counts and not facts.gone:
        yield "None of these jobs is in the queue." if facts.asked else "You have no job in the queue.", ""
    elif not facts.asked:
        words_ = {"arriving": "sending their files"}
        yield f"Your jobs: {', '.join(f'{count} {words_.get(name, name)}' for name, count in counts.items())}.", ""


def _waiting(facts: Facts) -> Told:
    waiting = _of(facts, "waiting")
    if not waiting:
        return
    yield from ((_again(job), "") for job in waiting[:5] if int(job.get("NumJobStarts") or 0))
    yield _reason(facts, waiting), ""
    batch = facts.batch
    if batch.get("known"):
        pods = words.number(int(batch["pods"]), "execute pod works", "execute pods work")
        allowed = batch["allowedCpus"]
        yield f"{pods} for you, with {batch['cpus']} cores; your share at the moment is {allowed} cores.", ""


def _reason(facts: Facts, waiting: Sequence[Job]) -> str:
    """The operator's sentence; it decides who gets how much."""
    if facts.batch.get("waiting"):
        return str(facts.batch["waiting"])
    head = words.number(len(waiting), "job waits", "jobs wait")
    if facts.trouble:
        return f"{head}; the facility does not say why: {facts.trouble}."
    youngest = min(facts.now - float(job.get("QDate") or 0) for job in waiting)
    if not facts.batch.get("known") or youngest < 15:
        return f"{head}: the facility looks at the queue every few seconds; ask again in a moment."
    return f"{head} for a free place in your execute pods."


def _again(job: Job) -> str:
    starts = words.number(int(job["NumJobStarts"]), "time")
    return f"{of(job)} has been started {starts} before: its pod left or was lost, and it begins anew."


def _held(facts: Facts) -> Told:
    for (reason, todo), group in groupby(sorted(_of(facts, "held"), key=_cause), key=_cause):
        jobs = list(group)
        ids = listed(of(job) for job in jobs)
        yield f"{words.number(len(jobs), 'job is', 'jobs are')} held ({ids}): {reason}", todo
    lost = [of(job) for job in facts.jobs if late(job, facts.now)]
    if lost:
        ids = " ".join(map(str, lost))
        yield f"The files of {listed(lost)} have not come: what submitted them has ended.", f"condor_rm {ids}"


def _cause(job: Job) -> tuple[str, str]:
    """Why a job is held, and what to do."""
    code, subcode = int(job.get("HoldReasonCode", 0)), int(job.get("HoldReasonSubCode", 0))
    reason = str(job.get("HoldReason") or "no reason given").strip()
    if (code, subcode) == (REQUEST, SIGN_IN_AGAIN):
        return reason, "Sign in at the hub. The jobs then go on by themselves."
    if code == NO_TOKEN:
        return f"{reason}. {_SELF_RELEASED} If it does not: do you have the scopes of each service that it names?", ""
    if (code, subcode) in _NOT_THEIRS:
        return reason, ""
    return reason, f"Mend what the reason names, then condor_release {of(job).cluster}, or condor_rm it."


def _running(facts: Facts) -> Told:
    for job in _of(facts, "running") if facts.asked else ():
        what = "sends its output" if int(job["JobStatus"]) == SENDING else "runs"
        where = f" on {job['RemoteHost']}" if job.get("RemoteHost") and int(job["JobStatus"]) == RUNNING else ""
        yield f"{of(job)} {what}{where}{words.since(job, 'JobCurrentStartDate', facts.now)}.", ""


def _finished(facts: Facts) -> Told:
    finished = _of(facts, "finished")
    if facts.asked:
        yield from ((f"{of(job)} {words.ending(job)}; its output waits to be fetched.", "") for job in finished)
    if finished:
        what = words.number(len(finished), "job has finished and its", "jobs have finished and their")
        yield "" if facts.asked else f"{what} output waits to be fetched.", "facility batch fetch"


def _gone(facts: Facts) -> Told:
    for job in facts.gone:
        yield f"{of(job)} is in the queue no more: it {words.ending(job)}.", ""
