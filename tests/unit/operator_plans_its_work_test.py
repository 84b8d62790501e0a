"""Things to do: each once, none twice at a time, failures ever later; questions asked each at its own time."""

from __future__ import annotations

import asyncio

import pytest

from facility.operator.agenda import Agenda
from facility.operator.coalesced import Coalesced
from facility.operator.index import Index
from facility.operator.lookout import Lookout
from facility.operator.rivals import Rivals
from tests.fakes.clock import Clock
from tests.fakes.patience import PATIENCE


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def agenda(clock: Clock) -> Agenda:
    return Agenda(quiet=1, gap=5, now=clock)


async def nothing(agenda: Agenda) -> bool:
    """Whether nothing is due."""
    try:
        async with asyncio.timeout(0.01):
            await agenda.take()
    except TimeoutError:
        return True
    return False


async def test_many_reasons_are_one_turn(agenda: Agenda, clock: Clock) -> None:
    for _ in range(5):
        agenda.add("cms")
    clock.pass_by(1)
    assert len(agenda) == 1
    assert await agenda.take() == "cms"
    assert await nothing(agenda)


async def test_it_waits_a_moment_for_further_reasons(agenda: Agenda, clock: Clock) -> None:
    agenda.add("cms")
    assert await nothing(agenda)
    clock.pass_by(1)
    assert await agenda.take() == "cms"


async def test_a_reason_that_comes_meanwhile_is_another_turn_afterwards(agenda: Agenda, clock: Clock) -> None:
    agenda.add("cms")
    clock.pass_by(1)
    await agenda.take()
    agenda.add("cms")
    clock.pass_by(10)
    assert await nothing(agenda)
    agenda.done("cms")
    clock.pass_by(5)
    assert await agenda.take() == "cms"


async def test_nothing_has_its_turn_too_often_and_others_do_not_wait_for_it(agenda: Agenda, clock: Clock) -> None:
    agenda.add("cms")
    clock.pass_by(1)
    agenda.done(await agenda.take())
    agenda.add("cms")
    agenda.add("atlas")
    clock.pass_by(2)
    assert await agenda.take() == "atlas"
    assert await nothing(agenda)
    clock.pass_by(3)
    assert await agenda.take() == "cms"


async def test_failures_are_tried_again_later_each_time(agenda: Agenda, clock: Clock) -> None:
    delays = []
    agenda.add("cms")
    for _ in range(10):
        clock.pass_by(100)
        delays.append(agenda.failed(await agenda.take()))
        assert await nothing(agenda)
    assert delays[0] <= 1
    assert 30 <= delays[-1] <= 60


async def test_what_went_well_comes_again_when_it_is_told_to(agenda: Agenda, clock: Clock) -> None:
    agenda.add("cms")
    clock.pass_by(1)
    agenda.done(await agenda.take(), again=100)
    clock.pass_by(99)
    assert await nothing(agenda)
    clock.pass_by(1)
    assert await agenda.take() == "cms"


async def test_an_earlier_reason_wins_over_a_later_one(agenda: Agenda, clock: Clock) -> None:
    agenda.add("cms", 100)
    agenda.add("cms", 10)
    agenda.add("cms", 50)
    clock.pass_by(10)
    assert await agenda.take() == "cms"
    agenda.done("cms", float("inf"))
    clock.pass_by(1000)
    assert await nothing(agenda)


async def test_a_reason_wakes_whoever_waits() -> None:
    quick = Agenda(quiet=0)
    taken = asyncio.create_task(quick.take())
    await asyncio.sleep(0)
    quick.add("cms")
    async with asyncio.timeout(PATIENCE):
        assert await taken == "cms"


class Oracle:
    """Answers with what it holds."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, str] = {}

    async def ask(self, key: str, before: str | None) -> str:
        self.asked.append(key)
        return self.answers.get(key, "nothing")

    @staticmethod
    def life(answer: str) -> float:
        return 10 if answer == "nothing" else 100


async def test_answers_are_good_for_a_while_and_only_changes_are_told(clock: Clock) -> None:
    oracle, told = Oracle(), list[str]()
    lookout = Lookout(oracle.ask, oracle.life, told.append, clock)
    lookout.want("cms", frozenset({"a"}))
    lookout.want("atlas", frozenset({"a"}))
    assert not lookout.complete("cms")
    await lookout.once()
    await lookout.once()
    assert (oracle.asked, told) == (["a"], ["atlas", "cms"])
    assert lookout.complete("cms")
    clock.pass_by(10)
    oracle.answers["a"] = "something"
    await lookout.once()
    assert (lookout.answers("cms"), len(told)) == ({"a": "something"}, 4)
    clock.pass_by(100)
    await lookout.once()
    assert len(told) == 4


async def test_what_nobody_wants_any_more_is_not_asked_and_forgotten(clock: Clock) -> None:
    oracle = Oracle()
    lookout = Lookout(oracle.ask, oracle.life, lambda _: None, clock)
    lookout.want("cms", frozenset({"a", "b"}))
    await lookout.once()
    lookout.want("cms", frozenset({"b", "c"}))
    assert lookout.answers("cms") == {"b": "nothing"}
    lookout.want("cms", frozenset())
    oracle.asked.clear()
    clock.pass_by(1000)
    await lookout.once()
    assert oracle.asked == []


async def test_a_question_that_hangs_holds_up_no_other(clock: Clock) -> None:
    hung, answered = asyncio.Event(), asyncio.Event()

    async def ask(key: str, _: str | None) -> str:
        if key == "slow":
            await hung.wait()
        return key

    lookout = Lookout(ask, lambda _: 100.0, lambda who: answered.set() if who == "quick" else None, clock)
    running = asyncio.create_task(lookout.run())
    lookout.want("slow", frozenset({"slow"}))
    lookout.want("quick", frozenset({"quick"}))
    async with asyncio.timeout(PATIENCE):
        await answered.wait()
    assert not lookout.complete("slow")
    running.cancel()


async def test_all_who_ask_before_a_run_begins_share_it_and_later_ones_get_another() -> None:
    runs, begun, gate = 0, asyncio.Event(), asyncio.Event()

    async def work() -> None:
        nonlocal runs
        runs += 1
        begun.set()
        await gate.wait()

    coalesced = Coalesced(work)
    first = [asyncio.create_task(coalesced.again()) for _ in range(3)]
    await begun.wait()
    later = [asyncio.create_task(coalesced.again()) for _ in range(3)]
    gate.set()
    await asyncio.gather(*first, *later)
    assert runs == 2


async def test_what_a_run_raises_everybody_hears_and_the_next_run_is_a_new_one() -> None:
    troubles = [ValueError("once")]

    async def work() -> None:
        if troubles:
            raise troubles.pop()

    coalesced = Coalesced(work)
    with pytest.raises(ValueError, match="once"):
        await coalesced.again()
    await coalesced.again()


@pytest.mark.parametrize(
    ("one", "other", "rivals"),
    [
        (("https://a/", {"/cms"}), ("https://a", {"/atlas"}), True),
        (("https://a/", {"/cms"}), ("https://b", {"/cms/sub"}), True),
        (("https://a/", {"/cms/sub"}), ("https://b", {"/cms"}), True),
        (("https://a/", {"/cms"}), ("https://b", {"/cms2"}), False),
        (("https://a/", {"/cms/x"}), ("https://b", {"/cms/y"}), False),
        (("", {"/cms"}), ("", {"/atlas"}), False),
    ],
)
def test_rivals_claim_one_issuer_or_prefixes_that_meet(
    one: tuple[str, set[str]], other: tuple[str, set[str]], rivals: bool
) -> None:
    known = Rivals()
    known.note("one", one[0], frozenset(one[1]))
    concerned = known.note("other", other[0], frozenset(other[1]))
    assert concerned == ({"one"} if rivals else set())
    assert known.of("one") == ({"other"} if rivals else set())


def test_whoever_gives_up_a_claim_concerns_their_old_rivals() -> None:
    known = Rivals()
    known.note("one", "https://a", frozenset())
    known.note("other", "https://a", frozenset())
    assert known.note("other", "https://b", frozenset()) == {"one"}
    assert known.note("other", "https://b", frozenset()) == set()
    assert known.note("one") == set()
    assert known.of("one") == set()


def test_an_index_follows_what_moves() -> None:
    index: Index[str] = Index()
    index.move("alice", None, "cms")
    index.move("bob", None, "cms")
    index.move("alice", "cms", "atlas")
    index.move("bob", "cms", None)
    assert (index.of("cms"), index.of("atlas"), list(index)) == (frozenset(), {"alice"}, ["atlas"])
