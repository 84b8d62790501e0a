"""A cache or an origin ends, hangs or changes while people read: nobody gets a wrong byte, and soon everybody reads on.

The readers check each file against the origin's checksum. How long they were without is in
`artifacts/cache-recovery.json`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from facility.dev.demo import place, values, world
from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster.kills import Containers, Pods, ready
from tests.cluster.through_caches import PODS
from tests.cluster.under_fault import Fault, during, killed, outage, unread

pytestmark = pytest.mark.cluster


def origin_killed(stage: Stage) -> None:
    """Its server: the pod, in which the lake lies, stays."""
    (pod,) = stage.cluster.items("pods", "-n", world.NAMESPACE, "-l", "app.kubernetes.io/component=origin")
    killed(Containers("origin", world.NAMESPACE, "origin", pod["metadata"]["name"]))(stage)


def upgraded(stage: Stage) -> None:
    """`helm upgrade` with a setting that replaces the caches' pods."""
    old = {pod["metadata"]["uid"] for pod in stage.cluster.items("pods", "-n", "facility", *_OF_CACHES)}
    place.install(stage.cluster, _others)
    stage.cluster.wait_for("other caches", lambda: ready(stage, "facility", "xcache", old), 240)


def _others(wanted: values.Values) -> None:
    wanted["operator"]["site"]["cache"]["resources"] = {**values.requests("21m", "256Mi"), "limits": {"memory": "3Gi"}}


def origin_hangs(stage: Stage) -> None:
    """Its server stops for a while, and goes on."""
    for signal, seconds in (("STOP", 15), ("CONT", 0)):
        command = f"for p in /proc/[0-9]*; do grep -qx xrootd $p/comm && kill -{signal} ${{p#/proc/}}; done; true"
        stage.cluster.do("exec", "-n", world.NAMESPACE, "deploy/origin", "-c", "origin", "--", "sh", "-c", command)
        time.sleep(seconds)


def certificate_renewed(stage: Stage) -> None:
    """The operator makes another, and the cache serves with it."""
    before = served(stage)
    stage.cluster.do("delete", "secret", "tls-xcache-cms", "-n", "facility")
    stage.cluster.wait_for("another certificate", lambda: served(stage) != before, 300)


def served(stage: Stage) -> str:
    """The certificate that people are shown."""
    program = "import ssl; print(ssl.get_server_certificate(('xcache-cms.facility.svc', 1094)))"
    return stage.cluster.execute("facility-users", PODS["cms"], "notebook", ["python3", "-c", program])


_OF_CACHES = ("-l", "app.kubernetes.io/component=xcache")
FAULTS = (
    Fault("the cache is killed", killed(Containers("cache", "facility", "xcache", "xcache-cms-0"))),
    Fault("the origin is killed", origin_killed, unseen=True),
)
#: what `make pool-tests` has time for
FURTHER = (
    Fault("the cache is moved", killed(Pods("cache", "facility", "xcache"), at_once=False)),
    Fault("the origin hangs", origin_hangs, unseen=True),
    Fault("the certificate is renewed", certificate_renewed, unseen=True, seconds=280),
)


@pytest.fixture(scope="module")
def recovery(stage: Stage) -> Iterator[dict[str, float]]:
    """Seconds by fault, kept for whoever wants to know."""
    found: dict[str, float] = {}
    yield found
    stage.artifacts.mkdir(parents=True, exist_ok=True)
    (stage.artifacts / "cache-recovery.json").write_text(json.dumps(found, indent=1) + "\n")


@pytest.fixture
def files(stage: Stage, outcome: Outcome) -> Iterator[dict[str, str]]:
    """Files that nobody has read yet: path to adler32."""
    with unread(stage) as found:
        yield found


@pytest.mark.parametrize(
    "fault", [*FAULTS, *(pytest.param(one, marks=pytest.mark.long) for one in FURTHER)], ids=lambda one: one.name
)
def test_nobody_gets_a_wrong_byte_and_soon_everybody_reads_again(
    stage: Stage, files: dict[str, str], recovery: dict[str, float], fault: Fault
) -> None:
    recovery |= outage(stage, files, fault)


@pytest.mark.long
def test_an_upgrade_that_replaces_the_caches_is_no_more_than_that(
    stage: Stage, files: dict[str, str], recovery: dict[str, float]
) -> None:
    try:
        found, _ = during(stage, files, Fault("upgrade", upgraded))
    finally:
        place.install(stage.cluster)
    assert not [one for one in found if one["wrong"]]
    assert [one for one in found if not one["error"]]
