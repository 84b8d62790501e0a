"""A CachedDataset becomes lines that the VO's caches read, and what they say of it becomes its status."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from facility.datasets import CachedDataset
from facility.operator.datasets import Datasets
from facility.operator.objects import Manifest
from facility.vo import VirtualOrganization
from facility.xcache import datasets, places
from tests.fakes.operator_world import SITE, World, dataset, vo, world

GI = 1 << 30
CMS = VirtualOrganization.parse(vo("cms", cache={"size": "100Gi", "replicas": 2, "pinnedPercent": 40}))


def parsed(*manifests: Manifest) -> list[CachedDataset]:
    return [CachedDataset.parse(one) for one in manifests]


def word(**more: Any) -> dict[str, Any]:
    """What a cache says of the dataset."""
    numbers = {"files": 4, "bytes": 4 * GI, "presentFiles": 2, "presentBytes": 2 * GI, "beyond": 0, "failed": 0}
    return {"name": "run2026", "generation": 1, "rounds": 1, "problem": "", **numbers, **more}


def test_a_line_for_each_path_says_how_much_of_it_and_for_how_long() -> None:
    once = dataset("run2026", limit="3Gi", paths=["/cms/open/a", "/cms/open/b"])
    assert datasets.render(CMS, parsed(once)) == (
        f"run2026 1 once {3 * GI} /cms/open/a\nrun2026 1 once {3 * GI} /cms/open/b\n"
    )
    assert datasets.render(CMS, parsed(dataset("all"))) == f"all 1 once {160 * GI} /cms/open/all\n"


def test_pinned_ones_share_what_the_vo_lets_them_have_the_older_first() -> None:
    some = [
        dataset("young", created=3, pinned=True),
        dataset("old", created=1, pinned=True, limit="50Gi"),
        dataset("middle", created=2, pinned=True, limit="500Gi"),
    ]
    assert datasets.render(CMS, parsed(*some)).splitlines() == [
        f"old 1 pinned {50 * GI} /cms/open/old",
        f"middle 1 pinned {30 * GI} /cms/open/middle",
        "young 1 pinned 0 /cms/open/young",
    ]


@pytest.mark.parametrize("pinned", [True, False])
def test_what_was_brought_once_is_wanted_no_more_until_it_is_wanted_otherwise(pinned: bool) -> None:
    ready = {"type": "Ready", "status": "True", "reason": "Complete"}
    done = dataset(pinned=pinned) | {"status": {"observedGeneration": 1, "conditions": [ready]}}
    assert bool(datasets.render(CMS, parsed(done))) == pinned
    done["metadata"]["generation"] = 2
    assert datasets.render(CMS, parsed(done))


def test_paths_of_no_lake_of_the_vo_are_left_out() -> None:
    assert datasets.render(CMS, parsed(dataset(paths=["/atlas/open"]))) == ""
    assert datasets.render(CMS, parsed(dataset(paths=["/cms2"]))) == ""


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        made.add_vo("cms", cache={"replicas": 2})
        await made.reconcile()
        yield made


class Caches:
    """What each of the VO's caches says, by its host."""

    def __init__(self, here: World, *words: list[dict[str, Any]] | None) -> None:
        self._here = here
        hosts = SITE.xcaches("cms", 2)
        self._words = {f"http://{host}:9090/{places.PROGRESS}": one for host, one in zip(hosts, words, strict=True)}

    async def ask(self, url: str) -> Any:
        found = self._words[url]
        if found is None:
            raise OSError("no route to host")
        return found

    async def status(self, name: str = "run2026") -> dict[str, Any]:
        """Of that dataset, after the operator has looked."""
        await self._here.reconcile()
        mirror = self._here.reconciler.mirrors.datasets
        looking = Datasets(self._here.cluster, SITE, mirror, self._here.clock, self.ask)
        await looking.once(self._here.reconciler.served)
        found: dict[str, Any] = self._here.api.get("CachedDataset", name)["status"]
        return found


def ready(status: dict[str, Any]) -> tuple[str, str]:
    (found,) = status["conditions"]
    return found["reason"], found["message"]


async def test_the_caches_configuration_follows_the_objects(here: World) -> None:
    here.api.put(dataset())
    await here.reconcile()
    assert here.api.get("ConfigMap", "xcache-cms")["data"][places.DATASETS].startswith("run2026 1 once ")


async def test_progress_is_the_sum_of_what_the_caches_say(here: World) -> None:
    here.api.put(dataset())
    found = await Caches(here, [word()], [word(presentFiles=1, presentBytes=GI)]).status()
    assert found["progress"] == "3 of 4 files, 3 GiB of 4 GiB"
    assert (found["files"], found["presentFiles"], found["presentBytes"]) == (4, 3, 3 * GI)
    assert ready(found)[0] == "Incomplete"


@pytest.mark.parametrize(
    ("words", "reason", "sentence"),
    [
        ([[word()], [word()]], "Complete", "all 4 files are there"),
        ([[word(beyond=7)], [word()]], "Complete", "all 4 files are there; 7 more are past the limit"),
        (
            [[word(files=0, presentFiles=0, beyond=9)]] * 2,
            "NoRoom",
            "9 files, and the VO's caches may hold none of them: see limit and pinnedPercent",
        ),
        ([[word(rounds=0)], [word()]], "Bringing", "files are being brought"),
        ([[word()], None], "CacheSilent", "1 of the VO's 2 caches say nothing of it yet"),
        ([[word()], [word(generation=0)]], "CacheSilent", "1 of the VO's 2 caches say nothing of it yet"),
        ([[word()], [word(presentFiles=0)]], "Incomplete", "some files went again"),
        (
            [[word(failed=2, problem="/cms/open/x: Permission denied")], [word(presentFiles=0)]],
            "Incomplete",
            "2 files failed, and are tried again: /cms/open/x: Permission denied",
        ),
        ([[word(files=0, bytes=0, problem="/cms/open/run2026: there is no such path", presentFiles=0)]] * 2,
         "Incomplete", "/cms/open/run2026: there is no such path"),
    ],
)  # fmt: skip
async def test_a_sentence_says_how_far_it_is(here: World, words: Any, reason: str, sentence: str) -> None:
    here.api.put(dataset())
    assert ready(await Caches(here, *words).status()) == (reason, sentence)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"vo_name": "atlas"}, "VO atlas is not served here"),
        ({"paths": ["/atlas/open"]}, "/atlas/open lies in no lake of VO cms"),
    ],
)
async def test_what_no_cache_can_hold_is_refused_with_a_sentence(here: World, spec: Any, words: str) -> None:
    here.api.put(dataset(**spec))
    reason, message = ready(await Caches(here, [], []).status())
    assert reason == "Refused"
    assert words in message


async def test_what_is_done_is_not_asked_about_again(here: World) -> None:
    here.api.put(dataset())
    await Caches(here, [word()], [word()]).status()
    found = await Caches(here, None, None).status()
    assert ready(found)[0] == "Complete"
    assert here.api.get("ConfigMap", "xcache-cms")["data"][places.DATASETS] == ""


async def test_one_that_nobody_can_read_does_not_hinder_the_others(here: World) -> None:
    here.api.put(dataset("broken", paths="nonsense"))
    here.api.put(dataset())
    assert ready(await Caches(here, [word()], [word()]).status())[0] == "Complete"
