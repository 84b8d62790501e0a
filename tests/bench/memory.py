"""Memory of the facility's pods, by the kubelet's own figures (working set)."""

from __future__ import annotations

import json
import re

from facility.dev.demo import mainjob
from facility.dev.demo.mainjob import Stage
from tests.bench.figures import Row, row


def working_sets(stage: Stage) -> dict[tuple[str, str], float]:
    """MiB by namespace and pod, of the pods in the facility's namespaces."""
    node = stage.cluster.items("nodes")[0]["metadata"]["name"]
    summary = json.loads(stage.cluster.do("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary"))
    found: dict[tuple[str, str], float] = {}
    for pod in summary["pods"]:
        where, name = pod["podRef"]["namespace"], pod["podRef"]["name"]
        used = pod.get("memory", {}).get("workingSetBytes")
        if where in mainjob.NAMESPACES and used:
            found[where, name] = round(used / 2**20, 1)
    return found


def memory(stage: Stage) -> dict[str, Row]:
    """A row for each pod but the execute pods, which come and go."""
    rows: dict[str, Row] = {}
    for (_, name), mib in working_sets(stage).items():
        if not name.startswith("ep-"):
            stem = re.sub(r"-[0-9a-f]{8,10}-[a-z0-9]{5}$", "", name)
            rows[f"memory_{stem.replace('-', '_')}_mib"] = row(mib, "MiB")
    return rows
