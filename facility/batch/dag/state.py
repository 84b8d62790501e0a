"""How far a DAG has come: what each node is doing, in a file beside the DAG, so that it can go on where it stopped."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path

from facility.batch.queue import BatchError

WAITING, PRE, JOB, POST, DONE, FAILED = "waiting", "pre", "job", "post", "done", "failed"
OVER = (DONE, FAILED)


@dataclass
class Progress:
    """One node. `cluster`, `jobs`: which and how many it has in the queue. `code`: exit code, or why there is none.

    attempt: never the same for two submissions of a node; `first`: the one with which its retries begin to count.
    """

    state: str = WAITING
    attempt: int = 0
    first: int = 0
    cluster: int = 0
    jobs: int = 0
    code: int = 0

    @property
    def retry(self) -> int:
        """0, then 1 for its first retry."""
        return self.attempt - self.first

    def anew(self) -> Progress:
        """As if it had never been tried, with all its retries; jobs of earlier attempts are not taken for its own."""
        return Progress(attempt=self.attempt + 1, first=self.attempt + 1)


@dataclass
class State:
    """The run `run` of a DAG; that name is on each of its jobs."""

    run: str = field(default_factory=lambda: uuid.uuid4().hex)
    nodes: dict[str, Progress] = field(default_factory=dict)


def path(dag: Path) -> Path:
    """Where the state of a DAG is kept."""
    return dag.with_name(f"{dag.name}.run")


def load(dag: Path, names: list[str]) -> State:
    """How far it has come, from the beginning if it has not begun. Raises BatchError."""
    state = State()
    try:
        document = json.loads(path(dag).read_text())
        state = State(document["run"], {name: Progress(**one) for name, one in document["nodes"].items()})
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BatchError(f"{path(dag)} cannot be read ({error}): remove it to begin anew") from None
    state.nodes = {name: state.nodes.get(name, Progress()) for name in names}
    return state


def save(dag: Path, state: State) -> None:
    """In one step: whoever reads finds the last state or this one. Raises BatchError."""
    target = path(dag)
    partial = target.with_name(f".{target.name}.new")
    try:
        with partial.open("w") as file:
            json.dump({"run": state.run, "nodes": {name: asdict(one) for name, one in state.nodes.items()}}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except OSError as error:
        raise BatchError(f"{target} cannot be written: {error.strerror}") from None


def resume(state: State) -> None:
    """What a run that begins makes of the last one: what had failed is tried anew, with all its retries, and what was
    before its job begins before it. It is what a rescue DAG is for."""
    for name, one in state.nodes.items():
        if one.state == FAILED:
            state.nodes[name] = one.anew()
        elif one.state == PRE:
            one.state = WAITING


def forget(dag: Path) -> None:
    """The next run begins anew."""
    path(dag).unlink(missing_ok=True)
