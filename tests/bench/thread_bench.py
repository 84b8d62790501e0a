"""`make bench PART=thread`: what the whole thread takes, as a table and as tests/bench/results/thread.json.

The demo's own runs leave their seconds by step (`artifacts/demo-cold.json` of the last run that built everything,
`artifacts/demo-warm.json` of the last that found everything built); the main job is played anew here, and the memory
of idle pods is the kubelet's own figure (working set).
"""

from __future__ import annotations

import asyncio
import functools
import json
import re
from pathlib import Path

import pytest

from facility.dev.demo import mainjob, place, world
from facility.dev.demo.mainjob import Stage
from tests.bench.figures import Row, publish, row
from tests.bench.memory import memory

GOALS = {"demo_cold_s": 45 * 60, "demo_warm_s": 8 * 60, "vo_applied_to_first_read_s": 60}


def test_the_thread_is_measured_and_meets_its_goals() -> None:
    stage = place.stage()
    rows = demo_rows(Path(stage.artifacts)) | played(stage) | memory(stage)
    publish("thread", rows)


def demo_rows(artifacts: Path) -> dict[str, Row]:
    """Seconds of the last cold and the last warm demo, whole and by step."""
    rows: dict[str, Row] = {}
    for kind in ("cold", "warm"):
        record = artifacts / f"demo-{kind}.json"
        if not record.exists():
            continue
        seconds = json.loads(record.read_text())
        rows[f"demo_{kind}_s"] = row(round(sum(seconds.values()), 1), "s", GOALS[f"demo_{kind}_s"])
        for name, value in seconds.items():
            rows[f"demo_{kind}_{re.sub('[^a-z0-9]+', '_', name.lower())}_s"] = row(value, "s")
    return rows


def played(stage: Stage) -> dict[str, Row]:
    """The main job's own figures, from sign-ins that find no server running."""
    asyncio.run(stopped(stage))
    outcome = mainjob.play(stage, print)
    return {name: row(value, "s", GOALS.get(name)) for name, value in outcome.seconds.items()}


async def stopped(stage: Stage) -> None:
    """Stop the servers of the people of the main job, so that starting them can be measured."""
    for vo in (world.CMS, world.ATLAS):
        async with stage.at_hub(vo, vo.person.name) as person:
            user = await person.sign_in()
            await person.stop()
        owner = f"analysis-facility.io/owner={user.replace('-', '_', 1)}"
        gone = functools.partial(_none, stage, "pods", "-n", "facility-users", "-l", owner)
        await asyncio.to_thread(stage.cluster.wait_for, f"the server of {user} gone", gone, 60)


def _none(stage: Stage, *wanted: str) -> bool:
    return not stage.cluster.items(*wanted)


pytestmark = pytest.mark.cluster
