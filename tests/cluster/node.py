"""The cluster's node, as its administrator sees it."""

from __future__ import annotations

from facility.dev.cluster.run import output
from facility.dev.demo.mainjob import Stage


def on_node(stage: Stage, script: str) -> str:
    """Output of a shell script on the node, as root: it sees all processes and all containers' logs."""
    return output(["docker", "exec", stage.node, "sh", "-c", script], timeout=120)
