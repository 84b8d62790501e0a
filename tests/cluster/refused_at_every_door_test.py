"""A cache refuses the same at each of its doors, by whatever name and from wherever it is asked, and gives the same.

All that is asked at a door is asked by one program, with a connection for each question. What somebody has the right to
is asked beside what they have not: nobody is refused because everything is broken.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from tests.cluster import doors, refusals
from tests.cluster.reading import Answer
from tests.cluster.through_caches import record

pytestmark = pytest.mark.cluster

#: those of several caches are in caches_share_a_lake_test.py
DOORS = {
    "notebooks": doors.service(world.CMS),
    "notebooks, root origin": doors.service(world.ESCAPE),
    "own machines": doors.outside(world.CMS),
}
Told = dict[str, list[tuple[doors.Case, Answer]]]


@pytest.fixture(scope="module", params=DOORS)
def door(request: pytest.FixtureRequest, stage: Stage, outcome: Outcome) -> doors.Door:
    """Each in turn."""
    one = DOORS[request.param]
    if one.outside and not stage.node:
        pytest.skip("needs a machine on the nodes' network")
    return one


@pytest.fixture(scope="module")
def files(stage: Stage, door: doors.Door) -> Iterator[refusals.Files]:
    with refusals.files(stage, door.vo) as made:
        yield made


@pytest.fixture(scope="module")
def told(stage: Stage, door: doors.Door, files: refusals.Files) -> Told:
    """All answers, by what they are about."""
    asked = refusals.everywhere(door.vo, files)
    found = iter(doors.answers(stage, door, itertools.chain(*asked.values())))
    return {about: list(itertools.islice(found, len(cases))) for about, cases in asked.items()}


def test_who_has_no_good_token_learns_nothing_of_what_is_cached(told: Told) -> None:
    doors.as_they_should(told["cached"])


def test_nor_of_what_is_not_cached_and_it_is_not_fetched_for_them(
    stage: Stage, door: doors.Door, files: refusals.Files, told: Told
) -> None:
    doors.as_they_should(told["not cached"])
    assert not cached(stage, door, files.miss)
    doors.as_they_should(doors.answers(stage, door, refusals.all_is_told(door.vo, files.miss)))
    stage.cluster.wait_for("the file in the cache", lambda: cached(stage, door, files.miss), 20)


def cached(stage: Stage, door: doors.Door, path: str) -> bool:
    look = ["python3", "-c", "import os, sys; print(os.path.exists(sys.argv[1]))", record(path)]
    return stage.cluster.execute("facility", door.caches[0], "xcache", look).strip() == "True"


def test_what_is_anothers_is_not_read(told: Told) -> None:
    doors.as_they_should(told["others' paths"])


def test_no_spelling_of_a_path_leads_out_of_a_tokens_scope(told: Told) -> None:
    doors.as_they_should(told["paths"])


def test_tokens_open_a_file_as_the_profile_says(told: Told) -> None:
    doors.as_they_should(told["tokens"])


def test_nobody_writes(told: Told) -> None:
    doors.as_they_should(told["writing"])


def test_nobody_is_heard_without_tls(told: Told) -> None:
    doors.as_they_should(told["in the clear"])


def test_a_token_in_the_url_is_taken_and_no_token_is_in_any_log(stage: Stage, door: doors.Door, told: Told) -> None:
    """What refuses a token, or does not find the file, does not write it down either."""
    doors.as_they_should(told["in the URL"])
    assert doors.written_down(stage, door, itertools.chain(*told.values())) == []
