"""What people are told of their jobs: counts, pods, cores, and the sentence of why jobs wait. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from facility.condor.jobs import OwnerJobs
from facility.condor.reasons import sentence
from facility.condor.situation import Cause, Decision, Pod, Reason
from facility.operator.validate import ValidatedVO
from facility.users import BatchStatus


def fare(
    served: Iterable[ValidatedVO],
    jobs: Mapping[str, OwnerJobs],
    pods: Sequence[Pod],
    decision: Decision,
    hindered: Mapping[str, str],
) -> dict[str, BatchStatus]:
    """Of all who have jobs or pods, by the names of their objects.

    Args:
        served: open VOs.
        jobs, pods, decision: what was decided last, and from what.
        hindered: by owner, in words, what keeps the cluster from making the pods that they should have.
    """
    numbers, cores = Counter(pod.owner for pod in pods), Counter[str]()
    for pod in pods:
        cores[pod.owner] += pod.shape.cpus
    return {
        user.hub_user: _status(vo, jobs.get(owner, OwnerJobs(owner)), numbers[owner], cores[owner], decision, hindered)
        for vo in served
        for user in vo.users
        if (owner := user.owner) in jobs or owner in numbers
    }


def _status(
    vo: ValidatedVO, jobs: OwnerJobs, pods: int, cores: int, decision: Decision, hindered: Mapping[str, str]
) -> BatchStatus:
    allowed = decision.allowed.get(jobs.owner, 0)
    waiting = _waiting(vo, jobs, decision.reasons.get(jobs.owner), allowed, hindered)
    counts = {"idle": jobs.idle, "running": jobs.running, "held": jobs.stopped, "pods": pods, "cpus": cores}
    return BatchStatus(**counts, allowed_cpus=allowed, waiting=waiting)


def _waiting(vo: ValidatedVO, jobs: OwnerJobs, reason: Reason | None, allowed: int, hindered: Mapping[str, str]) -> str:
    if reason is None:
        most = vo.vo.spec.batch.max_running_jobs_per_person
        return sentence(Reason(Cause.JOBS, most), vo.name, allowed) if jobs.idle and most else ""
    return hindered.get(jobs.owner) or sentence(reason, vo.name, allowed)
