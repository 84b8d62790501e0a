"""`facility batch dag FILE`: 0 when the DAG is done, 1 when nodes have failed, else what ABORT-DAG-ON returns."""

from __future__ import annotations

import argparse
import fcntl
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facility.batch.dag import jobs, language, state
from facility.batch.dag.run import PERIOD, Runner
from facility.batch.queue import BatchError, Queue

INTERRUPTED = 130


def options(made: argparse.ArgumentParser) -> None:
    """Of the command."""
    made.add_argument("dag", type=Path, metavar="FILE", help="as for condor_submit_dag")
    made.add_argument(
        "--maxjobs", "-maxjobs", type=int, default=0, help="nodes at work at the same time; 0: any number"
    )
    made.add_argument("--check", action="store_true", help="only say whether the file can be run")
    made.add_argument("--remove", action="store_true", help="remove this DAG's jobs from the queue, and begin anew")


def run(given: argparse.Namespace, located: Callable[[], Queue], pause: Callable[[float], None] = time.sleep) -> int:
    """Runs it to its end. Raises BatchError."""
    try:
        dag = language.read(given.dag)
    except (OSError, language.DagError) as error:
        raise BatchError(f"{given.dag}: {error.strerror}" if isinstance(error, OSError) else str(error)) from None
    if given.check:
        print(f"{given.dag}: {len(dag.nodes)} nodes")
        return 0
    with _alone(given.dag):
        runner = Runner(dag, given.dag, located(), _say, given.maxjobs)
        return _removed(given.dag, runner.run, located()) if given.remove else _to_the_end(given.dag, runner, pause)


def _to_the_end(dag: Path, runner: Runner, pause: Callable[[float], None]) -> int:
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        runner.begin()
        while runner.step():
            pause(PERIOD)
    except KeyboardInterrupt:
        _say(f"interrupted; the jobs in the queue go on. facility batch dag {dag} takes the DAG up again")
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)
    done, failed, never = runner.left()
    _say(f"{done} nodes done, {failed} failed, {never} not run")
    code = runner.end()
    if code:
        _say(f"facility batch dag {dag} tries again what is not done")
    return code


def _removed(dag: Path, run: str, queue: Queue) -> int:
    queue.remove(jobs.of_run(run), "the DAG was given up")
    state.forget(dag)
    return 0


@contextmanager
def _alone(dag: Path) -> Iterator[None]:
    """Two runs of one DAG would submit everything twice. Raises BatchError."""
    with dag.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BatchError(f"{dag} is being run already") from None
        yield


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stdout, flush=True)
