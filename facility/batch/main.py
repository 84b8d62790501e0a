"""`facility batch …`: 0 when all is well, 1 when a job waits for somebody or something could not be done."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from facility.agent import client, files
from facility.agent.words import reason
from facility.batch import examples, queue
from facility.batch.dag import main as dag
from facility.batch.fetch import Fetch, lines
from facility.batch.queue import BatchError, JobId, Queue
from facility.batch.why import Facts, Verdict, judge

NOT_WELL = 1


class Here(NamedTuple):
    """What a command stands on."""

    environment: Mapping[str, str]
    queue: Callable[[], Queue] = queue.located
    now: Callable[[], float] = time.time


def main(arguments: Sequence[str]) -> int:
    """`facility batch` with these arguments."""
    return run(parser().parse_args(arguments), Here(os.environ))


def parser() -> argparse.ArgumentParser:
    """All verbs and their options."""
    made = argparse.ArgumentParser(prog="facility batch", description="Your jobs on this facility.")
    verbs = made.add_subparsers(dest="verb", required=True)
    why = verbs.add_parser("why", help="why jobs wait or are held, and what to do")
    why.add_argument("jobs", nargs="*", metavar="JOB", help="17 or 17.3; all of yours if none is named")
    why.add_argument("--json", action="store_true", help="the same as one JSON object")
    fetch = verbs.add_parser("fetch", help="bring back the output of finished jobs")
    fetch.add_argument("jobs", nargs="*", metavar="JOB", help="17 or 17.3; all of yours if none is named")
    fetch.add_argument("--into", type=Path, metavar="DIRECTORY", help="elsewhere than where they were submitted from")
    wait = {"nargs": "?", "type": float, "const": float("inf"), "default": 0.0, "metavar": "SECONDS"}
    fetch.add_argument("--wait", **wait, help="until all have ended, or so many seconds")  # type: ignore[arg-type]
    dag.options(verbs.add_parser("dag", help="run a DAG of jobs: DAGMan's files, without DAGMan"))
    examples.options(verbs.add_parser("examples", help="copy the example notebooks into your home"))
    return made


def run(given: argparse.Namespace, here: Here) -> int:
    """Does what `given` says."""
    try:
        if given.verb == "examples":
            return examples.run(given)
        if given.verb == "dag":
            return dag.run(given, here.queue)
        ids = [queue.job_id(text) for text in given.jobs]
        return _why(given, here, ids) if given.verb == "why" else _fetch(given, here, ids)
    except BatchError as error:
        _complain(str(error))
        return NOT_WELL


def _why(given: argparse.Namespace, here: Here, ids: list[JobId]) -> int:
    own, there = queue.mine(here.environment), here.queue()
    jobs = there.jobs(queue.chosen(own, ids))
    gone = [one for one in ids if not any(_is(one, queue.of(job)) for job in jobs)]
    past = there.past(queue.chosen(own, gone), 100) if gone else []
    batch, trouble = _told(here.environment)
    verdict = judge(Facts(jobs, batch, trouble, ids, past, here.now()))
    print(json.dumps(asdict(verdict), indent=1) if given.json else "\n".join(_lines(verdict)))
    return 0 if verdict.well else NOT_WELL


def _is(asked: JobId, job: JobId) -> bool:
    return asked.cluster == job.cluster and asked.proc in (None, job.proc)


def _lines(verdict: Verdict) -> list[str]:
    return [*verdict.sentences, *(f"To do: {one}" for one in verdict.todo)]


def _told(environment: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """What the broker tells of this person's jobs, through the agent; else why it does not."""
    path = Path(environment.get("AGENT_DIRECTORY", "/run/token")) / files.SOCKET
    if not path.exists():
        return {}, "this is no notebook of the facility, and only those are told"
    try:
        answer = client.ask(path, {"batch": True})
    except (OSError, ValueError) as error:
        return {}, f"no agent answers at {path}: {error}"
    found = answer.get("batch")
    return (found, "") if isinstance(found, dict) else ({}, reason(answer))


def _fetch(given: argparse.Namespace, here: Here, ids: list[JobId]) -> int:
    into = given.into.absolute() if given.into else None
    if into is not None and not into.is_dir():
        raise BatchError(f"{into} is no directory")
    chosen = queue.chosen(queue.mine(here.environment), ids)
    outcome = Fetch(here.queue(), chosen, _complain, into, here.now).run(given.wait)
    for line in lines(outcome):
        print(line)
    return 0 if outcome.well else NOT_WELL


def _complain(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
