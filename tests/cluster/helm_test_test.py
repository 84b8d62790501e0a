"""`helm test`, as a site's admin runs it after an install."""

from __future__ import annotations

import pytest

from facility.dev.demo.mainjob import Outcome, Stage

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize(("release", "namespace"), [("facility", "facility"), ("demo", "demo")])
def test_helm_test_finds_everything_well(stage: Stage, outcome: Outcome, release: str, namespace: str) -> None:
    told = stage.cluster.chart("test", release, "-n", namespace, "--timeout", "3m")
    assert "Phase:          Succeeded" in told
    assert "Failed" not in told
