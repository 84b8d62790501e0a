"""What becomes of a node in the queue: its description with what DAGMan would add, and how its jobs have ended."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path

from facility.batch.dag.language import Node
from facility.batch.dag.state import Progress
from facility.batch.fetch import finished
from facility.batch.queue import BatchError, Job, Queue

#: exit codes of what has none of its own: removed from the queue, ended by a signal, never submitted (as DAGMan's)
REMOVED, SIGNAL, NEVER = 1, -1, -1


def of_run(run: str) -> str:
    """All jobs of a run, as a ClassAd expression."""
    return f'FacilityDag == "{run}"'


def of_attempt(run: str, name: str, attempt: int) -> str:
    """Those of one attempt at one node."""
    return f'{of_run(run)} && DAGNodeName == "{name}" && FacilityDagAttempt == {attempt}'


def submit(queue: Queue, node: Node, progress: Progress, run: str, dag: str) -> tuple[int, int]:
    """The number of the node's cluster, and how many jobs it has. Raises BatchError, AwayError."""
    try:
        with chdir(node.directory or "."):
            text = node.text or Path(node.file).read_text()
            return queue.place(f"{_added(node, progress, run, dag)}{text}\n", node.file or node.name)
    except OSError as error:
        raise BatchError(f"{error.filename or node.file}: {error.strerror}") from None


def _added(node: Node, progress: Progress, run: str, dag: str) -> str:
    """Before the description, so that it can use these macros and may overrule them, as with DAGMan."""
    macros = {"JOB": node.name, "RETRY": str(progress.retry), "MAX_RETRIES": str(node.retries), **node.variables}
    macros |= {
        "MY.DAGNodeName": f'"{node.name}"',
        "MY.FacilityDag": f'"{run}"',
        "MY.FacilityDagAttempt": str(progress.attempt),
        "batch_name": dag,
    }
    if node.priority:
        macros["priority"] = str(node.priority)
    return "".join(f"{name} = {value}\n" for name, value in macros.items())


def settle(queue: Queue, one: Progress, jobs: Sequence[Job]) -> int | None:
    """The exit code of a cluster that is over, its output fetched; None while it is not. `jobs`: those in the queue.

    The access point's history is asked only for jobs that somebody has removed or fetched: it is slow.

    Raises BatchError where the access point does not answer, or the output cannot be fetched.
    """
    cluster = one.cluster
    here = [job for job in jobs if int(job["ClusterId"]) == cluster]
    if any(int(job["JobStatus"]) != 4 for job in here):
        return None
    if any(finished(job) for job in here):
        queue.fetch(f"ClusterId == {cluster} && JobStatus == 4")
    ended = here if len(here) >= one.jobs else [*here, *queue.past(f"ClusterId == {cluster}", one.jobs)]
    if not ended:
        raise BatchError(f"cluster {cluster} has left the queue, and the access point does not remember it")
    codes = [_code(job) for job in ended]
    return next((code for code in codes if code), 0)


def _code(job: Job) -> int:
    if job.get("ExitBySignal"):
        return SIGNAL
    return int(job.get("ExitCode", REMOVED)) if int(job["JobStatus"]) == 4 else REMOVED
