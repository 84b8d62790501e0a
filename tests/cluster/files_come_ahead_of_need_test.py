"""Files that somebody will need are brought into a cache ahead: by people who may read them, and by no others."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from facility.dev.cluster.problems import ClusterError
from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster import forge, lakes
from tests.cluster.through_caches import PODS, seen

pytestmark = pytest.mark.cluster

COUNT, SIZE = 40, 200_000


@pytest.fixture
def folder(stage: Stage, vo: world.DemoVO) -> Iterator[str]:
    """With files in it and in a folder below. Of another name each time: a cache compares what it has seldom."""
    made = f"/{vo.name}/open/ahead-{secrets.token_hex(4)}"
    for one in (made, f"{made}/deep"):
        lakes.fill(stage, one, count=COUNT // 2, size=SIZE)
    yield made
    lakes.remove(stage, made)


def paths(folder: str) -> list[str]:
    return [f"{one}/{number}" for one in (folder, f"{folder}/deep") for number in range(COUNT // 2)]


def staged(stage: Stage, vo: world.DemoVO, *arguments: str) -> str:
    """What `facility stage` prints in the notebook of the VO's person, with that person's own token."""
    return stage.cluster.execute("facility-users", PODS[vo.name], "notebook", ["facility", "stage", *arguments])


def test_what_was_staged_is_read_without_the_origin(stage: Stage, vo: world.DemoVO, folder: str) -> None:
    good = lakes.checksums(stage, f"{folder}/deep")
    assert f"{COUNT} of {COUNT} files" in staged(stage, vo, folder).splitlines()[-1]
    before = lakes.sent(stage)
    read = seen(stage, vo, "many", paths(folder), 4)
    assert [one[:2] for one in read] == [[200, SIZE]] * COUNT
    assert [one[2] for one in read[COUNT // 2 :]] == [good[str(number)] for number in range(COUNT // 2)]
    assert lakes.sent(stage) - before < COUNT * SIZE / 10, "but for a question whether each is still the same"


def test_asked_again_it_brings_nothing_twice(stage: Stage, vo: world.DemoVO, folder: str) -> None:
    staged(stage, vo, folder)
    before = lakes.sent(stage)
    assert f"{COUNT} of {COUNT} files" in staged(stage, vo, folder).splitlines()[-1]
    assert lakes.sent(stage) - before < COUNT * SIZE / 10


def test_the_limit_holds(stage: Stage, vo: world.DemoVO, folder: str) -> None:
    told = staged(stage, vo, folder, "--limit", str(10 * SIZE), "--dry-run")
    assert told.splitlines()[0].startswith("10 files")
    assert f"{COUNT - 10} more" in told


def test_who_may_not_read_a_file_does_not_bring_it(stage: Stage, vo: world.DemoVO, folder: str) -> None:
    token = forge.token(vo, scope="storage.read:/embargoed")
    with pytest.raises(ClusterError, match="permission denied"):
        seen(stage, vo, "wanted", [f"{folder}/0"], token=token)


def test_nobody_sees_or_ends_another_persons_request(stage: Stage, outcome: Outcome) -> None:
    path = world.CMS.file
    request = seen(stage, world.CMS, "wanted", [path])
    stranger = forge.token(world.CMS, scope="storage.read:/", person=world.CMS.people[1])
    with pytest.raises(ClusterError, match="you have no such request"):
        seen(stage, world.CMS, "come", request, token=stranger)
    assert seen(stage, world.CMS, "cancelled", request, token=stranger) is False
    stage.cluster.wait_for("the file", lambda: seen(stage, world.CMS, "come", request) == {path: "COMPLETED"}, 30)
