"""The facility of `make demo`, as the cluster tests meet it. A test that fails prints the logs that explain it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from facility.dev.demo import mainjob, place
from facility.dev.demo.mainjob import Outcome, Stage
from facility.dev.demo.steps import Progress

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="session")
def stage() -> Stage:
    """The running demo facility; `python -m facility.dev.demo up` has made it."""
    return place.stage()


@pytest.fixture(scope="session")
def outcome(stage: Stage) -> Outcome:
    """The main job, played once for all tests: afterwards alice, bob and dave have running notebooks."""
    progress = Progress(write=lambda text: print(text, end=""))
    with progress.step("main job") as say:
        return mainjob.play(stage, say)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Add the facility's logs to the report of a test that failed."""
    report = yield
    if report.failed and "stage" in getattr(item, "funcargs", {}):
        cluster = item.funcargs["stage"].cluster
        for namespace in (*mainjob.NAMESPACES, "demo"):
            report.sections.append((f"logs of {namespace}", cluster.logs(namespace, lines=30)))
        pods = cluster.do("get", "pods", "-A", "-o", "wide")
        vos = cluster.do("get", "vo,facilityusers", "-A", "-o", "wide")
        report.sections.append(("pods and objects", f"{pods}\n{vos}"))
    return report
