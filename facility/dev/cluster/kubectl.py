"""kubectl for one cluster."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facility.dev.cluster import tools
from facility.dev.cluster.run import output


@dataclass(frozen=True)
class Kubectl:
    """Runs kubectl with the credentials of one cluster, whatever ~/.kube/config says."""

    kubeconfig: Path

    def __call__(self, *arguments: str, data: str | None = None) -> str:
        """What kubectl prints. Raises ClusterError with its complaint when it fails."""
        return output([tools.tool("kubectl"), "--kubeconfig", self.kubeconfig, *arguments], data=data)

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects, given as the dictionaries that their JSON form is."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self("apply", "-f", "-", data=json.dumps(listed))
