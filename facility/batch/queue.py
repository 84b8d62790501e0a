"""A person's own jobs at the access point: asked for, fetched, removed, by HTCondor's Python bindings.

The bindings are imported when they are needed: `facility` also runs where they are not.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from facility import names
from facility.tokens import claims

IDLE, RUNNING, REMOVED, COMPLETED, HELD, SENDING, SUSPENDED = range(1, 8)
#: what is read of a job
ATTRIBUTES = (
    "ClusterId",
    "ProcId",
    "JobStatus",
    "HoldReason",
    "HoldReasonCode",
    "HoldReasonSubCode",
    "QDate",
    "EnteredCurrentStatus",
    "JobCurrentStartDate",
    "CompletionDate",
    "StageOutFinish",
    "NumJobStarts",
    "ExitCode",
    "ExitBySignal",
    "ExitSignal",
    "RemoteHost",
    "SUBMIT_Iwd",
    "Iwd",
    "JobBatchName",
    "DAGNodeName",
    "FacilityDagAttempt",
)
Job = Mapping[str, Any]
_ID = re.compile(r"([0-9]{1,9})(?:[.]([0-9]{1,9}))?")
_PATIENCE = 60  # seconds; so long after its restart the central manager may not know the access point


class BatchError(Exception):
    """Something cannot be done; the text says what, and what to do."""


class AwayError(BatchError):
    """The access point cannot be asked now: nothing was refused, and what was meant may work later."""


class JobId(NamedTuple):
    """A job, or with `proc` None all of its cluster."""

    cluster: int
    proc: int | None = None

    def __str__(self) -> str:
        return str(self.cluster) if self.proc is None else f"{self.cluster}.{self.proc}"

    @property
    def constraint(self) -> str:
        """As a ClassAd expression."""
        return f"ClusterId == {self.cluster}" + ("" if self.proc is None else f" && ProcId == {self.proc}")


class Schedd(Protocol):
    """What is used of htcondor2.Schedd. Each may raise htcondor2.HTCondorException."""

    def query(self, constraint: str, projection: list[str]) -> Sequence[Mapping[str, Any]]:
        """Ads of the jobs that fit."""

    def history(self, constraint: str, projection: list[str], match: int) -> Iterable[Mapping[str, Any]]:
        """Ads of jobs that have left the queue."""

    def retrieve(self, job_spec: str) -> None:
        """Bring back the output of the jobs that fit."""

    def edit(self, job_spec: str, attr: str, value: str) -> Any:
        """Change an attribute of the jobs that fit."""

    def act(self, action: Any, job_spec: str, reason: str) -> Any:
        """Hold, release or remove the jobs that fit."""

    def submit(self, description: Any, *, spool: bool) -> Any:
        """Put jobs into the queue; with `spool` they wait for their files."""

    def spool(self, result: Any) -> None:
        """Send their files along."""


class Queue:
    """Jobs at an access point. Everything raises BatchError where it fails: AwayError where nobody answers."""

    def __init__(self, locate: Callable[[], Schedd], found: Schedd | None = None) -> None:
        """`locate`: finds the access point, and raises as `Schedd` does. found: what it gave already."""
        self._locate, self._schedd = locate, found

    def jobs(self, constraint: str) -> list[Job]:
        """Those in the queue that fit, in the order of their numbers."""
        with self._asked("the access point does not answer", AwayError) as schedd:
            return sorted(schedd.query(constraint, list(ATTRIBUTES)), key=of)

    def past(self, constraint: str, most: int) -> list[Job]:
        """Those that have left the queue, as far as the access point remembers."""
        with self._asked("the access point does not answer") as schedd:
            return sorted(schedd.history(constraint, list(ATTRIBUTES), most), key=of)

    def fetch(self, constraint: str) -> None:
        """Bring back the output of finished jobs, into the directories that they were submitted from."""
        with self._asked("the output cannot be fetched") as schedd:
            schedd.retrieve(constraint)

    def move(self, constraint: str, directory: Path) -> None:
        """Have the output of jobs go to another directory when it is fetched."""
        path = str(directory)
        if any(letter in path for letter in '"\\\n'):
            raise BatchError(f"{path} has a letter that cannot be told to HTCondor")
        with self._asked(f"{path} cannot be made the place for the output") as schedd:
            schedd.edit(constraint, "SUBMIT_Iwd", f'"{path}"')

    def remove(self, constraint: str, reason: str) -> None:
        """Take jobs out of the queue, whatever they are doing."""
        import htcondor2

        with self._asked("the jobs cannot be removed") as schedd:
            schedd.act(htcondor2.JobAction.Remove, constraint, reason)

    def place(self, text: str, name: str) -> tuple[int, int]:
        """Submit a description, files and all, from this directory. The cluster's number, and how many jobs it has.

        name: where the description is from. After an error the jobs may be in the queue all the same.
        """
        import htcondor2

        with self._asked(name) as schedd:
            placed = schedd.submit(htcondor2.Submit(text), spool=True)
            schedd.spool(placed)
            return int(placed.cluster()), int(placed.num_procs())

    @contextmanager
    def _asked(self, what: str, kind: type[BatchError] | None = None) -> Iterator[Schedd]:
        """The access point, and words for what goes wrong. kind: of the error; else it depends on who answers then.

        After trouble it is looked for anew: an object of the bindings keeps the address that it was made with.
        """
        import htcondor2

        try:
            if self._schedd is None:
                self._schedd = self._locate()
            yield self._schedd
        except htcondor2.HTCondorException as error:
            self._schedd = None
            kind = kind or (BatchError if self._answers() else AwayError)
            raise kind(f"{what}: {error}") from None
        except (OSError, RuntimeError, ValueError) as error:
            raise (kind or BatchError)(f"{what}: {error}") from None

    def _answers(self) -> bool:
        """Whether anybody is there who can refuse something; HTCondor's own words do not tell."""
        import htcondor2

        try:
            schedd = self._locate()
            schedd.query("false", ["ClusterId"])
        except htcondor2.HTCondorException:
            return False
        self._schedd = schedd
        return True


def job_id(text: str) -> JobId:
    """`17` or `17.3`. Raises BatchError."""
    found = _ID.fullmatch(text)
    if found is None:
        raise BatchError(f"{text!r} is no job: write 17 for all jobs of a cluster, 17.3 for one")
    return JobId(int(found[1]), int(found[2]) if found[2] else None)


def of(job: Job) -> JobId:
    """Which job an ad is about."""
    return JobId(int(job["ClusterId"]), int(job["ProcId"]))


def mine(environment: Mapping[str, str]) -> str:
    """The person's own jobs, as a ClassAd expression: by owner in a notebook, by the token's subject elsewhere.

    Raises:
        BatchError: nobody says who this is.
    """
    user = environment.get("FACILITY_USER", "")
    if user:
        return f'Owner == "{names.owner(*names.split_hub_user(user))}"'
    try:
        subject = str(claims.unverified(_token(environment).read_text().strip())[1]["sub"])
    except (OSError, ValueError, KeyError):
        raise BatchError('who you are is told by no token: eval "$(facility env)"') from None
    if '"' in subject or "\\" in subject:
        raise BatchError("your token's subject cannot stand in a question to the queue")
    return f'AuthTokenSubject == "{subject}"'


def _token(environment: Mapping[str, str]) -> Path:
    """The token that HTCondor would show: by its own rules."""
    import htcondor2

    named = environment.get("_CONDOR_SCITOKENS_FILE") or htcondor2.param.get("SCITOKENS_FILE", "")
    return Path(named or environment.get("BEARER_TOKEN_FILE", ""))


def chosen(own: str, ids: Sequence[JobId]) -> str:
    """The person's own jobs, or those of them that are named."""
    if not ids:
        return own
    return f"{own} && {any_of(ids)}"


def any_of(ids: Sequence[JobId]) -> str:
    """One of these jobs, at least one, as a ClassAd expression: halved again and again, as its depth has a limit."""
    if len(ids) == 1:
        return f"({ids[0].constraint})"
    half = len(ids) // 2
    return f"({any_of(ids[:half])} || {any_of(ids[half:])})"


def located(pause: Callable[[float], None] = time.sleep, patience: int = _PATIENCE) -> Queue:
    """The VO's access point, waited for while the central manager does not know it yet. Raises BatchError."""
    try:
        import htcondor2
    except ImportError:
        raise BatchError("HTCondor's Python bindings are not here: pip install htcondor") from None
    for left in reversed(range(patience)):
        try:
            return Queue(htcondor2.Schedd, htcondor2.Schedd())
        except htcondor2.HTCondorException as error:
            if not left or "locate" not in str(error):
                raise BatchError(f"the access point is not to be found: {error}") from None
            pause(1)
    raise BatchError("the access point is not to be found")


def listed(ids: Iterable[JobId], most: int = 5) -> str:
    """Jobs for people: the first few by name."""
    return ", ".join(_cut([str(one) for one in ids], most))


def _cut(words: list[str], most: int) -> Iterator[str]:
    yield from words[:most]
    if len(words) > most:
        yield f"and {len(words) - most} more"
