"""A pod that finds its node late begins with a fresh identity, and is as young as its time on the node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest

from facility.condor import idtoken
from facility.operator import execute, renewal
from facility.operator.cluster import ClusterError
from facility.operator.entries import Pod
from facility.operator.renewal import EVERY, Renewal
from facility.users import FacilityUser
from tests.fakes.clock import Clock
from tests.fakes.demand import BATCH, MADE, Here, demanding, idle, served, working
from tests.fakes.operator_world import user

ALICE = FacilityUser.parse(user("alice", "cms", 20000))
PENDING = Pod("cms", "cms_alice", "Pending", 0, False, made=MADE)


@pytest.fixture
async def here() -> AsyncIterator[Here]:
    async with demanding() as made:
        yield made


def claims(here: Here, name: str) -> dict[str, Any]:
    token = here.api.get("Secret", name, BATCH)["stringData"]["token"]
    return dict(jwt.decode(token, options={"verify_signature": False, "verify_exp": False, "verify_iat": False}))


def renewals(here: Here, name: str) -> int:
    return here.api.writes().count(("PATCH", f"{BATCH}/secrets/{name}"))


async def waiting(here: Here) -> str:
    """A pod that no node has room for."""
    here.queues["cms"].jobs = idle()
    (first,) = await here.once(served())
    here.finds_no_room(first)
    here.api.writes()
    return first


async def test_the_token_of_a_pod_without_a_node_is_renewed_every_hour(here: Here) -> None:
    first = await waiting(here)
    here.clock.pass_by(EVERY - 1)
    await here.once(served())
    assert renewals(here, first) == 0
    here.clock.pass_by(1)
    await here.once(served())
    assert renewals(here, first) == 1
    told = claims(here, first)
    assert (told["sub"], told["iat"]) == ("cms_alice@pool", MADE + EVERY)
    assert "ownerReferences" in here.api.get("Secret", first, BATCH)["metadata"]
    await here.once(served())
    assert renewals(here, first) == 0


async def test_a_pod_that_has_a_node_lives_with_what_it_has_begun_with(here: Here) -> None:
    first = await waiting(here)
    here.gets_a_node(first)
    here.clock.pass_by(60)
    await here.once(served())
    here.starts(first)
    here.clock.pass_by(2 * EVERY)
    await here.once(served())
    assert renewals(here, first) == 0


async def test_the_next_operator_renews_what_is_old(here: Here) -> None:
    first = await waiting(here)
    here.clock.pass_by(30 * EVERY)
    await here.pods.refresh()
    await here.another().once([served()])
    assert renewals(here, first) == 1


async def test_a_pod_that_waited_for_a_day_does_not_retire_when_it_begins(here: Here) -> None:
    first = await waiting(here)
    here.clock.pass_by(24 * 3600)
    await here.once(served())
    here.gets_a_node(first)
    here.starts(first)
    here.queues["cms"].jobs = working(first)
    here.clock.pass_by(20 * 3600)
    await here.once(served())
    assert "analysis-facility.io/retire" not in here.annotations(first)
    here.clock.pass_by(2 * 3600)
    await here.once(served())
    assert here.annotations(first)["analysis-facility.io/retire"] == "its token grows old"


def test_a_pod_is_told_to_leave_before_it_does_so_by_itself_even_if_one_renewal_failed() -> None:
    assert execute._OLD + 2 * EVERY < idtoken.EXECUTE_LIFE / 2


class Renewed:
    """Who got another token; `refused`: who does not."""

    def __init__(self, *refused: str) -> None:
        self.names, self.refused = list[str](), refused

    async def __call__(self, name: str, user: FacilityUser) -> None:
        if name in self.refused:
            raise ClusterError("etcdserver: leader changed")
        self.names.append(name)


async def test_one_that_cannot_be_renewed_keeps_no_other_and_has_its_turn_in_an_hour(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, renewed = Clock(MADE + EVERY), Renewed("ep-a")
    tokens = Renewal(clock, renewed)
    for _ in range(2):
        await tokens.look({"ep-a": PENDING, "ep-b": PENDING}, {"cms_alice": ALICE})
    assert renewed.names == ["ep-b"]
    assert caplog.text.count("ep-a is renewed later: etcdserver") == 1
    renewed.refused = ()
    clock.pass_by(EVERY)
    await tokens.look({"ep-a": PENDING, "ep-b": PENDING}, {"cms_alice": ALICE})
    assert renewed.names == ["ep-b", "ep-a", "ep-b"]


async def test_no_token_is_made_for_somebody_who_has_gone() -> None:
    renewed = Renewed()
    await Renewal(Clock(MADE + EVERY), renewed).look({"ep": PENDING}, {})
    assert renewed.names == []


async def test_many_are_renewed_in_turn() -> None:
    renewed = Renewed()
    tokens, pods = Renewal(Clock(MADE + EVERY), renewed), {f"ep-{n}": PENDING for n in range(renewal._MOST + 5)}
    await tokens.look(pods, {"cms_alice": ALICE})
    assert len(renewed.names) == renewal._MOST
    await tokens.look(pods, {"cms_alice": ALICE})
    assert sorted(renewed.names) == sorted(pods)
