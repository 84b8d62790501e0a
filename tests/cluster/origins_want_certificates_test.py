"""A storage of the time before tokens: it knows the cache by the VO's robot, and the cache its readers by their tokens.

The demo's takes X.509 only, and only with an attribute of VOMS, by GSI and over https.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from facility.dev.demo import secrets, world
from facility.dev.demo.grid import subject
from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster import forge, lakes
from tests.cluster.lakes_of_escape import ARRIVED, ESCAPE, give, part, usual
from tests.cluster.reading import Answer, Attempt, attempt
from tests.cluster.through_caches import PODS, seen

pytestmark = pytest.mark.cluster

STORAGE = f"{world.STORAGE_HOST}:1095"
SERVER = {"host": world.STORAGE_HOST, "port": world.VOMS_PORT, "subject": subject(world.VOMS_NAME)}
VOMS = {"vo": ESCAPE.name, "attribute": world.VOMS_ATTRIBUTE, "servers": [SERVER]}
#: by what the cache reads a part of the lake
FOLDERS = {"https": "/escape/open/before", "root": "/escape/embargoed/before"}
SIZE = 3_000_000
POD = "xcache-escape-0"


def read(stage: Stage, path: str, token: str | None) -> list[Answer]:
    asked = [Attempt(protocol, "xcache-escape.facility.svc", path, token) for protocol in ("root", "https")]
    return attempt(stage.cluster, PODS[ESCAPE.name], asked)


def sizes(stage: Stage, path: str) -> set[int]:
    found = read(stage, path, forge.token(ESCAPE, scope="storage.read:/"))
    return {answer.bytes if answer.ok else -1 for answer in found}


@pytest.fixture(scope="module")
def robots(stage: Stage, outcome: Outcome) -> Iterator[None]:
    """The VO's lake in two parts at that storage, either by its own protocol."""
    for folder in FOLDERS.values():
        lakes.fill(stage, folder, count=4, size=SIZE)
    with usual(stage, lambda: sizes(stage, ESCAPE.file) != {-1}):
        old = [
            part(folder.split("/")[2], f"{protocol}://{STORAGE}", credential="Robot")
            for protocol, folder in FOLDERS.items()
        ]
        give(stage, *old, robot={"name": secrets.ROBOT, "voms": VOMS})
        for folder in FOLDERS.values():
            stage.cluster.wait_for(
                f"{folder} by the robot", lambda where=folder: sizes(stage, f"{where}/0") == {SIZE}, ARRIVED
            )
        yield
    for folder in FOLDERS.values():
        lakes.remove(stage, folder)


@pytest.mark.parametrize("protocol", FOLDERS)
def test_people_see_what_it_has_by_their_tokens(stage: Stage, robots: None, protocol: str) -> None:
    folder, token = FOLDERS[protocol], forge.token(ESCAPE, scope="storage.read:/")
    has = lakes.listing(stage, folder)
    assert seen(stage, ESCAPE, "listing", folder, token=token) == {"root": has, "https": has}
    for number in (0, 1):  # of which the first is cached
        one = f"{folder}/{number}"
        assert set(seen(stage, ESCAPE, "stat", one, token=token).values()) == {SIZE}
        expected = {kind: [kind, lakes.checksum(stage, one, kind)] for kind in ("adler32", "crc32c")}
        told = seen(stage, ESCAPE, "checksums", one, token=token)
        assert told == {kind: {"root": value, "https": value} for kind, value in expected.items()}
        assert seen(stage, ESCAPE, "whole", one, token=token)[2] == lakes.checksum(stage, one, "adler32")


@pytest.mark.parametrize("protocol", FOLDERS)
@pytest.mark.parametrize("number", [0, 3], ids=["cached", "not cached"])
def test_the_robot_reads_for_nobody_who_may_not(stage: Stage, robots: None, protocol: str, number: int) -> None:
    path = f"{FOLDERS[protocol]}/{number}"
    other = "embargoed" if "open" in path else "open"
    for token in (
        None,
        forge.token(ESCAPE, scope=f"storage.read:/{other}"),
        forge.token(world.CMS, scope="storage.read:/"),
    ):
        assert not any(answer.ok for answer in read(stage, path, token))


def test_a_file_that_is_replaced_there_is_served_new(stage: Stage, robots: None) -> None:
    for folder in FOLDERS.values():
        path = f"{folder}/2"
        assert sizes(stage, path) == {SIZE}
        lakes.append(stage, path, 1000)
        stage.cluster.wait_for(f"{path} as it is now", lambda where=path: sizes(stage, where) == {SIZE + 1000}, 60)


def test_the_storage_knows_the_robot_alone_and_gets_no_token(stage: Stage, robots: None) -> None:
    log = stage.cluster.do("logs", "-n", world.NAMESPACE, "deploy/origin", "-c", "grid", "--tail=-1")
    logins = {line.partition(" login as ")[2].strip() for line in log.splitlines() if " login as /" in line}
    assert logins == {subject("Robot: the cache")}
    assert "authz=" not in log.replace("authz= ", "").replace("authz=\n", "")
    assert "eyJ" not in log


def test_its_certificate_is_out_of_everybodys_sight(stage: Stage, robots: None) -> None:
    pods = stage.cluster.items("pods", "-A")
    holders = {
        (pod["metadata"]["name"], container["name"])
        for pod in pods
        for volume in pod["spec"].get("volumes", [])
        if volume.get("secret", {}).get("secretName") == secrets.ROBOT
        for container in (*pod["spec"].get("initContainers", []), *pod["spec"]["containers"])
        if volume["name"] in {one["name"] for one in container.get("volumeMounts", [])}
    }
    assert holders == {(POD, "robot")}
    asked = ["env", "X509_CERT_DIR=/run/xrootd/authorities", "voms-proxy-info", "-dont-verify-ac", "-fqan"]
    shown = stage.cluster.execute("facility", POD, "robot", [*asked, "-file", "/run/xrootd/robot.pem"])
    assert shown.splitlines()[0].startswith(world.VOMS_ATTRIBUTE)
