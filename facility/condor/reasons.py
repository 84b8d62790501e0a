"""Why somebody's jobs wait, in one sentence that says what would help."""

from __future__ import annotations

from facility.condor.amounts import Shape
from facility.condor.situation import Cause, Reason

_TURN = "jobs start in turn as others' end"
_SHARE = "your share of them is {allowed} at the moment"
_SENTENCES = {
    Cause.STARTING: "Execute pods are starting for them.",
    Cause.ROOM: "Your execute pods have room for them: they start within seconds.",
    Cause.UNTAKEN: "An execute pod of yours has room and does not take them: they require something that it is not. "
    "`condor_q -better-analyze` says what.",
    Cause.TOO_LARGE: "They ask for {shape}, which no execute pod here has: ask for less and submit again.",
    Cause.PERSON: "You have all {limit} that one person of {vo} may have: further jobs start as these end.",
    Cause.JOBS: "You have all {count} jobs running that one person of {vo} may have: further ones start as these end.",
    Cause.VO_CPUS: f"{{vo}} uses all {{limit}} that it may have, and {_SHARE}: {_TURN}.",
    Cause.VO_PODS: f"{{vo}} has all {{count}} execute pods that it may have, and your share is {{allowed}}: {_TURN}.",
    Cause.VO_GPUS: f"{{vo}} uses all {{count}} GPUs that it may have: {_TURN}.",
    Cause.SITE: f"All {{limit}} that this facility gives to jobs are in use, and {_SHARE}: {_TURN}.",
    Cause.CLUSTER: f"No node has room for one more execute pod ({{shape}}). All are shared, and {_SHARE}: {_TURN}.",
}


def sentence(reason: Reason, vo: str, allowed: int) -> str:
    """For the owner of the jobs. `allowed`: cores that their share gives them now."""
    parts = {"vo": vo, "allowed": _cores(allowed), "limit": _cores(reason.limit), "count": reason.limit}
    return _SENTENCES[reason.cause].format(**parts, shape=_of(reason.shape))


def _cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"


def _of(shape: Shape | None) -> str:
    if shape is None:
        return "of any size"
    gpus = f", {shape.gpus} GPU{'s' if shape.gpus > 1 else ''}" if shape.gpus else ""
    return f"{_cores(shape.cpus)}, {shape.memory} MiB of memory, {shape.disk} MiB of disk{gpus}"
