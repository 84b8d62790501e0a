"""Jobs in words that both `why` and `fetch` use."""

from __future__ import annotations

from facility.agent.words import span
from facility.batch.queue import Job


def number(count: int, one: str, many: str = "") -> str:
    """`1 job is`, `3 jobs are`."""
    return f"{count} {one}" if count == 1 else f"{count} {many or one + 's'}"


def ending(job: Job) -> str:
    """How a job has ended."""
    if job.get("ExitBySignal"):
        return f"was ended by signal {job.get('ExitSignal', '?')}"
    return f"ended with exit code {job['ExitCode']}" if "ExitCode" in job else "has left the queue"


def well(job: Job) -> bool:
    """Whether it has ended as programs do that are content."""
    return not job.get("ExitBySignal") and int(job.get("ExitCode", 1)) == 0


def since(job: Job, attribute: str, now: float) -> str:
    """For how long now, by an attribute that is a time; empty without it."""
    began = job.get(attribute)
    return f" for {span(max(0, int(now - float(began))))}" if began else ""


def place(job: Job) -> str:
    """The directory that its output goes to."""
    return str(job.get("SUBMIT_Iwd") or job.get("Iwd") or "?")
