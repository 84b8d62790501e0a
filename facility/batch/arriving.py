"""Jobs whose files are on their way: held until all are there, and for ever if what sent them has ended."""

from __future__ import annotations

from facility.batch.queue import HELD, Job
from facility.condor.hold_codes import ARRIVING

_UPLOAD = 600  # seconds that files of a job may be on their way


def arriving(job: Job) -> bool:
    """Whether a job waits for its files."""
    return int(job["JobStatus"]) == HELD and job.get("HoldReasonCode") == ARRIVING


def late(job: Job, now: float) -> bool:
    """Whether it has done so for so long that nobody sends them any more. now: seconds since the epoch."""
    return arriving(job) and now - float(job.get("EnteredCurrentStatus") or now) > _UPLOAD
