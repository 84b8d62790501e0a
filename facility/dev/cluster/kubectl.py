"""kubectl for one cluster."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facility.dev.cluster import tools
from facility.dev.cluster.problems import ClusterError
from facility.dev.cluster.run import output


@dataclass(frozen=True)
class Kubectl:
    """Runs kubectl with the credentials of one cluster, whatever ~/.kube/config says."""

    kubeconfig: Path

    def __call__(self, *arguments: str, data: str | None = None) -> str:
        """What kubectl prints. Raises ClusterError with its complaint when it fails."""
        return output([tools.tool("kubectl"), "--kubeconfig", self.kubeconfig, *arguments], data=data)

    def wait_for_api(self, sleep: Callable[[float], None] = time.sleep, tries: int = 360) -> None:
        """Wait until the API server serves, its own roles included: at first it refuses even administrators.

        Raises:
            ClusterError: it does not after `tries` attempts, half a second apart.
        """
        for _ in range(tries):
            try:
                self("get", "--raw=/readyz", "--request-timeout=5s")
                return
            except ClusterError as error:
                complaint = error
            sleep(0.5)
        raise complaint

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects, given as the dictionaries that their JSON form is."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self("apply", "-f", "-", data=json.dumps(listed))
