"""Charts as helm sees them: every chart with each of its `ci/NN-purpose-values.yaml`."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from facility.dev.cluster import tools

SOURCE = Path(__file__).parents[2] / "charts"
#: the Kubernetes that the charts are rendered for, and that the local cluster runs
KUBERNETES = "1.34.4"


@dataclass(frozen=True)
class Case:
    """One chart with one set of values, by the names of their files."""

    chart: str
    values: str

    def __str__(self) -> str:
        return f"{self.chart}-{self.values.removesuffix('-values.yaml')}"


def charts() -> list[str]:
    """Names of all charts."""
    return sorted(path.parent.name for path in SOURCE.glob("*/Chart.yaml"))


def cases() -> list[Case]:
    """All charts with all their values."""
    return [Case(chart, path.name) for chart in charts() for path in sorted((SOURCE / chart / "ci").glob("*.yaml"))]


class Charts:
    """A copy of the charts in which the umbrella chart has its dependencies."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "charts"
        shutil.copytree(SOURCE, self.directory, ignore=shutil.ignore_patterns("*.tgz", "Chart.lock"))
        self._helm = tools.tool("helm")

    def helm(self, *arguments: str) -> str:
        """What helm prints. Raises AssertionError with all that it said when it fails."""
        done = subprocess.run([self._helm, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"helm {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def lint(self, case: Case) -> str:
        """`helm lint --strict`."""
        return self.helm("lint", "--strict", "--kube-version", KUBERNETES, *self._with_values(case))

    @cache  # noqa: B019 - lives as long as the tests
    def template(self, case: Case) -> str:
        """`helm template`, in the namespace that the values take for the facility's."""
        target = self._with_values(case)
        return self.helm("template", case.chart, *target, "--kube-version", KUBERNETES, "--namespace", namespace(case))

    def objects(self, case: Case) -> list[dict[str, Any]]:
        """All rendered objects."""
        return [one for one in yaml.safe_load_all(self.template(case)) if one]

    @cache  # noqa: B019 - lives as long as the tests
    def chart(self, name: str) -> Path:
        """A chart's folder, with the charts that it depends on."""
        chart = self.directory / name
        if yaml.safe_load((chart / "Chart.yaml").read_text()).get("dependencies"):
            self.helm("dependency", "update", "--skip-refresh", str(chart))
        return chart

    def _with_values(self, case: Case) -> list[str]:
        chart = self.chart(case.chart)
        return [str(chart), "--values", str(chart / "ci" / case.values)]


def namespace(case: Case) -> str:
    """Where this chart is installed: the demo's things in `demo`, all else with the facility."""
    return "demo" if case.chart == "demo" else "facility"


def pods(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(what it is of, pod spec) of every object that makes pods."""
    for one in objects:
        spec = one.get("spec") or {}
        if one["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        found = spec if one["kind"] == "Pod" else (spec.get("template") or {}).get("spec")
        if found:
            yield f"{one['kind']} {one['metadata']['name']}", found


def containers(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(what it is of, container) of every container, those that come first too."""
    for of, spec in pods(objects):
        for one in [*spec.get("initContainers", []), *spec["containers"]]:
            yield f"{of}, container {one['name']}", one
