"""From what the operator knows of VOs, people, queues and pods to the situation that shares are decided from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from facility.condor import shapes
from facility.condor.amounts import Shape
from facility.condor.jobs import OwnerJobs
from facility.condor.queue import LEASE
from facility.condor.resources import cores
from facility.condor.situation import NOTHING, VO, Held, Need, Person, Phase, Pod, Situation
from facility.operator import entries
from facility.operator.standing import Past
from facility.operator.validate import ValidatedVO
from facility.site import Site
from facility.users import FacilityUser

#: seconds that a running pod is not ready, after which nobody counts on it: most likely its node is lost
_LOST = 20.0
#: seconds after which it is gone for good, as neither side runs jobs of such a pod any more: it is in nobody's way
_GONE = 2.0 * LEASE
_NOTHING_YET = Held()
#: seconds that Kueue, or whoever else gates pods, has to let one be scheduled, before that counts as no room
_GATED = 30.0


def situation(
    served: Mapping[str, ValidatedVO],
    jobs: Mapping[str, OwnerJobs],
    pods: Iterable[Pod],
    site: Site,
    past: Mapping[str, Past],
    ended: Iterable[str] = (),
    lately: Held = _NOTHING_YET,
) -> Situation:
    """All of it.

    Args:
        served: open VOs by name.
        jobs: by owner, of those whose queue is known.
        pods: execute pods that have not ended.
        site: its sizes and limits.
        past: by owner, what is remembered of them.
        ended: VOs that have no batch system any more, whose pods are to leave.
        lately: the most room that pods had a moment ago.
    """
    living = tuple(pods)
    concerned = {*jobs, *(pod.owner for pod in living)}
    people = {
        user.owner: _person(one, user, jobs.get(user.owner), past.get(user.owner, Past()))
        for one in served.values()
        for user in one.users
        if user.owner in concerned
    }
    vos = {name: VO(name, 1, 0) for name in ended} | {name: _vo(one, site) for name, one in served.items()}
    return Situation(vos, people, living, shapes.usual(site), shapes.maximum(site), site.batch.max_cpus, lately)


def pods(
    known: Mapping[str, entries.Pod], jobs: Mapping[str, OwnerJobs], unknown: Sequence[str], site: Site, now: float
) -> list[Pod]:
    """Execute pods that have not ended, as shares see them. unknown: VOs whose queues are not: their pods are busy."""
    usual = shapes.usual(site)
    return [
        _pod(name, pod, jobs.get(pod.owner), pod.vo in unknown, usual, now)
        for name, pod in sorted(known.items())
        if pod.phase not in ("Succeeded", "Failed") and not _gone(name, pod, jobs.get(pod.owner), now)
    ]


def _gone(name: str, pod: entries.Pod, jobs: OwnerJobs | None, now: float) -> bool:
    working = jobs is None or name in jobs.working
    return pod.phase == "Running" and bool(pod.unready) and now - pod.unready > _GONE and not working


def _pod(name: str, pod: entries.Pod, jobs: OwnerJobs | None, unknown: bool, usual: Shape, now: float) -> Pod:
    shape = shapes.read(pod.shape) or usual
    used = jobs.working.get(name, NOTHING) if jobs else NOTHING
    phase = _phase(pod, now)
    lost = phase is Phase.RUNNING and bool(pod.unready) and now - pod.unready > _LOST
    return Pod(name, pod.owner, shape, phase, shape if unknown else used, pod.retiring or pod.going or lost)


def _phase(pod: entries.Pod, now: float) -> Phase:
    if pod.phase == "Running":
        return Phase.RUNNING
    if pod.unschedulable or (pod.gated and now - pod.gated > _GATED):
        return Phase.UNSCHEDULABLE
    return Phase.PLACED if pod.placed else Phase.STARTING


def _person(one: ValidatedVO, user: FacilityUser, jobs: OwnerJobs | None, past: Past) -> Person:
    batch, needs = one.vo.spec.batch, startable(one, jobs) if jobs else ()
    weight = batch.share_of(user.status.groups)
    return Person(user.owner, one.name, weight, batch.max_cpus_per_person, past.usage, past.waited, needs, past.stuck)


def startable(one: ValidatedVO, jobs: OwnerJobs) -> tuple[Need, ...]:
    """What waiting jobs ask for, without those that the VO's limit of running jobs keeps from starting anyway."""
    most = one.vo.spec.batch.max_running_jobs_per_person
    left = max(most - jobs.running, 0) if most else jobs.idle
    needs: list[Need] = []
    for need in jobs.needs:
        if left > 0:
            needs.append(Need(need.shape, min(need.count, left)))
            left -= need.count
    return tuple(needs)


def _vo(one: ValidatedVO, site: Site) -> VO:
    batch = one.vo.spec.batch
    limits = [limit for limit in (batch.max_cpus, _by_quota(one, site)) if limit]
    return VO(one.name, batch.share, batch.max_execute_pods, min(limits, default=0), batch.limits.gpus)


def _by_quota(one: ValidatedVO, site: Site) -> int:
    """Cores of usual pods for which CPU and memory are enough that Kubernetes grants the VO; 0: it limits nothing."""
    limits, requests = one.vo.spec.batch.limits, site.batch.execute_resources.requests
    quantities = ((limits.cpu, requests.get("cpu", "0")), (limits.memory, requests.get("memory", "0")))
    each = [(granted, cores(usual) / site.batch.execute_cpus) for granted, usual in quantities]
    return min((max(int(cores(granted) / one), 1) for granted, one in each if granted is not None and one), default=0)
