"""Two caches of one VO: each file is kept by one of them, and readers notice nothing of it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster import forge, lakes, refusals
from tests.cluster.kills import Containers
from tests.cluster.reading import Answer, Attempt, attempt
from tests.cluster.under_fault import Fault, killed, outage, unread

pytestmark = pytest.mark.cluster
REPLICAS = ("xcache-cms-0", "xcache-cms-1")
HOSTS = (refusals.CMS, *(f"{one}.facility.svc" for one in REPLICAS))
WAYS = ("root", "https")
POD = "jupyter-cms-alice"
COUNT, SIZE = 24, 1_000_000
_KEPT = """
import os, sys
print(*(name[:-6] for name in os.listdir(sys.argv[1]) if name.endswith(".cinfo")))
"""


def several(stage: Stage, count: int) -> None:
    """So many caches, all ready, which know each other."""
    wanted = json.dumps({"spec": {"cache": {"replicas": count}}})
    stage.cluster.do("patch", "vo", "cms", "-n", "facility", "--type=merge", "-p", wanted)

    def there() -> bool:
        found = stage.cluster.get("statefulset", "xcache-cms", "-n", "facility")
        status = found["status"]
        seen = status.get("observedGeneration") == found["metadata"]["generation"]
        current = status.get("currentRevision") == status.get("updateRevision")
        return seen and current and status.get("readyReplicas") == count == found["spec"]["replicas"]

    stage.cluster.wait_for(f"{count} caches", there, 240)


@pytest.fixture(scope="module")
def replicas(stage: Stage, outcome: Outcome) -> Iterator[None]:
    """Two caches of cms, which have found each other; afterwards there is one again."""
    several(stage, 2)
    for one in REPLICAS:
        logs = ("logs", "-n", "facility", one, "-c", "xcache", "--tail=-1")
        stage.cluster.wait_for(f"{one} knows the other", lambda logs=logs: _meet(stage.cluster.do(*logs)), 60)
    yield
    several(stage, 1)
    volumes = ("persistentvolumeclaims", "-n", "facility", "-l", "app.kubernetes.io/component=xcache")

    def gone() -> bool:
        return "cache-xcache-cms-1" not in {one["metadata"]["name"] for one in stage.cluster.items(*volumes)}

    stage.cluster.wait_for("the second volume gone", gone, 60)


def _meet(log: str) -> bool:
    return log.rfind(" answers") > log.rfind(" does not answer")


@contextmanager
def filled(stage: Stage) -> Iterator[str]:
    """A folder of files that nobody has read yet."""
    folder = f"/cms/open/shared-{secrets.token_hex(4)}"
    lakes.fill(stage, folder, count=COUNT, size=SIZE)
    yield folder
    lakes.remove(stage, folder)


def kept(stage: Stage, replica: str, folder: str) -> set[str]:
    """Names of the files that a replica has of a folder."""
    place = f"/var/lib/xcache/data{folder}"
    program = ["sh", "-c", f"test -d {place} && python3 -c '{_KEPT}' {place} || true"]
    return set(stage.cluster.execute("facility", replica, "xcache", program).split())


def whole(answers: list[Answer], size: int = SIZE) -> bool:
    return all(one.ok and one.bytes == size for one in answers)


def test_a_file_is_fetched_once_by_whichever_way_it_is_read(stage: Stage, replicas: None) -> None:
    token = forge.token(scope="storage.read:/")
    with filled(stage) as folder:
        before = lakes.sent(stage)
        for host in HOSTS:
            for way in WAYS:
                asked = [Attempt(way, host, f"{folder}/{number}", token) for number in range(COUNT)]
                answers = attempt(stage.cluster, POD, asked)
                assert whole(answers), next(one for one in answers if not one.ok or one.bytes != SIZE)
        assert COUNT * SIZE < lakes.sent(stage) - before < COUNT * SIZE * 1.5
        one, other = (kept(stage, replica, folder) for replica in REPLICAS)
        assert one | other == {str(number) for number in range(COUNT)}
        assert not one & other
        assert one
        assert other


def test_notebooks_are_led_to_the_replica_that_keeps_a_file(stage: Stage, replicas: None) -> None:
    program = """
import os, sys
from XRootD import client
for number in range(int(sys.argv[2])):
    with client.File() as file:
        status, _ = file.open(f"{os.environ['LAKE_ROOT']}{sys.argv[1]}/{number}")
        assert status.ok, status.message
        print(number, file.get_property("DataServer").partition(".")[0])
"""
    with filled(stage) as folder:
        command = ["python3", "-c", program, folder, str(COUNT)]
        lines = stage.cluster.execute("facility-users", POD, "notebook", command).splitlines()
        led = dict(line.split() for line in lines)
        assert len(led) == COUNT
        for replica in REPLICAS:
            strangers = {number for number, name in led.items() if name in set(REPLICAS) - {replica}}
            assert not kept(stage, replica, folder) & strangers


def test_what_is_staged_at_one_comes_to_where_it_is_kept(stage: Stage, replicas: None) -> None:
    with filled(stage) as folder:
        told = stage.cluster.execute("facility-users", POD, "notebook", ["facility", "stage", folder])
        assert f"{COUNT} of {COUNT} files" in told.splitlines()[-1]
        before = lakes.sent(stage)
        asked = [
            Attempt("https", HOSTS[1], f"{folder}/{number}", forge.token(scope="storage.read:/"))
            for number in range(COUNT)
        ]
        assert whole(attempt(stage.cluster, POD, asked))
        assert lakes.sent(stage) - before < COUNT * SIZE / 10
        assert all(kept(stage, replica, folder) for replica in REPLICAS)


@pytest.mark.parametrize("host", HOSTS[1:])
def test_each_replica_refuses_what_one_cache_refuses(stage: Stage, replicas: None, host: str) -> None:
    cases = {case: one for case, one in refusals.REFUSED.items() if one[1] == refusals.CMS}
    asked = {(case, way): Attempt(way, host, one[2], one[0]()) for case, one in cases.items() for way in WAYS}
    answers = attempt(stage.cluster, POD, list(asked.values()))
    for (case, way), answer in zip(asked, answers, strict=True):
        refusals.as_told(answer, case, way)


def test_a_file_that_is_not_there_is_at_no_replica(stage: Stage, replicas: None) -> None:
    token = forge.token(scope="storage.read:/")
    asked = [Attempt("https", host, "/cms/open/not-there", token) for host in HOSTS]
    assert [one.code for one in attempt(stage.cluster, POD, asked)] == [404] * len(HOSTS)


@pytest.mark.parametrize("replica", [REPLICAS[0], pytest.param(REPLICAS[1], marks=pytest.mark.long)])
def test_while_one_is_killed_everybody_reads_on(stage: Stage, replicas: None, replica: str) -> None:
    ended = Fault("a replica is killed", killed(Containers("replica", "facility", "xcache", replica)))
    with unread(stage) as files:
        outage(stage, files, ended)
