"""200 people with 10,000 jobs at one access point: all are kept, counted, given tokens and served, and none is lost.

The people are accounts made for this, who have signed in like anybody; their jobs are sent by the operator's pod under
identity tokens made here, as 200 notebooks would not fit onto a developer's machine.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from facility import names
from facility.condor import idtoken, layout
from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage, result
from tests.bench.crowd import accounts, until_reached
from tests.bench.memory import working_sets

pytestmark = [pytest.mark.cluster, pytest.mark.long]
PEOPLE, JOBS = 200, 50
PODS = 3
BATCH, POD = "facility-batch", "ap-escape-0"
COMPLETED = 4

#: in the operator's pod: what the standard input says is sent, owner by owner, each by a process of their own
SEND = r"""
import json, os, pathlib, shutil, subprocess, sys, time
from facility import site
from facility.operator.queues import configuration, write
told, here = json.load(sys.stdin), site.load()
folder = pathlib.Path("/run/operator/crowd")
(folder / "tokens.d").mkdir(mode=0o700, parents=True, exist_ok=True)
try:
    write(folder / "condor_config", configuration(here, folder))
    around = {**os.environ, "CONDOR_CONFIG": str(folder / "condor_config")}
    begun = time.monotonic()
    for token in told["tokens"]:
        write(folder / "tokens.d" / "one", token)
        one = [sys.executable, "-c", told["one"], here.schedd(told["vo"]), str(told["jobs"])]
        subprocess.run(one, env=around, check=True)
    print("RESULT", json.dumps(time.monotonic() - begun))
finally:
    shutil.rmtree(folder)
"""
ONE = r"""
import htcondor2, sys
schedd = htcondor2.Schedd(htcondor2.Collector().locate(htcondor2.DaemonType.Schedd, sys.argv[1]))
job = {"executable": "/bin/sleep", "arguments": "1", "transfer_executable": "false", "should_transfer_files": "YES",
       "when_to_transfer_output": "ON_EXIT", "request_memory": "100MB", "request_disk": "10MB"}
schedd.spool(schedd.submit(htcondor2.Submit(job), count=int(sys.argv[2]), spool=True))
"""


@dataclass(frozen=True)
class Crowd:
    """The people, and the stage with their passwords."""

    stage: Stage
    vo: world.DemoVO

    @property
    def names(self) -> list[str]:
        """What they are called."""
        return [one.name for one in self.vo.people if one.name.startswith("crowd")]

    @property
    def owners(self) -> set[str]:
        """As owners of jobs."""
        return {names.owner(self.vo.name, name) for name in self.names}

    def queue(self) -> Counter[tuple[str, int]]:
        """Jobs by owner and JobStatus."""
        lines = self.tool("condor_q", "-allusers", "-af", "Owner", "JobStatus").splitlines()
        return Counter((owner, int(status)) for owner, status in (line.split() for line in lines))

    def tool(self, *command: str) -> str:
        """What a program in the access point prints."""
        return self.stage.cluster.execute(BATCH, POD, "access-point", list(command))

    def finished(self) -> set[str]:
        """Owners who have a job that has ended."""
        return {owner for owner, status in self.queue() if status == COMPLETED}


@pytest.fixture
def crowd(stage: Stage, outcome: Outcome) -> Iterator[Crowd]:
    """200 people of escape, signed in, known to its access point, with few execute pods between them."""
    with accounts(stage, PEOPLE) as (crowded, vo):
        few = world.manifest(world.ESCAPE)
        stage.cluster.apply({**few, "spec": few["spec"] | {"batch": {"maxExecutePods": PODS}}})
        here = Crowd(crowded, vo)
        asyncio.run(_sign_in(here))
        known = lambda: len(here.tool("cat", str(layout.PEOPLE / "passwd")).splitlines()) >= PEOPLE  # noqa: E731
        stage.cluster.wait_for("accounts of all people at the access point", known, 180)
        yield here
        here.tool("condor_rm", "-all")
        stage.cluster.apply(world.manifest(world.ESCAPE))


async def _sign_in(crowd: Crowd) -> None:
    gate = asyncio.Semaphore(8)

    async def one(name: str) -> None:
        async with gate, crowd.stage.at_hub(crowd.vo, name) as person:
            await person.sign_in()

    await until_reached(crowd.stage, crowd.vo)
    await asyncio.gather(*(one(name) for name in crowd.names))


def _send(crowd: Crowd) -> float:
    """Everybody's jobs. Seconds that it took."""
    secret = crowd.stage.cluster.get("secret", "pool-key", "-n", BATCH)["data"][idtoken.KEY_NAME]
    key, now = base64.b64decode(secret), time.time()
    tokens = [idtoken.mint(key, f"{owner}@{names.TRUST_DOMAIN}", ("READ", "WRITE"), now, 900) for owner in crowd.owners]
    told = json.dumps({"tokens": tokens, "one": ONE, "vo": crowd.vo.name, "jobs": JOBS})
    run = crowd.stage.cluster.execute
    said = run("facility", "deploy/operator", "operator", ["python3", "-c", SEND], stdin=told, timeout=900)
    took: float = result(said)  # type: ignore[assignment]
    return took


def _measured(crowd: Crowd) -> str:
    begun = time.monotonic()
    crowd.tool("condor_q", "-allusers", "-totals")
    asked = time.monotonic() - begun
    return f"condor_q in {asked:.1f} s, {working_sets(crowd.stage).get((BATCH, POD), 0):.0f} MiB"


def test_two_hundred_people_and_ten_thousand_jobs_fit_at_one_access_point(crowd: Crowd) -> None:
    stage, began = crowd.stage, time.time()
    print(f"\n{PEOPLE * JOBS} jobs of {PEOPLE} people sent in {_send(crowd):.0f} s; {_measured(crowd)}")
    assert sum(crowd.queue().values()) == PEOPLE * JOBS

    met: set[str] = set()
    took = stage.cluster.wait_for("everybody's token", lambda: len(_with_tokens(crowd, met)) >= PEOPLE, 180)
    print(f"everybody's token was there after {took:.0f} s")

    passed_on = lambda: len(crowd.finished()) > PODS  # noqa: E731
    took = stage.cluster.wait_for("more people served than there may be pods at a time", passed_on, 600)
    print(f"{len(crowd.finished())} people were served after {took:.0f} s")

    stage.cluster.do("delete", "pod", POD, "-n", BATCH, "--grace-period=0", "--force", "--wait=false")
    again = stage.cluster.wait_for("its queue", lambda: sum(crowd.queue().values()) == PEOPLE * JOBS, 240)
    print(f"ended at once, the access point had its {PEOPLE * JOBS} jobs again after {again:.0f} s; {_measured(crowd)}")

    before = crowd.queue()
    more = lambda: _ended(crowd.queue()) > _ended(before)  # noqa: E731
    print(f"jobs ended again after {stage.cluster.wait_for('further jobs ended', more, 300):.0f} s")
    since = f"{int(time.time() - began)}s"
    log = stage.cluster.do("logs", "-n", "facility", "deploy/operator", f"--since={since}")
    assert "Traceback" not in log
    assert {owner for owner, _ in crowd.queue()} == crowd.owners


def _with_tokens(crowd: Crowd, met: set[str]) -> set[str]:
    """Whose token has been there at some time: those whose jobs have all had their turn need none any more."""
    met |= set(crowd.tool("sh", "-c", f"ls {layout.CREDENTIALS}/*/escape.use").splitlines())
    return met


def _ended(queue: Counter[tuple[str, int]]) -> int:
    return sum(count for (_, status), count in queue.items() if status == COMPLETED)
