"""A cache's clock is five minutes wrong while people read: what that costs them, and that it gives nobody anything.

The caches run an image with libfaketime for as long, as a node's clock is everybody's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from facility.dev.cluster.load import load
from facility.dev.demo import place, values, world
from facility.dev.demo.mainjob import Outcome, Stage
from facility.dev.issuer import mint
from tests.cluster import another_clock, forge, lakes
from tests.cluster.kills import ready
from tests.cluster.reading import Answer, Attempt, attempt
from tests.cluster.through_caches import PODS

pytestmark = [pytest.mark.cluster, pytest.mark.long]

OFF = 300  # seconds
BACK = 30  # within which everybody reads again once the clock is right
FOLDER = "/cms/open/clocks"
SIZE = 500_000
CACHE = "xcache-cms-0"


@pytest.fixture(scope="module")
def clock(stage: Stage, outcome: Outcome) -> Iterator[None]:
    """A cache whose clock can be set, and files that it has not seen."""
    if not stage.node:
        pytest.skip("the image with another clock is brought to the node of a kind cluster only")
    made = another_clock.made(place.images()["xcache"])
    load([made], stage.node)
    lakes.fill(stage, FOLDER, count=40, size=SIZE)

    def change(wanted: values.Values) -> None:
        wanted["global"]["images"]["xcache"] = made

    try:
        replaced(stage, change)
        yield
    finally:
        replaced(stage, lambda _: None)
        lakes.remove(stage, FOLDER)


def replaced(stage: Stage, change: values.Change) -> None:
    chosen = ("-n", "facility", "-l", "app.kubernetes.io/component=xcache")
    old = {pod["metadata"]["uid"] for pod in stage.cluster.items("pods", *chosen)}
    place.install(stage.cluster, change)
    stage.cluster.wait_for("other caches", lambda: ready(stage, "facility", "xcache", old), 240)


def turn(stage: Stage, seconds: int) -> None:
    """The clock is that much ahead."""
    text = f"open({another_clock.FILE!r}, 'w').write({another_clock.text(seconds)!r})"
    stage.cluster.execute("facility", CACHE, "tls", ["python3", "-c", text])

    def shown() -> bool:
        told = stage.cluster.execute("facility", CACHE, "xcache", ["python3", "-c", "import time; print(time.time())"])
        return abs(float(told) - time.time() - seconds) < 20

    stage.cluster.wait_for("the clock turned", shown, 30)
    time.sleep(another_clock.LOOKED)


def issued(ago: float, life: float = 3600) -> str:
    """A token of the whole lake."""
    began, signing = int(time.time() - ago), place.material().signing[world.CMS.name]
    times = {"nbf": began, "iat": began, "exp": int(began + life)}
    who = {"sub": world.CMS.person.subject, "audience": world.ORIGIN, "scope": "storage.read:/"}
    return mint.token(signing, forge.KID, world.CMS.issuer, **who, **times)


def read(stage: Stage, token: str, *numbers: int) -> list[Answer]:
    asked = [
        Attempt(protocol, "xcache-cms.facility.svc", f"{FOLDER}/{number}", token)
        for number in numbers
        for protocol in ("root", "https")
    ]
    return attempt(stage.cluster, PODS["cms"], asked)


def whole(answers: list[Answer]) -> bool:
    return all(one.ok and one.bytes == SIZE for one in answers)


@pytest.mark.parametrize("off", [OFF, -OFF], ids=["ahead", "behind"])
def test_people_read_on_and_nobody_reads_who_may_not(stage: Stage, clock: None, off: int) -> None:
    cold = iter(range(20) if off > 0 else range(20, 40))
    long_ago = issued(900)
    assert whole(read(stage, long_ago, next(cold)))
    turn(stage, off)
    try:
        for _ in range(5):
            assert whole(read(stage, long_ago, 0, next(cold)))
        assert not any(one.ok for one in read(stage, issued(4000, 3600 - OFF), 0, next(cold)))
        # one that was made just now is not good yet at a cache that is behind, and is refused with a reason
        assert {one.ok for one in read(stage, issued(1), 0)} == {off > 0}
        # and one that has four minutes left is over already at one that is ahead
        assert {one.ok for one in read(stage, issued(3360), 0)} == {off < 0}
    finally:
        turn(stage, 0)
    begun = time.monotonic()
    stage.cluster.wait_for("everybody", lambda: whole(read(stage, issued(1), 0, next(cold))), BACK)
    stage.artifacts.mkdir(parents=True, exist_ok=True)
    name = f"cache-clock-{'ahead' if off > 0 else 'behind'}.json"
    (stage.artifacts / name).write_text(json.dumps({"seconds": round(time.monotonic() - begun, 1)}) + "\n")
