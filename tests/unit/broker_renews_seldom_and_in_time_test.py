"""Over a day: hardly more than one request for each life of a token, and never less left than was promised."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facility.agent import renewal as agent
from facility.agent.state import Kept
from facility.broker.cache import AGAIN, Entry, Key, Token, TokenCache
from facility.broker.errors import BrokerError, unavailable
from facility.exchange import Token as Handed
from facility.exchange import Wanted
from tests.bench import token_day
from tests.fakes import virtual_time
from tests.fakes.broker_world import LAKE, OPEN, facility

KEY = Key("cms", "cms-alice", LAKE, OPEN)
DAY = 86400.0


class Issuing:
    """An issuer that takes its time, and notes when it was asked."""

    def __init__(self, life: float, latency: float = 0.05) -> None:
        self.life, self.latency = life, latency
        self.asked: list[float] = []
        self.away = False

    async def __call__(self, _need: float) -> Token:
        """A new token."""
        self.asked.append(virtual_time.now())
        await asyncio.sleep(self.latency)
        if self.away:
            raise unavailable("away")
        return Token(f"token-{len(self.asked)}", OPEN, virtual_time.now() + self.life)


@given(
    life=st.sampled_from([60, 240, 900, 3600, 21600]),
    asks=st.lists(st.tuples(st.floats(0, DAY), st.sampled_from([0.0, 0.1, 0.3, 0.5])), min_size=1, max_size=400),
)
@settings(deadline=None, max_examples=40)
def test_nobody_gets_less_than_was_promised(life: float, asks: list[tuple[float, float]]) -> None:
    async def work() -> None:
        issuing, cache = Issuing(life), TokenCache(virtual_time.now)
        began = virtual_time.now()
        for moment, part in sorted(asks):
            await asyncio.sleep(max(0.0, began + moment - virtual_time.now()))
            token = await cache.get(KEY, issuing, part * life)
            left = token.expires - virtual_time.now()
            assert left >= part * life
            assert left >= 0.8 * min(life / 2, 150)

    virtual_time.run(work())


@given(every=st.floats(20, 110), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=10)
def test_a_day_of_hour_long_tokens_is_hardly_more_than_a_request_an_hour(every: float, seed: int) -> None:
    async def work() -> int:
        issuing, cache = Issuing(3600), TokenCache(virtual_time.now)
        await asyncio.sleep(seed)
        for _ in range(int(DAY / every)):
            await cache.get(KEY, issuing)
            await asyncio.sleep(every)
        return len(issuing.asked)

    assert virtual_time.run(work()) - 1 <= 24 * 1.05


async def test_more_than_two_thirds_of_a_life_cannot_be_promised() -> None:
    cache, calls = TokenCache(lambda: 1000.0), []

    async def fetch(_: float) -> Token:
        calls.append(1)
        return Token("token", OPEN, 1000.0 + 60)

    for _ in range(2):  # with and without a token at hand
        with pytest.raises(BrokerError, match="min_valid can be 40 at most"):
            await cache.get(KEY, fetch, 41)
    assert (await cache.get(KEY, fetch, 40)).value == "token"
    assert len(calls) == 1


def test_who_has_a_token_waits_a_second_for_the_next_and_who_has_none_a_bit_longer() -> None:
    async def work() -> None:
        issuing, cache = Issuing(3600, latency=30), TokenCache(virtual_time.now)
        loop = asyncio.get_running_loop()
        with pytest.raises(BrokerError, match="takes its time"):
            await cache.get(KEY, issuing)
        assert loop.time() == pytest.approx(8, abs=0.01)
        await asyncio.sleep(30)
        first = await cache.get(KEY, issuing)  # what had been asked for came all the same
        assert len(issuing.asked) == 1
        await asyncio.sleep(3450)
        began = loop.time()
        assert await cache.get(KEY, issuing, 1800) == first
        assert loop.time() - began == pytest.approx(1, abs=0.01)
        await asyncio.sleep(30)
        assert (await cache.get(KEY, issuing, 1800)).value == "token-2"

    virtual_time.run(work())


def test_what_failed_is_not_tried_again_with_every_ask() -> None:
    async def work() -> None:
        issuing, cache = Issuing(3600), TokenCache(virtual_time.now)
        first = await cache.get(KEY, issuing)
        await asyncio.sleep(3500)
        issuing.away = True
        for _ in range(100):
            assert await cache.get(KEY, issuing, 1800) == first
            await asyncio.sleep(AGAIN / 100)
        assert len(issuing.asked) == 2

    virtual_time.run(work())


async def test_what_an_earlier_process_had_serves_by_the_same_rule() -> None:
    now = [1000.0]
    told: list[Key] = []
    cache = TokenCache(lambda: now[0], lambda: 0, told.append)
    good, over = Token("good", OPEN, 4600.0), Token("over", OPEN, 999.0)
    other = Key("cms", "cms-bob", LAKE, OPEN)
    cache.restore([Entry(KEY, good, 3600), Entry(other, over, 3600)])
    assert [one.token for one in cache.entries()] == [good]
    cache.restore([Entry(KEY, Token("older", OPEN, 4000.0), 3600)])

    async def fetch(_: float) -> Token:
        return Token("new", OPEN, now[0] + 3600)

    assert await cache.get(KEY, fetch) == good
    now[0] = 4600.0 - 149
    assert (await cache.get(KEY, fetch)).value == "new"
    assert told == [KEY]
    cache.drop("cms")
    assert (told, cache.entries()) == ([KEY, KEY], [])


def test_a_day_of_the_whole_broker_asks_seldom_and_leaves_nobody_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_day, "PEOPLE", 25)
    rows = token_day.measured()
    assert 1.0 < rows["P2"]["value"] <= 1.05
    assert rows["P2_least_left_s"]["value"] > 60
    assert rows["P2_files_without"]["value"] == 0


def test_an_agent_that_gets_its_old_token_back_asks_again_at_once() -> None:
    old = Handed("old", 3600.0)
    kept = Kept(Wanted("lake", LAKE), old, 3600.0)
    again = agent.renewed(kept, old, 3485.0, 0.9)
    assert (again.state, again.due) == ("failing", pytest.approx(3485.9))
    news = agent.renewed(kept, Handed("new", 3485.0 + 3600), 3485.0, 0.9)
    assert (news.state, news.due) == ("good", pytest.approx(3485 + 3600 - 117))


async def test_life_is_asked_for_in_seconds(tmp_path: Path) -> None:
    async with facility(tmp_path) as world:
        await world.sign_in()
        first = (await world.token()).body["access_token"]
        world.clock.pass_by(2000)
        assert (await world.token(min_valid="1500")).body["access_token"] == first
        assert (await world.token(min_valid="1700")).body["access_token"] != first
        refused = await world.token(min_valid="2401")
        assert (refused.status, "2400 at most" in refused.description) == (400, True)
