"""Two caches of one VO: each file is kept by one of them, and readers notice nothing of it."""

from __future__ import annotations

import itertools
import json
import posixpath
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster import doors, forge, lakes, refusals
from tests.cluster.kills import Containers, life, ready
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
    """Two caches of cms, which have found each other; afterwards there is one again. The first goes on when the second
    comes."""
    alone = life(stage, "facility", REPLICAS[0])
    several(stage, 2)
    assert life(stage, "facility", REPLICAS[0]) == alone
    for one in REPLICAS:
        logs = ("logs", "-n", "facility", one, "-c", "xcache", "--tail=-1")
        stage.cluster.wait_for(f"{one} knows the other", lambda logs=logs: _meet(stage.cluster.do(*logs)), 60)
    yield
    two = life(stage, "facility", REPLICAS[0])
    several(stage, 1)
    assert life(stage, "facility", REPLICAS[0]) == two
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


@pytest.mark.parametrize("number", range(len(REPLICAS)))
def test_each_replica_refuses_what_one_cache_refuses(stage: Stage, replicas: None, number: int) -> None:
    door = doors.replica(world.CMS, number)
    with refusals.files(stage, door.vo) as files:
        told = doors.answers(stage, door, itertools.chain(*refusals.everywhere(door.vo, files).values()))
    doors.as_they_should(told)
    assert doors.written_down(stage, door, told) == []


def test_a_file_that_is_not_there_is_at_no_replica(stage: Stage, replicas: None) -> None:
    token = forge.token(scope="storage.read:/")
    asked = [Attempt("https", host, "/cms/open/not-there", token) for host in HOSTS]
    assert [one.code for one in attempt(stage.cluster, POD, asked)] == [404] * len(HOSTS)


#: seconds after which somebody tries again: Kubernetes needs three until it leads nobody to a pod that is gone
RETRY = 5
_LAID_DOWN = """
import json, os, sys
place, size, found = sys.argv[1], int(sys.argv[2]), {}
for name in os.listdir(place) if os.path.isdir(place) else ():
    one = os.stat(os.path.join(place, name))
    if not name.endswith(".cinfo") and one.st_blocks * 512 >= size:
        found[name] = [one.st_ino, one.st_mtime_ns]
print(json.dumps(found))
"""


def laid_down(stage: Stage, replica: str, folder: str) -> dict[str, list[int]]:
    """The files of a folder that a replica has whole: name to what would be another if it were fetched again."""
    program = ["python3", "-c", _LAID_DOWN, f"/var/lib/xcache/data{folder}", str(SIZE)]
    found: dict[str, list[int]] = json.loads(stage.cluster.execute("facility", replica, "xcache", program))
    return found


def pod_ends(stage: Stage, replica: str, volume: bool = False) -> None:
    """It is another one that comes back; if its volume goes, too, without anything."""
    old = {stage.cluster.get("pod", replica, "-n", "facility")["metadata"]["uid"]}
    if volume:
        stage.cluster.do("delete", "pvc", f"cache-{replica}", "-n", "facility", "--wait=false")
    stage.cluster.do("delete", "pod", replica, "-n", "facility", "--wait=false")
    stage.cluster.wait_for(f"another {replica}", lambda: ready(stage, "facility", "xcache", old), 240)


def program_ends(stage: Stage, replica: str) -> None:
    """In its pod, which stays."""
    killed(Containers("replica", "facility", "xcache", replica))(stage)


@pytest.mark.parametrize(
    ("replica", "lose"),
    [
        pytest.param(REPLICAS[0], pod_ends, id="its pod"),
        pytest.param(REPLICAS[1], partial(pod_ends, volume=True), id="its pod and volume", marks=pytest.mark.long),
        pytest.param(REPLICAS[1], program_ends, id="its program", marks=pytest.mark.long),
    ],
)
def test_a_lost_replica_is_a_retry_at_most_and_costs_only_its_own_content(
    stage: Stage, replicas: None, replica: str, lose: Callable[[Stage, str], None]
) -> None:
    (other,) = set(REPLICAS) - {replica}
    with unread(stage, COUNT, SIZE) as files:
        folder = posixpath.dirname(next(iter(files)))
        before: dict[str, list[int]] = {}

        def everything() -> bool:
            before.update(laid_down(stage, other, folder))
            return len(before | laid_down(stage, replica, folder)) == COUNT

        def lost(stage: Stage) -> None:
            stage.cluster.wait_for("all files laid down", everything, 60)
            lose(stage, replica)

        # also while it takes its files back, which is a quarter of a minute later
        outage(stage, files, Fault("a replica is lost", lost, most=1, retry=RETRY, after=20))
        assert 0 < len(before) < COUNT
        after = laid_down(stage, other, folder)
        assert {name: after.get(name) for name in before} == before
        sent, token = lakes.sent(stage), forge.token(scope="storage.read:/")
        asked = [Attempt("https", f"{other}.facility.svc", f"{folder}/{name}", token) for name in before]
        assert whole(attempt(stage.cluster, POD, asked))
        assert lakes.sent(stage) - sent < len(before) * SIZE / 10
