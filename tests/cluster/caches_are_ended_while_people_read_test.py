"""A cache or an origin ends while people read: nobody gets a wrong byte, and soon everybody reads again.

The readers check each file against the origin's checksum. How long they were without is in
`artifacts/cache-recovery.json`.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from facility.dev.demo import place, values, world
from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster import checked_reads, lakes
from tests.cluster.kills import Containers, Pods, ready
from tests.cluster.through_caches import PODS

pytestmark = pytest.mark.cluster
PROGRAM = Path(checked_reads.__file__).read_text()
COUNT, SIZE, SECONDS, FIRST = 12, 3_000_000, 45, 6
BACK = 30  # seconds within which everybody reads again


@dataclass(frozen=True)
class Fault:
    """What happens. unseen: whether people who read what is cached notice nothing at all."""

    name: str
    strike: Callable[[Stage], object]
    unseen: bool = False


def killed(part: Containers | Pods, at_once: bool = True) -> Callable[[Stage], object]:
    return lambda stage: stage.cluster.wait_for(f"{part.name} back", part.kill(stage, at_once=at_once), 120)


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


_OF_CACHES = ("-l", "app.kubernetes.io/component=xcache")
FAULTS = (
    Fault("the cache is killed", killed(Containers("cache", "facility", "xcache", "xcache-cms-0"))),
    Fault("the origin is killed", origin_killed, unseen=True),
)
#: what `make pool-tests` has time for
FURTHER = (Fault("the cache is moved", killed(Pods("cache", "facility", "xcache"), at_once=False)),)


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
    folder = f"/cms/open/ended-{secrets.token_hex(4)}"
    lakes.fill(stage, folder, count=COUNT, size=SIZE)
    yield {f"{folder}/{name}": digest for name, digest in lakes.checksums(stage, folder).items()}
    lakes.remove(stage, folder)


def reads(stage: Stage, files: dict[str, str], seconds: float) -> list[dict[str, Any]]:
    """What alice's readers say."""
    wish = json.dumps({"host": "xcache-cms.facility.svc", "files": files, "seconds": seconds})
    where = ("facility-users", PODS["cms"], "notebook", ["python3", "-c", PROGRAM])
    found: list[dict[str, Any]] = json.loads(stage.cluster.execute(*where, stdin=wish, timeout=seconds + 240))
    return found


def during(stage: Stage, files: dict[str, str], fault: Fault) -> tuple[list[dict[str, Any]], float]:
    """All reads, and when it happened."""
    found: list[dict[str, Any]] = []
    reading = threading.Thread(target=lambda: found.extend(reads(stage, files, SECONDS)))
    reading.start()
    time.sleep(FIRST)
    struck = time.time()
    fault.strike(stage)
    reading.join()
    return found, struck


@pytest.mark.parametrize(
    "fault", [*FAULTS, *(pytest.param(one, marks=pytest.mark.long) for one in FURTHER)], ids=lambda one: one.name
)
def test_nobody_gets_a_wrong_byte_and_soon_everybody_reads_again(
    stage: Stage, files: dict[str, str], recovery: dict[str, float], fault: Fault
) -> None:
    if fault.unseen:
        assert not [one for one in reads(stage, files, 5) if one["error"]]  # all of it is cached from here on
    found, struck = during(stage, files, fault)
    assert not [one for one in found if one["wrong"]]
    assert {one["way"] for one in found if one["ended"] < struck and not one["error"]} == {"root", "https"}
    failed = [one for one in found if one["error"]]
    assert not (fault.unseen and failed), failed[:5]
    late = [one for one in failed if one["at"] > struck + BACK]
    assert not late, late[:5]
    longest = {way: max(one["ended"] - one["at"] for one in found if one["way"] == way) for way in ("root", "https")}
    assert max(longest.values()) < BACK, longest
    without = {way: recovered([one for one in found if one["way"] == way], struck) for way in ("root", "https")}
    recovery |= {f"{fault.name}, {way}": seconds for way, seconds in without.items()}
    assert max(without.values()) < BACK, without


def recovered(found: list[dict[str, Any]], struck: float) -> float:
    """Seconds from the fault until somebody's read comes whole that began after it, and after the last that failed."""
    whole = [one["ended"] for one in found if one["at"] > struck and not one["error"]]
    assert whole, "nobody read any more"
    last_failed = max((one["ended"] for one in found if one["error"]), default=struck)
    return round(min(one for one in whole if one > last_failed) - struck, 1)


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
