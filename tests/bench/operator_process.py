"""The operator as a process outside of the cluster, and what it tells of itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

from facility.site import Site

HEALTH, METRICS = 18080, 19090
_LINE = re.compile(r"^(?P<name>[a-z_]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$")
Samples = dict[tuple[str, str], float]


class Operator:
    """A running operator."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def samples(self) -> Samples:
        """All metrics, by name and labels as they are written; none while it does not answer."""
        if self._process.poll() is not None:
            raise AssertionError(f"the operator has ended with {self._process.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{METRICS}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return {}
        found = (_LINE.match(line) for line in text.splitlines() if not line.startswith("#"))
        return {(one["name"], one["labels"] or ""): float(one["value"]) for one in found if one}

    def mebibytes(self) -> tuple[float, float]:
        """Resident memory now, and at its highest."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        now, highest = (re.search(rf"{name}:\s+(\d+) kB", status) for name in ("VmRSS", "VmHWM"))
        assert now
        assert highest
        return int(now[1]) / 1024, int(highest[1]) / 1024

    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def operator(site: Site, kubeconfig: Path | None, directory: Path) -> Iterator[Operator]:
    """Run one on these settings, its log in `directory`."""
    (directory / "site.yaml").write_text(yaml.safe_dump(site.model_dump(by_alias=True, mode="json")))
    environment = {
        **os.environ,
        "FACILITY_SITE": str(directory / "site.yaml"),
        "OPERATOR_HEALTH_PORT": str(HEALTH),
        "OPERATOR_METRICS_PORT": str(METRICS),
        **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {}),
    }
    with (directory / "operator.log").open("wb") as log:
        command = [sys.executable, "-m", "facility.operator.main"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield Operator(process)
        except Exception:
            print((directory / "operator.log").read_text(errors="replace")[-4000:], file=sys.stderr)
            raise
        finally:
            process.terminate()
            process.wait(30)


def total(samples: Samples, name: str, labels: str = "") -> float:
    """The sum of a metric over all labels that contain that text."""
    return sum(value for (found, told), value in samples.items() if found == name and labels in told)


def percentile(before: Samples, after: Samples, part: float) -> float:
    """Seconds within which that part of all turns was done, by the histogram's buckets, between two readings."""
    name = "facility_operator_reconcile_seconds_bucket"
    counts: dict[float, float] = {}
    for (found, labels), value in after.items():
        if found == name and (edge := re.search(r'le="([^"]+)"', labels)):
            counts[float(edge[1])] = counts.get(float(edge[1]), 0) + value - before.get((found, labels), 0)
    wanted = part * max(counts.values())
    return _within(counts, wanted)


def _within(counts: Mapping[float, float], wanted: float) -> float:
    below, edge = 0.0, 0.0
    for limit, count in sorted(counts.items()):
        if count >= wanted:
            if limit == float("inf"):
                return limit
            return edge + (limit - edge) * (wanted - below) / max(count - below, 1)
        below, edge = count, limit
    return edge


def wait_until(what: str, ask: object, seconds: float, every: float = 0.5) -> float:
    """Ask until it is true; seconds that it took. Raises AssertionError when it does not become true."""
    assert callable(ask)
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        if ask():
            return time.monotonic() - begun
        time.sleep(every)
    raise AssertionError(f"{what}: not within {seconds:.0f} s")
