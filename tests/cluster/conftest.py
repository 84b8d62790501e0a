"""The facility of `make demo`, as the cluster tests meet it. A test that fails prints the logs that explain it."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from facility.dev.cluster.problems import ClusterError
from facility.dev.demo import mainjob, place, world
from facility.dev.demo.mainjob import Outcome, Stage
from facility.dev.demo.steps import Progress
from tests.cluster.node import on_node

pytestmark = pytest.mark.cluster
_WITH_LOGS = 4


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


@pytest.fixture(params=[world.CMS, world.ESCAPE], ids=["https", "root"])
def vo(request: pytest.FixtureRequest, outcome: Outcome) -> world.DemoVO:
    """VOs whose caches read by the one and by the other protocol."""
    one: world.DemoVO = request.param
    return one


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the facility's logs to the report of a test that failed."""
    report = yield
    stage = getattr(item, "funcargs", {}).get("stage")
    if report.failed and stage:
        try:
            report.sections.extend(_explained(stage, item))
        except ClusterError as problem:  # what failed may well be the cluster: the other tests are told of, too
            report.sections.append((f"no logs of {item.name}", str(problem)))
    return report


def _explained(stage: Stage, item: pytest.Item) -> Iterator[tuple[str, str]]:
    """What the facility looks like, then its logs: of the first tests that fail only, as more would bury them."""
    cluster, told = stage.cluster, item.session.testsfailed
    pods = cluster.do("get", "pods", "-A", "-o", "wide")
    vos = cluster.do("get", "vo,facilityusers", "-A", "-o", "wide")
    disk = on_node(stage, "df -h /var") if stage.node else ""
    yield f"pods, objects and disk after {item.name}", f"{pods}\n{vos}\n{disk}"
    for namespace in (*mainjob.NAMESPACES, "demo") if told < _WITH_LOGS else ():
        yield f"logs of {namespace} after {item.name}", cluster.logs(namespace, lines=20)
