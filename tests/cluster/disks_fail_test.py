"""The disk of a cache is full, or cannot be read any more, while people read."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster import accounts, forge, lakes
from tests.cluster.kills import ready
from tests.cluster.node import on_node
from tests.cluster.through_caches import seen
from tests.cluster.under_fault import Fault, outage, unread

pytestmark = [pytest.mark.cluster, pytest.mark.long]

CACHE = "xcache-cms-0"
IMAGE = "/var/test-disk.img"
SIZE = 700  # MiB
COLD, COUNT = 3_000_000, 12
#: reads what is not cached, and nothing else
CAROL = world.CMS.people[1]


@pytest.fixture
def disk(stage: Stage, outcome: Outcome) -> Iterator[str]:
    """The cache of cms on a small disk of its own: where that is on the node."""
    if not stage.node:
        pytest.skip("a disk of its own is made on the node of a kind cluster only")
    volume = stage.cluster.get("pvc", f"cache-{CACHE}", "-n", "facility")["spec"]["volumeName"]
    source = stage.cluster.get("pv", volume)["spec"]
    place = str((source.get("hostPath") or source["local"])["path"])
    made = f"fallocate -l {SIZE}M {IMAGE} && mkfs.ext4 -q -m 0 {IMAGE} && mount -o loop {IMAGE} {place}"
    on_node(stage, f"{made} && rmdir {place}/lost+found && chmod 0777 {place}")
    try:
        anew(stage)
        yield place
    finally:
        on_node(stage, f"umount -l {place}; rm -f {IMAGE}")
        anew(stage)


def anew(stage: Stage) -> None:
    """Another pod of the cache, which sees what is mounted now."""
    old = stage.cluster.get("pod", CACHE, "-n", "facility")["metadata"]["uid"]
    stage.cluster.do("delete", "pod", CACHE, "-n", "facility", "--grace-period=1")
    stage.cluster.wait_for("another pod", lambda: ready(stage, "facility", "xcache", {old}), 120)


def cold(stage: Stage, when: str) -> None:
    """Files that were never in the cache are read whole, by carol. Raises AssertionError."""
    folder = f"/cms/open/{when}-{secrets.token_hex(4)}"
    lakes.fill(stage, folder, count=COUNT, size=COLD)
    good, token = lakes.checksums(stage, folder), forge.token(scope="storage.read:/", person=CAROL)
    try:
        found = seen(stage, world.CMS, "many", [f"{folder}/{number}" for number in range(COUNT)], 4, token=token)
        assert found == [[200, COLD, good[str(number)]] for number in range(COUNT)]
    finally:
        lakes.remove(stage, folder)


def counted(stage: Stage, size: int) -> None:
    """So many bytes are carol's, of a pod that is new. For origins nothing can be asked: what a full disk does not keep
    XRootD counts for none, or as if it were kept. Raises NotReadyError."""
    try:
        stage.cluster.wait_for(
            "carol's reads in the sums",
            lambda: accounts.served({}, accounts.sums(stage), CAROL, "https") >= size,
            accounts.SECONDS,
        )
    finally:
        print("sums:", accounts.sums(stage))


def test_on_a_full_disk_everybody_reads_on_and_it_is_counted(stage: Stage, disk: str) -> None:
    def filled(stage: Stage) -> None:
        on_node(stage, f"dd if=/dev/zero of={disk}/ballast bs=1M 2>/dev/null; true")
        cold(stage, "full")
        on_node(stage, f"rm {disk}/ballast")
        cold(stage, "room")

    with unread(stage) as files:
        told = outage(stage, files, Fault("the disk is full", filled, unseen=True, seconds=60))
    kept(stage, told)
    counted(stage, 2 * COUNT * COLD)


def test_from_a_disk_that_cannot_be_read_nobody_gets_a_wrong_byte(stage: Stage, disk: str) -> None:
    def broken(stage: Stage) -> None:
        on_node(stage, f"truncate -s 1M {IMAGE} && sync; echo 3 > /proc/sys/vm/drop_caches")

    with unread(stage) as files:
        told = outage(stage, files, Fault("the disk cannot be read", broken, seconds=40))
    kept(stage, told)


def kept(stage: Stage, told: dict[str, float]) -> None:
    file = stage.artifacts / "cache-disks.json"
    stage.artifacts.mkdir(parents=True, exist_ok=True)
    before = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(before | told, indent=1) + "\n")
