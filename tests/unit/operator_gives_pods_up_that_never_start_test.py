"""A pod that has a node and does not start is deleted after a while, told of, and its owner gets another later."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from facility.operator.events import News
from tests.fakes.demand import Here, demanding, idle, served


@pytest.fixture
async def here() -> AsyncIterator[Here]:
    async with demanding() as made:
        made.queues["cms"].jobs = idle()
        yield made


async def test_a_pod_whose_image_cannot_be_had_goes_and_the_vo_is_told_why(here: Here) -> None:
    told: list[News] = []
    here.demand.told = lambda _vo, news: told.append(news)
    (first,) = await here.once(served())
    here.gets_a_node(first, "ImagePullBackOff")
    here.clock.pass_by(119)
    assert await here.once(served()) == {first}
    here.clock.pass_by(2)
    assert await here.once(served()) == set()
    assert told[0].note == f"execute pod for cms_alice: {first} did not start: ImagePullBackOff"
    assert await here.once(served()) == set(), "another would fare no better at once"
    here.clock.pass_by(31)
    (second,) = await here.once(served())
    assert second != first


async def test_a_pod_whose_image_is_still_fetched_has_twenty_minutes(here: Here) -> None:
    (first,) = await here.once(served())
    here.gets_a_node(first)
    here.clock.pass_by(1199)
    assert await here.once(served()) == {first}
    here.clock.pass_by(2)
    assert await here.once(served()) == set()


async def test_a_pod_that_waits_for_a_node_is_not_given_up_however_long(here: Here) -> None:
    (first,) = await here.once(served())
    here.finds_no_room(first)
    here.clock.pass_by(7 * 86400)
    assert await here.once(served()) == {first}


async def test_time_spent_waiting_for_a_node_is_not_held_against_a_pod(here: Here) -> None:
    (first,) = await here.once(served())
    here.finds_no_room(first)
    here.clock.pass_by(3600)
    here.gets_a_node(first)
    here.clock.pass_by(60)
    assert await here.once(served()) == {first}


async def test_a_pod_that_has_started_is_left_alone(here: Here) -> None:
    (first,) = await here.once(served())
    here.gets_a_node(first, "ImagePullBackOff")
    here.clock.pass_by(119)
    here.starts(first)
    here.clock.pass_by(60)
    assert await here.once(served()) == {first}


async def test_a_pod_that_fails_at_once_after_a_long_wait_for_a_node_is_not_followed_by_another_at_once(
    here: Here,
) -> None:
    (first,) = await here.once(served())
    here.finds_no_room(first)
    here.clock.pass_by(3600)
    here.gets_a_node(first)
    here.end(first, "Failed")
    assert await here.once(served()) == {first}
    here.clock.pass_by(61)
    (second,) = await here.once(served())
    assert second != first
