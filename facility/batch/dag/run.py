"""Runs a DAG: submits what is ready, looks how it fares, fetches what has ended, and can be interrupted at any moment.

Everything that counts is in the queue and in the state's file. Jobs carry the run's name, the node's and the attempt,
so that a run that was cut off between a submission and the note of it finds its jobs again, and submits none twice.
An access point that is away is waited for, however long; only what it refuses is given up at last.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from facility.batch.arriving import arriving
from facility.batch.dag import jobs as batch
from facility.batch.dag import scripts, state
from facility.batch.dag.language import Dag, Node, Script
from facility.batch.dag.state import DONE, FAILED, JOB, OVER, POST, PRE, WAITING, Progress, State
from facility.batch.queue import HELD, REMOVED, AwayError, BatchError, Job, JobId, Queue, of

PERIOD = 3.0  # seconds between two looks at the queue
TRIES = 6  # of a submission, and of fetching output, while the access point answers
Start = Callable[[Node, Script, dict[str, str]], scripts.Running]


class Runner:
    """One run of the DAG in the file `path`. `most`: clusters in the queue at a time, 0 for any number."""

    def __init__(
        self,
        dag: Dag,
        path: Path,
        queue: Queue,
        say: Callable[[str], None],
        most: int = 0,
        start: Start = scripts.start,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dag, self._path, self._queue, self._say, self._most = dag, path, queue, say, most
        self._start, self._now = start, now
        names = [*dag.nodes, *([dag.final.name] if dag.final else [])]
        self._state: State = state.load(path, names)
        self._running: dict[str, scripts.Running] = {}
        self._tries: Counter[str] = Counter()
        self._later: dict[str, float] = {}
        #: nodes whose submission was begun and not confirmed: their jobs may be in the queue
        self._unsure: set[str] = set()
        self._told: set[str] = set()
        self.code: int | None = None

    @property
    def run(self) -> str:
        """The name that all jobs of this run carry."""
        return self._state.run

    def begin(self) -> None:
        """Takes up what is there already. Raises BatchError."""
        state.resume(self._state)
        for node in self._dag.nodes.values():
            if node.done:
                self._state.nodes[node.name].state = DONE
        self._adopt(self._queue.jobs(batch.of_run(self.run)))
        state.save(self._path, self._state)

    def _adopt(self, found: list[Job]) -> None:
        """Jobs that could not be noted when they were submitted; those whose files never came are removed."""
        there = [job for job in found if int(job["JobStatus"]) != REMOVED]
        for cluster, group in groupby(there, key=lambda job: int(job["ClusterId"])):
            jobs = list(group)
            one = self._state.nodes.get(str(jobs[0].get("DAGNodeName")))
            if one is None or one.state != WAITING or int(jobs[0].get("FacilityDagAttempt", -1)) != one.attempt:
                continue
            if any(map(arriving, jobs)):
                self._queue.remove(JobId(cluster).constraint, "its files never came")
            else:
                one.state, one.cluster, one.jobs = JOB, cluster, len(jobs)

    def step(self) -> bool:
        """One round; whether there is more to do. Raises BatchError when the state cannot be written."""
        try:
            self._look()
            self._follow_scripts()
            if self.code is None:
                self._begin_ready()
        except AwayError as error:
            self._once(str(error))
        state.save(self._path, self._state)
        return self.code is None and not self._over()

    def end(self) -> int:
        """The exit code of a run that is over: 0, and nothing is kept of it, or what is told by the nodes."""
        if self.code is not None:
            return self.code
        final = self._dag.final
        judged = [final.name] if final else list(self._dag.nodes)
        if all(self._state.nodes[name].state == DONE for name in judged):
            state.forget(self._path)
            return 0
        return 1

    def left(self) -> tuple[int, int, int]:
        """How many nodes are done, have failed, and are neither."""
        kinds = Counter(one.state for one in self._state.nodes.values())
        return kinds[DONE], kinds[FAILED], sum(kinds.values()) - kinds[DONE] - kinds[FAILED]

    def _look(self) -> None:
        clusters = {name: one for name, one in self._state.nodes.items() if one.state == JOB}
        if not clusters:
            return
        found = self._queue.jobs(batch.of_run(self.run))
        self._tell_held(found)
        for name, one in clusters.items():
            if self.code is not None:
                return
            if not self._due(name):
                continue
            try:
                code = 0 if not one.cluster else batch.settle(self._queue, one, found)
            except AwayError:
                raise
            except BatchError as error:
                code = self._failing(name, error)
            if code is not None:
                self._tries.pop(name, None)
                self._job_over(self._dag.node(name), one, code)

    def _failing(self, name: str, error: BatchError) -> int | None:
        """Something was refused: tried again, ever more slowly, and given up at last."""
        self._tries[name] += 1
        self._once(f"{name}: {error}")
        if self._tries[name] >= TRIES:
            return batch.NEVER
        self._later[name] = self._now() + PERIOD * 2 ** self._tries[name]
        return None

    def _job_over(self, node: Node, one: Progress, code: int) -> None:
        one.code = code
        if node.post:
            one.state = POST
        else:
            self._node_over(node, one, code)

    def _node_over(self, node: Node, one: Progress, code: int) -> None:
        if node.abort and code == node.abort[0]:
            self._abort(node, code)
        if code == 0:
            one.state = DONE
            self._say(f"{node.name}: done")
        elif one.retry < node.retries and code != node.unless and self.code is None:
            one.attempt, one.state, one.cluster = one.attempt + 1, WAITING, 0
            self._say(f"{node.name}: exit code {code}; tried again ({one.retry} of {node.retries})")
        else:
            one.state = FAILED
            self._say(f"{node.name}: failed, exit code {code}")

    def _abort(self, node: Node, code: int) -> None:
        """ABORT-DAG-ON: what still runs is removed."""
        assert node.abort
        self.code = code if node.abort[1] is None else node.abort[1]
        self._say(f"{node.name}: exit code {code} ends the DAG")
        for script in self._running.values():
            script.terminate()
        for name, one in self._state.nodes.items():
            if one.state in (PRE, JOB, POST) and name != node.name:
                self._state.nodes[name] = one.anew()
        try:
            self._queue.remove(batch.of_run(self.run), f"node {node.name} has ended the DAG")
        except BatchError as error:
            self._say(str(error))

    def _follow_scripts(self) -> None:
        for name, one in list(self._state.nodes.items()):
            node = self._dag.node(name)
            script = {PRE: node.pre, POST: node.post}.get(one.state)
            if script is None or self.code is not None:
                continue
            if name not in self._running:
                self._running[name] = self._start(node, script, self._macros(node, one))
            code = self._running[name].poll()
            if code is not None:
                del self._running[name]
                self._script_over(node, one, code)

    def _script_over(self, node: Node, one: Progress, code: int) -> None:
        if one.state == POST:
            self._node_over(node, one, code)
        elif code == 0:
            self._submit(node, one)
        elif code == node.skip:
            self._node_over(node, one, 0)
        else:
            self._say(f"{node.name}: its script before the job ended with {code}")
            self._node_over(node, one, code)

    def _macros(self, node: Node, one: Progress) -> dict[str, str]:
        """What DAGMan replaces in arguments of scripts."""
        failed = sum(other.state == FAILED for other in self._state.nodes.values())
        found = {"JOB": node.name, "NODE": node.name, "RETRY": one.retry, "MAX_RETRIES": node.retries}
        found |= {"JOBID": f"{one.cluster}.0", "FAILED_COUNT": failed, "DAG_STATUS": 2 if failed else 0}
        found |= {"RETURN": one.code} if one.state == POST else {}
        return {f"${name}": str(value) for name, value in found.items()}

    def _begin_ready(self) -> None:
        """Highest priority first; nobody beyond the limits of their category or of all."""
        nodes = self._dag.nodes.values()
        at_work = [node for node in nodes if self._state.nodes[node.name].state in (PRE, JOB, POST)]
        busy = Counter(node.category for node in at_work if node.category)
        room = self._most - len(at_work) if self._most else len(nodes)
        for node in sorted(filter(self._ready, nodes), key=lambda one: -one.priority):
            if room <= 0 or busy[node.category] >= self._dag.limits.get(node.category, len(nodes)):
                continue
            room -= 1
            busy[node.category] += 1
            self._begin(node)
        final = self._dag.final
        if final and self._stuck() and self._state.nodes[final.name].state == WAITING and self._due(final.name):
            self._begin(final)

    def _ready(self, node: Node) -> bool:
        waits = self._state.nodes[node.name].state == WAITING and self._due(node.name)
        return waits and all(self._state.nodes[parent].state == DONE for parent in node.parents)

    def _due(self, name: str) -> bool:
        return self._later.get(name, 0.0) <= self._now()

    def _begin(self, node: Node) -> None:
        one = self._state.nodes[node.name]
        if node.pre and node.name not in self._unsure:
            one.state = PRE
            self._follow_scripts()
        else:
            self._submit(node, one)

    def _submit(self, node: Node, one: Progress) -> None:
        if node.noop:
            one.state, one.cluster = JOB, 0
            return
        one.state = WAITING
        try:
            self._place(node, one)
        except AwayError:
            raise
        except BatchError as error:
            code = self._failing(node.name, error)
            if code is not None:
                self._settled(node.name)
                self._job_over(node, one, code)
            return
        one.state = JOB
        self._settled(node.name)
        self._say(f"{node.name}: submitted as {one.cluster}")
        state.save(self._path, self._state)

    def _place(self, node: Node, one: Progress) -> None:
        """Submits, unless an earlier try has: one that failed may have failed after the access point took the jobs."""
        if node.name in self._unsure:
            self._adopt(self._queue.jobs(batch.of_attempt(self.run, node.name, one.attempt)))
        if one.state == WAITING:
            self._unsure.add(node.name)
            one.cluster, one.jobs = batch.submit(self._queue, node, one, self.run, self._path.name)

    def _settled(self, name: str) -> None:
        self._tries.pop(name, None)
        self._unsure.discard(name)

    def _stuck(self) -> bool:
        """Whether nothing but the final node can go on."""
        nodes = self._dag.nodes.values()
        active = any(self._state.nodes[node.name].state in (PRE, JOB, POST) for node in nodes)
        return not active and not any(self._could(node) for node in nodes)

    def _could(self, node: Node) -> bool:
        waits = self._state.nodes[node.name].state == WAITING
        return waits and all(self._state.nodes[parent].state == DONE for parent in node.parents)

    def _over(self) -> bool:
        final = self._dag.final
        return self._stuck() and (final is None or self._state.nodes[final.name].state in OVER)

    def _tell_held(self, found: list[Job]) -> None:
        for job in found:
            if int(job["JobStatus"]) == HELD and not arriving(job):
                self._once(f"{job.get('DAGNodeName')}: {of(job)} is held: {job.get('HoldReason')}")

    def _once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._say(text)
