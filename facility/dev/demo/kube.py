"""The cluster as the demo and the cluster tests reach it: kubectl and helm, with one kubeconfig."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facility.dev.cluster.problems import ClusterError
from facility.dev.cluster.run import output


class NotReadyError(RuntimeError):
    """Something did not become true in time; the text has what was last seen."""


@dataclass(frozen=True)
class Cluster:
    """kubectl and helm for one cluster. `kubeconfig` None: the current context of the user's own."""

    kubectl: Path
    helm: Path
    kubeconfig: Path | None = None
    now: Callable[[], float] = field(default=time.monotonic, repr=False)

    def do(self, *arguments: str, stdin: str | None = None, timeout: float = 300) -> str:
        """kubectl with these arguments: its output. Raises ClusterError."""
        return output([self.kubectl, *self._config(), *arguments], data=stdin, timeout=timeout)

    def chart(self, *arguments: str, timeout: float = 900) -> str:
        """helm with these arguments: its output. Raises ClusterError."""
        return output([self.helm, *self._config(), *arguments], timeout=timeout)

    def get(self, *arguments: str) -> dict[str, Any]:
        """`kubectl get … -o json`. Raises ClusterError."""
        found: dict[str, Any] = json.loads(self.do("get", *arguments, "-o", "json"))
        return found

    def items(self, *arguments: str) -> list[dict[str, Any]]:
        """The items of a `kubectl get` list."""
        found: list[dict[str, Any]] = self.get(*arguments)["items"]
        return found

    def apply(self, *objects: dict[str, Any]) -> None:
        """Server-side apply of objects, through standard input (they may hold secrets)."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.do("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)

    def execute(
        self, namespace: str, pod: str, container: str, command: Sequence[str], stdin: str = "", timeout: float = 120
    ) -> str:
        """Output of a program in a running container."""
        where = ["-n", namespace, "exec", "-i", pod, "-c", container, "--"]
        return self.do(*where, *command, stdin=stdin, timeout=timeout)

    def wait_for(self, what: str, ask: Callable[[], object], seconds: float) -> float:
        """Ask until the answer is truthy. Seconds that it took.

        Raises:
            NotReadyError: after `seconds`; with the last error of `ask`, if any.
        """
        began, problem = self.now(), ""
        while self.now() - began < seconds:
            try:
                if ask():
                    return self.now() - began
            except ClusterError as error:
                problem = f": {error}"
            time.sleep(0.5)
        raise NotReadyError(f"{what}: not within {seconds:.0f} s{problem}")

    def condition(self, kind: str, namespace: str, name: str, wanted: str) -> dict[str, Any]:
        """A condition of an object's status; empty while it has none."""
        found = self.get(kind, name, "-n", namespace).get("status", {}).get("conditions", [])
        return next((one for one in found if one["type"] == wanted), {})

    def logs(self, namespace: str, lines: int = 40) -> str:
        """The end of the logs of every container of a namespace's pods, for a failed test's reader."""
        shown = []
        for pod in self.items("pods", "-n", namespace):
            name = pod["metadata"]["name"]
            everything = ["-n", namespace, "logs", name, "--all-containers", f"--tail={lines}", "--prefix"]
            try:
                shown.append(f"--- {namespace}/{name} ({pod['status'].get('phase')})\n{self.do(*everything)}")
            except ClusterError as error:
                shown.append(f"--- {namespace}/{name}: {error}")
        return "\n".join(shown)

    def _config(self) -> list[str]:
        return [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []
