"""Agent and broker together: what its person may no longer have is gone from pod and broker within a moment.

The agent's own keeper listens at either of two replicas while something ends, or the issuer is away.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from facility.agent.keeper import Keeper
from facility.broker.store import Kind, StoreError
from facility.exchange import Broker
from tests.fakes.broker_world import SECRETS, SITE, USERS, VOS, World, eventually, facility, identity
from tests.fakes.patience import PATIENCE
from tests.fakes.replicas import ALICE, two

TOKENS, PERSON = f"{SECRETS}/tokens-{ALICE}", f"{USERS}/{ALICE}"
GROUPS = ("/cms/analysis",)


@dataclass
class Pod:
    """alice's pod: its directory, and the agent's keeper, which asks one replica."""

    directory: Path
    keeper: Keeper

    async def round(self) -> None:
        await asyncio.to_thread(self.keeper.round)

    async def begins(self, world: World) -> None:
        """Until it keeps all files; on a busy machine a replica may be short of time to renew."""
        async with asyncio.timeout(PATIENCE):
            while self.files() != ["compute", "lake"]:
                await asyncio.sleep(0.05)
                world.clock.pass_by(1)
                await self.round()

    async def hears(self) -> None:
        """Until the agent has heard news, and done what they mean."""
        await asyncio.wait_for(asyncio.to_thread(self.keeper.listen, 60.0), PATIENCE)

    def files(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir() if path.name in ("lake", "compute"))

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.directory / "status.json").read_text())
        return found


def pod(world: World, directory: Path) -> Pod:
    place, who = directory / "run", directory / "identity"
    place.mkdir()
    who.write_text(identity("alice-pod"))
    broker = Broker(world._broker_url, who, world.authority.client, world.clock, world.clock)
    return Pod(place, Keeper(broker, place, world.clock, lambda: 1.0, wall=world.clock))


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[World, World]]:
    """The replica that holds alice's shard, and the other one; alice has signed in."""
    async with two(tmp_path) as made:
        await eventually(lambda: all("cms" in each.broker.vos.names() for each in made))
        await made[0].sign_in(groups=GROUPS)
        await eventually(lambda: all(ALICE in each.broker._uids for each in made))
        yield made


async def suspended(world: World) -> None:
    world.change_vo(suspended=True)


async def going(world: World) -> None:
    world.begin_removal()


async def vanished(world: World) -> None:
    world.api.remove(f"{VOS}/cms")


async def other_groups(world: World) -> None:
    world.change_vo(login={"allowedGroups": ["/cms/other"]})


async def removed(world: World) -> None:
    world.api.remove(PERSON)


async def signed_out(world: World) -> None:
    assert (await world.ask("DELETE", f"/sessions/{ALICE}", "hub")).status == 204


async def revoked_and_asked_for(world: World) -> None:
    """The issuer has revoked the refresh token, which a program finds out that wants another token."""
    world.issuer.grants.clear()
    assert (await world.token(audience=world.compute, scope="compute.read")).error == "interaction_required"


async def revoked_and_looked_after(world: World) -> None:
    """Nobody wants a token, and the hub asks how the session is when its groups have grown old."""
    world.issuer.grants.clear()
    world.clock.pass_by(SITE.groups_refresh)
    await world.state()


Deed = Callable[[World], Coroutine[Any, Any, None]]
ENDS: dict[str, tuple[Deed, str]] = {
    "the VO is suspended": (suspended, "access_denied"),
    "the VO is being removed": (going, "access_denied"),
    "the VO's object has vanished": (vanished, "access_denied"),
    "the VO lets other groups in": (other_groups, "interaction_required"),
    "the person is removed": (removed, "interaction_required"),
    "the session is ended at the hub": (signed_out, "interaction_required"),
    "the refresh token is revoked, and one is wanted": (revoked_and_asked_for, "interaction_required"),
    "the refresh token is revoked, and none is wanted": (revoked_and_looked_after, "interaction_required"),
}


@pytest.mark.parametrize("asked", [0, 1], ids=["at the holder", "at the other"])
@pytest.mark.parametrize("end", ENDS)
async def test_files_and_cached_tokens_are_gone_at_once(
    pair: tuple[World, World], tmp_path: Path, end: str, asked: int
) -> None:
    agent, (deed, error) = pod(pair[asked], tmp_path), ENDS[end]
    await agent.begins(pair[0])
    await pair[0].broker.shelf.flush()
    assert TOKENS in pair[0].api.objects
    listening = asyncio.create_task(agent.hears())
    await eventually(lambda: pair[asked].broker.changes.count == 1)
    await deed(pair[1])
    await listening
    assert agent.files() == []
    assert {one["error"] for one in agent.status()["files"].values()} <= {error}
    assert agent.status()["broker"]["error"] == error
    await eventually(lambda: TOKENS not in pair[0].api.objects)
    assert not [one for each in pair for one in each.broker.cache.entries("cms", ALICE)]
    for each in pair:
        assert (await each.token()).error == error


async def test_a_removed_person_s_session_ends_at_the_issuer_too(pair: tuple[World, World]) -> None:
    refresh = next(iter(pair[0].issuer.grants))
    await pair[0].token()
    await removed(pair[0])
    await eventually(lambda: pair[0].issuer.revoked == [refresh])


async def test_a_store_that_is_away_gives_a_removed_person_nothing_and_is_tried_until_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with facility(tmp_path) as world:
        world.broker.departures._sleep = lambda _: asyncio.sleep(0.01)
        await world.sign_in()
        agent = pod(world, tmp_path)
        await agent.round()
        await eventually(lambda: ALICE in world.broker._uids)
        tried, delete = [], world.broker.store.delete

        async def away(kind: Kind, owner: str) -> None:
            tried.append(kind)
            raise StoreError("away")

        monkeypatch.setattr(world.broker.store, "delete", away)
        listening = asyncio.create_task(agent.hears())
        await eventually(lambda: world.broker.changes.count == 1)
        await removed(world)
        await listening
        assert agent.files() == []
        assert (await world.token()).error == "interaction_required"
        await eventually(lambda: tried.count(Kind.SESSION) > 2)
        monkeypatch.setattr(world.broker.store, "delete", delete)
        await eventually(lambda: f"{SECRETS}/session-{ALICE}" not in world.api.objects)


async def test_somebody_who_has_signed_in_again_meanwhile_keeps_the_new_session(tmp_path: Path) -> None:
    async with facility(tmp_path) as world:
        await world.sign_in()
        world.broker.departures.gone(ALICE)  # as if it came late, after the object that the sign-in made
        await asyncio.gather(*world.broker.departures._tasks)
        assert await world.state() == {"state": "good", "reason": "SignedIn"}
        assert (await world.token()).status == 200


async def test_an_outage_is_seen_in_the_pod_and_on_the_person_and_files_serve_to_their_end(tmp_path: Path) -> None:
    async with facility(tmp_path) as world:
        await world.sign_in()
        agent = pod(world, tmp_path)
        await agent.round()
        first = (agent.directory / "lake").read_text()
        world.issuer.down = True
        world.clock.pass_by(3500)
        await agent.round()
        assert (agent.directory / "lake").read_text() == first
        lake = agent.status()["files"]["lake"]
        assert (lake["state"], "The issuer gives no answer" in lake["error_description"]) == ("failing", True)
        told = await world.condition()
        assert (told["status"], told["reason"]) == ("Unknown", "IssuerUnavailable")
        world.clock.pass_by(100)
        await agent.round()
        assert agent.files() == []
        assert agent.status()["files"]["lake"]["error"] == "temporarily_unavailable"
        world.issuer.down = False
        world.clock.pass_by(60)
        await agent.round()
        assert agent.files() == ["compute", "lake"]
        assert agent.status()["files"]["lake"]["state"] == "good"
        assert (await world.condition())["reason"] == "SignedIn"
