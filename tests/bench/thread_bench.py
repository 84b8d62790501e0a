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
from typing import Any

import pytest

from facility.dev.demo import mainjob, place, world
from facility.dev.demo.mainjob import Stage

RESULTS = Path(__file__).parent / "results" / "thread.json"
GOALS = {"demo_cold_s": 45 * 60, "demo_warm_s": 8 * 60, "vo_applied_to_first_read_s": 60}

Row = dict[str, Any]


def row(value: float, unit: str, goal: float | None = None, beside: str = "") -> Row:
    """One measured figure; `beside` names what it was measured against or next to."""
    return {"value": value, "unit": unit, "beside": beside, "goal": goal}


def test_the_thread_is_measured_and_meets_its_goals() -> None:
    stage = place.stage()
    rows = demo_rows(Path(stage.artifacts)) | played(stage) | memory(stage)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n")
    print("\n" + table(rows))
    late = {name: one["value"] for name, one in rows.items() if one["goal"] and one["value"] > one["goal"]}
    assert not late, f"over their goals: {late}"


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


def memory(stage: Stage) -> dict[str, Row]:
    """Working set of each of the facility's pods, after the main job."""
    node = stage.cluster.items("nodes")[0]["metadata"]["name"]
    summary = json.loads(stage.cluster.do("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary"))
    rows: dict[str, Row] = {}
    for pod in summary["pods"]:
        where, name = pod["podRef"]["namespace"], pod["podRef"]["name"]
        used = pod.get("memory", {}).get("workingSetBytes")
        if where in mainjob.NAMESPACES and used and not name.startswith("ep-"):
            stem = re.sub(r"-[0-9a-f]{8,10}-[a-z0-9]{5}$", "", name)
            rows[f"memory_{stem.replace('-', '_')}_mib"] = row(round(used / 2**20, 1), "MiB")
    return rows


def table(rows: dict[str, Row]) -> str:
    """The rows as aligned text."""
    width = max(len(name) for name in rows)
    lines = [f"{'':{width}}  {'value':>9}  unit  goal"]
    for name, one in sorted(rows.items()):
        lines.append(f"{name:{width}}  {one['value']:>9}  {one['unit']:4}  {one['goal'] or ''}")
    return "\n".join(lines)


pytestmark = pytest.mark.cluster
