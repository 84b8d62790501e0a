"""The soak: kernels that are never restarted, and jobs, read without a pause while every part is ended twice.

Tokens live a minute, refresh tokens are rotated at every use, and two people of two VOs read at the same time. How long
is said by SOAK_SECONDS; `make soak` takes twenty minutes. What was seen is in `artifacts/soak.json`, every read in
`artifacts/soak-reads.json`.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from typing import Any

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Stage, result
from tests.cluster import soaked
from tests.cluster.kills import Killer, Pods, Programs, Replicas, end, ready
from tests.cluster.shipping import ship
from tests.cluster.waiting import until_issuer_answers

pytestmark = pytest.mark.cluster
SECONDS = float(os.environ.get("SOAK_SECONDS", "300"))
VOS = (world.CMS, world.ATLAS)
ACCESS_POINTS = tuple(f"ap-{vo.name}-0" for vo in VOS)
NOTEBOOKS = tuple(f"jupyter-{vo.name}-{vo.person.name}" for vo in VOS)
PARTS = (
    Replicas("broker", "facility", "broker", "facility.broker.app"),
    Programs("agent", "facility-users", "agent", "facility.agent.main", NOTEBOOKS),
    Pods("hub", "facility", "hub"),
    Pods("operator", "facility", "operator"),
    Pods("issuer", world.NAMESPACE, "issuer"),
    Programs("credmon", "facility-batch", "credmon", "facility.condor.credmon", ACCESS_POINTS),
)
#: seconds that a round over all ways may take on a busy machine; more is a gap in the reading
LONGEST_GAP = 45


@dataclass(frozen=True)
class Soak:
    """What was seen. `found`: by VO, what its person's kernel wrote; `summary`: what it comes to."""

    found: dict[str, dict[str, Any]]
    summary: dict[str, Any]
    pods_before: dict[str, str]
    pods_after: dict[str, str]

    def explained(self, outcome: str) -> str:
        """The failed reads of one kind, each with what was ended before it."""
        lines = [json.dumps(one) for one in self.summary["failed"] if one["outcome"] == outcome]
        return "\n".join([f"ended: {self.summary['kills']}", *lines])


@pytest.fixture(scope="module")
def soak(stage: Stage) -> Soak:
    """The soak itself, once for all tests."""
    issuers_take_their_settings(stage)
    killer = Killer(stage, PARTS)
    found, before = asyncio.run(everybody(stage, killer))
    read = {f"{vo} {where}": one[where] for vo, one in found.items() for where in ("notebook", "job")}
    told = soaked.summary(read, killer.done, SECONDS)
    stage.artifacts.mkdir(parents=True, exist_ok=True)
    (stage.artifacts / "soak.json").write_text(json.dumps(told, indent=1) + "\n")
    (stage.artifacts / "soak-reads.json").write_text(json.dumps(read) + "\n")
    return Soak(found, told, before, notebooks(stage))


def issuers_take_their_settings(stage: Stage) -> None:
    """The issuers read what their clients may do when they begin."""
    old = end(stage, world.NAMESPACE, "issuer")
    stage.cluster.wait_for("the issuers", lambda: ready(stage, world.NAMESPACE, "issuer", old), 180)
    for vo in VOS:
        until_issuer_answers(stage, vo)


async def everybody(stage: Stage, killer: Killer) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Both people read; once both do, parts are ended. What they wrote, and their notebooks as they were."""
    reading = [asyncio.Event() for _ in VOS]
    async with asyncio.TaskGroup() as group:
        people = {vo.name: group.create_task(reads(stage, vo, event)) for vo, event in zip(VOS, reading, strict=True)}
        await asyncio.gather(*(event.wait() for event in reading))
        before = await asyncio.to_thread(notebooks, stage)
        await asyncio.to_thread(killer.run, SECONDS)
    return {name: task.result() for name, task in people.items()}, before


async def reads(stage: Stage, vo: world.DemoVO, reading: asyncio.Event) -> dict[str, Any]:
    """One person's soak, from sign-in to the records of kernel and job."""
    async with stage.at_hub(vo, vo.person.name) as person:
        await person.sign_in()
        await person.spawn()
        await ship(person, "soak", "soaking", "submit")
        async with person.kernel() as kernel:
            first = int(await kernel.run("import os; print(os.getpid())"))
            reading.set()
            code = f"import soaking; soaking.main({vo.name!r}, {vo.file!r}, {SECONDS})"
            told = result(await kernel.run(code, 2 * SECONDS + 900))
            last = int(await kernel.run("import os; print(os.getpid())"))
        found: dict[str, Any] = json.loads(await person.get(told["file"]))
    return found | {"processes": [first, told["kernel"], last]}


def notebooks(stage: Stage) -> dict[str, str]:
    """Which notebook containers run: a container that is started again has another id."""
    found = {}
    for name in NOTEBOOKS:
        statuses = stage.cluster.get("pod", name, "-n", "facility-users")["status"]["containerStatuses"]
        found[name] = next(str(one["containerID"]) for one in statuses if one["name"] == "notebook")
    return found


def test_no_read_is_refused_because_its_token_is_stale(soak: Soak) -> None:
    assert soak.summary["P3"] == 0, soak.explained("stale")


def test_no_read_fails_for_any_other_reason(soak: Soak) -> None:
    assert soak.summary["other_errors"] == 0, soak.explained("other")


def test_every_part_was_ended_twice_and_came_back(soak: Soak) -> None:
    ended = [kill["part"] for kill in soak.summary["kills"]]
    assert sorted(ended) == sorted(2 * [part.name for part in PARTS])
    last_read = min(found["notebook"][-1]["at"] for found in soak.found.values())
    assert soak.summary["kills"][-1]["at"] < last_read, "the parts came back so slowly that nobody read any more"


def test_it_was_one_kernel_all_the_time(soak: Soak) -> None:
    assert soak.pods_after == soak.pods_before
    for found in soak.found.values():
        assert len(set(found["processes"])) == 1


def test_jobs_ran_through(soak: Soak) -> None:
    assert {vo: found["starts"] for vo, found in soak.found.items()} == {vo.name: 1 for vo in VOS}


def test_everybody_read_both_ways_through_many_tokens_and_without_a_pause(soak: Soak) -> None:
    assert len(soak.summary["readers"]) == 2 * len(VOS)
    for who, told in soak.summary["readers"].items():
        assert {"uproot root", "uproot https", "fsspec https", "held root", "held https"} <= told["ways"].keys()
        assert told["tokens"] >= SECONDS // world.TOKEN_LIFE, f"{who}: {told}"
        assert told["longest_gap"] < LONGEST_GAP, f"{who}: {told}"


def test_refresh_tokens_were_rotated(stage: Stage, soak: Soak) -> None:
    ask = (
        "import yaml; print([c['reuse_refresh_token'] for c in yaml.safe_load(open('/etc/issuer/clients/clients.yaml'))"
    )
    ask += " if c['client_id'] == 'facility'])"
    for vo in VOS:
        told = stage.cluster.execute(world.NAMESPACE, f"deploy/iam-{vo.name}", "issuer", ["python3", "-c", ask])
        assert told.strip() == "[False]", vo.name


def test_no_error_has_a_token_in_its_text(soak: Soak) -> None:
    records = [one for found in soak.found.values() for where in ("notebook", "job") for one in found[where]]
    assert not [one for one in records if one.get("leaked")]


def test_the_figure_is_kept_for_the_bench(stage: Stage, soak: Soak) -> None:
    kept = json.loads((stage.artifacts / "soak.json").read_text())
    assert kept["P3"] == soak.summary["P3"]
    assert kept["reads"] > SECONDS
