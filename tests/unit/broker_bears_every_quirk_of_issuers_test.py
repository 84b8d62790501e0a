"""Every habit and every bad day of an INDIGO IAM, and what comes of it, for both ways to ask for tokens.

Each row: alice signs in and gets her tokens; something befalls the issuer; her lake's token is nearly over and asked
for again (`due`); the quirk goes away, time passes, and it is asked for once more (`after`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from facility.dev.issuer import mint
from facility.dev.issuer.settings import CODE, REFRESH, Client
from tests.fakes import issuer
from tests.fakes.broker_world import LAKE, SITE, World, eventually, facility
from tests.fakes.clock import Clock
from tests.fakes.issuer import HUB, ROTATING, Running

SCOPES, COMPUTE = ("storage.read:/",), ("compute.read", "compute.create")
LIFE = 3600
#: what comes of asking: a token that was not there before, the one at hand, or an error
NEW, LAST_GOOD, NOTHING_GRANTED, SIGN_IN, AWAY = "new", "last good", "access_denied", "interaction_required", "away"
GOOD, GONE = ("good", "SignedIn"), ("dead", "SignInAgain")
UNAVAILABLE, CLIENT = ("unknown", "IssuerUnavailable"), ("unknown", "ClientRefused")
Deed = Callable[["Stage"], Any]


@dataclass
class Stage:
    """Broker, issuer, and alice with her first tokens."""

    world: World
    iam: Running
    seen: set[str] = field(default_factory=set)

    async def ask(self, audience: str = LAKE, scope: str = "") -> str:
        """What comes of asking for a token."""
        answer = await self.world.token("pod", audience, scope=scope)
        if answer.status == 503:
            return AWAY
        if answer.status != 200:
            return answer.error
        token = answer.body["access_token"]
        known, _ = token in self.seen, self.seen.add(token)
        return LAST_GOOD if known else NEW

    def pass_by(self, seconds: float) -> None:
        """Lets time pass for both."""
        self.world.clock.pass_by(seconds)
        self.iam.clock.now = self.world.clock.now

    async def at_issuer(self, deed: Callable[..., Any], **how: Any) -> None:
        """Something that is done at the issuer, by a blocking client."""
        await asyncio.to_thread(deed, **how)


def mood(**how: Any) -> Deed:
    """The issuer answers like this from now on."""
    return lambda stage: stage.at_issuer(stage.iam.mood, **how)


ALL_IS_WELL = mood()


async def slow(stage: Stage) -> None:
    """Answers take longer than the broker waits."""
    stage.world.broker._transport._limits = aiohttp.ClientTimeout(total=0.1)
    await stage.at_issuer(stage.iam.mood, delay=0.5)


async def no_longer_slow(stage: Stage) -> None:
    """All is well again."""
    stage.world.broker._transport._limits = aiohttp.ClientTimeout(total=10)
    await stage.at_issuer(stage.iam.mood)


def person(**how: Any) -> Deed:
    """Alice is changed at the issuer like this."""
    return lambda stage: stage.at_issuer(stage.iam.change, **how)


async def nothing(_: Stage) -> None:
    """Nothing befalls: the quirk is the issuer's habit."""


async def groups_are_asked_for(stage: Stage) -> None:
    """The broker uses the refresh token for something else, and the issuer clears what it gave before.

    Another token is to be had at once all the same: what would be exchanged for it has not expired, and is gone.
    """
    stage.pass_by(SITE.groups_refresh)
    await stage.world.standing("iam-alice")
    await stage.world.broker.groups.settle()
    assert await stage.ask(stage.world.compute, COMPUTE[0]) == NEW


async def a_key_is_added(stage: Stage) -> None:
    """And signs at once, as nobody waits for verifiers to hear of it."""
    (stage.iam.files.keys / "rsa2.pem").write_text(mint.signing_key())


async def more_is_wanted(stage: Stage) -> None:
    """The VO's admins let people do more than their sessions were granted."""
    spec = {"batch": {"scopes": [*COMPUTE, "compute.cancel"]}}
    stage.world.change_vo("iam", **spec)
    await eventually(lambda: "compute.cancel" in str(stage.world.broker.vos.find("iam")))


@dataclass(frozen=True)
class Quirk:
    """`settings` and `client`: the issuer's, from the start. `due`, `state`, `after`: what is expected; where the two
    ways to ask differ, the one of exchanges in `exchanged`."""

    title: str
    befalls: Deed = nothing
    settings: dict[str, Any] = field(default_factory=dict)
    client: Client = HUB
    first: str = NEW
    due: str = NEW
    state: tuple[str, str] = GOOD
    goes: Deed = ALL_IS_WELL
    after: str = NEW
    exchanged: dict[str, Any] = field(default_factory=dict)

    def by(self, grant: str) -> Quirk:
        """What is expected by this grant."""
        more = self.exchanged if grant == "Exchange" else {}
        return Quirk(**{**{name: getattr(self, name) for name in self.__dataclass_fields__}, **more})


def changed(client: Client, **change: Any) -> Client:
    return client.model_copy(update=change)


MEAN = changed(HUB, client_id="mean", grant_types=(CODE, REFRESH))
KIND = changed(ROTATING, client_id="kind", refresh_token_grace=86400)
KEEPS = changed(HUB, client_id="keeps", clear_access_tokens_on_refresh=False)
AWAY_NOW: dict[str, Any] = {"due": LAST_GOOD, "state": UNAVAILABLE}

QUIRKS = [
    Quirk("an audience is forgotten from one refresh to the next"),
    Quirk("up-scoping is refused, so it is never tried", more_is_wanted),
    Quirk("scopes are silently reduced at the sign-in", settings={"group_scopes": {}}, first=NOTHING_GRANTED,
          due=NOTHING_GRANTED, after=NOTHING_GRANTED),
    Quirk("scopes are silently reduced later", person(groups=["/Production"]), due=NOTHING_GRANTED,
          goes=person(groups=["/Analysis"])),
    Quirk("refresh tokens are rotated without grace", client=ROTATING),
    Quirk("refresh tokens are rotated with grace", client=KIND),
    Quirk("an answer is cut off after a rotation without grace", mood(cut=True), client=ROTATING, **AWAY_NOW,
          after=SIGN_IN),
    Quirk("an answer is cut off after a rotation with grace", mood(cut=True), client=KIND, **AWAY_NOW),
    Quirk("access tokens are cleared on refresh", groups_are_asked_for),
    Quirk("access tokens are kept on refresh", groups_are_asked_for, client=KEEPS),
    Quirk("access tokens are on no record, so none is ever cleared", groups_are_asked_for,
          settings={"access_tokens_on_record": False}),
    Quirk("the AUP is to be signed", person(aup_due=True), due=SIGN_IN, state=GONE, goes=person(aup_due=False),
          after=SIGN_IN),
    Quirk("the account is disabled", person(active=False), due=SIGN_IN, state=GONE, goes=person(active=True),
          after=SIGN_IN),
    Quirk("an exchange is not for this client", client=MEAN,
          exchanged={"first": AWAY, "due": AWAY, "state": CLIENT, "after": AWAY}),
    Quirk("an exchange gives nothing that the exchanged token lacks", settings={"exchange_widens": False}),
    Quirk("iss has no trailing slash", settings={"slash": False}),
    Quirk("keys are rotated", a_key_is_added, settings={"publish_ahead": 0}),
    Quirk("answers are slow", slow, goes=no_longer_slow, **AWAY_NOW),
    Quirk("answers are slow and refresh tokens rotated without grace", slow, client=ROTATING, **AWAY_NOW,
          goes=no_longer_slow, after=SIGN_IN),
    Quirk("an answer is cut off", mood(cut=True), **AWAY_NOW),
    Quirk("429 with Retry-After", mood(status=429, retry_after=30), **AWAY_NOW),
    Quirk("500", mood(status=500), **AWAY_NOW),
    Quirk("503 with Retry-After", mood(status=503, retry_after=3), **AWAY_NOW),
    Quirk("a web page with 502", mood(status=502, page=True), **AWAY_NOW),
    Quirk("a web page with 200 instead of JSON", mood(page=True), **AWAY_NOW),
    Quirk("keys and metadata are away, tokens are there",
          mood(paths=["/jwk", "/.well-known/openid-configuration"], status=500)),
]  # fmt: skip


def talking(iam: Running) -> list[Any]:
    """Connections to the issuer that are not all closed: such as were cut or given up take a moment."""
    port = iam.issuer.settings.issuer.strip("/").rpartition(":")[2]
    known = list(asyncio.get_running_loop()._transports.values())  # type: ignore[attr-defined]
    return [one for one in known if one._sock and str((one.get_extra_info("peername") or [0, 0])[1]) == port]


@asynccontextmanager
async def stage(directory: Path, quirk: Quirk, tokens: dict[str, Any]) -> AsyncIterator[Stage]:
    (directory / "iam").mkdir()
    clients = (MEAN, KIND, KEEPS)
    with issuer.serving(directory / "iam", clients=clients, **quirk.settings) as iam:
        async with facility(directory) as world:
            world.trust(iam.bundle)
            lake = {"prefix": "/iam", "origin": LAKE, "audience": LAKE, "scopes": SCOPES}
            world.add_vo("iam", issuer=iam.issuer.settings.issuer, lakes=[lake], batch={"scopes": COMPUTE},
                         tokens={"requestsPerSecond": 1000} | tokens)  # fmt: skip
            world.set_client("iam", str(quirk.client.client_secret), quirk.client.client_id)
            world.add_pod("pod", "iam-alice")
            await eventually(lambda: world.broker.vos.find("iam") is not None)
            answer = await asyncio.to_thread(iam.sign_in, client=quirk.client)
            handed = await world.hand_over("alice", answer["refresh_token"], tuple(answer["scope"].split()),
                                           vo="iam", sub=issuer.ALICE.sub, groups=issuer.ALICE.groups)  # fmt: skip
            assert handed.status == 201
            yield Stage(world, iam)
            await eventually(lambda: not talking(iam))


@pytest.mark.parametrize("grant", ["Refresh", "Exchange"])
@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: quirk.title)
async def test_it_is_borne(tmp_path: Path, quirk: Quirk, grant: str) -> None:
    expected = quirk.by(grant)
    async with stage(tmp_path, quirk, {"grant": grant}) as it:
        assert await it.ask() == expected.first
        compute = await it.ask(it.world.compute)
        assert compute == (NEW if expected.first == NOTHING_GRANTED else expected.first)
        await quirk.befalls(it)
        it.pass_by(LIFE - 100 - (it.world.clock.now - Clock().now))
        assert await it.ask() == expected.due
        assert await it.world.state("iam-alice") == dict(zip(("state", "reason"), expected.state, strict=True))
        await quirk.goes(it)
        it.pass_by(LIFE)
        assert await it.ask() == expected.after
        compute = await it.ask(it.world.compute)
        assert compute == (NEW if expected.after == NOTHING_GRANTED else expected.after)


async def test_an_issuer_that_says_when_to_come_back_is_left_alone_until_then(tmp_path: Path) -> None:
    async with stage(tmp_path, QUIRKS[0], {}) as it:
        await it.at_issuer(it.iam.mood, status=429, retry_after=30)
        assert await it.ask() == AWAY
        await it.at_issuer(it.iam.mood)
        it.pass_by(29)
        answer = await it.world.token("pod")
        assert (answer.status, 1 <= int(answer.headers["Retry-After"]) <= 2) == (503, True)
        it.pass_by(1)
        assert await it.ask() == NEW


async def test_an_exchanged_token_tells_who_asked_for_it_and_comes_of_one_refresh(tmp_path: Path) -> None:
    async with stage(tmp_path, QUIRKS[0], {"grant": "Exchange", "exchangeClient": {"name": "other-client"}}) as it:
        it.world.set_client("other", str(ROTATING.client_secret), ROTATING.client_id)
        for audience in (LAKE, it.world.compute):
            token = (await it.world.token("pod", audience)).body["access_token"]
            found = issuer.claims(token)
            assert (found["client_id"], found["act"], found["aud"]) == ("rotating", {"sub": "rotating"}, audience)
            assert found["sub"] == issuer.ALICE.sub
        held = it.world.broker.cache.entries("iam", "iam-alice")
        assert sorted(entry.key.audience for entry in held) == sorted(["", LAKE, it.world.compute])
