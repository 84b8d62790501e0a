"""Not faster than an issuer bears, by need, and not at all while it is away: the pace, the circuit, and the two."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facility.broker.circuit import FIRST, LONGEST, NOBODY, TOLD, Circuit
from facility.broker.line import Line
from facility.broker.pace import BURST, Bucket, Pace
from facility.exchange import SHORTEST
from facility.tokens.wire import Request, Response, UnavailableError, seconds_to_wait
from facility.vo import VirtualOrganization
from tests.bench import token_day
from tests.fakes import virtual_time
from tests.fakes.clock import Clock
from tests.fakes.virtual_time import run

ASK = Request("POST", "https://iam.test/token")


def clock() -> float:
    return asyncio.get_running_loop().time()


def most_in(window: float, moments: list[float]) -> float:
    """Most of these in any window of that many seconds."""
    return token_day.busiest(moments, window) * window


@given(rate=st.floats(0.1, 50), waits=st.lists(st.floats(0, 3), max_size=200), window=st.floats(0.5, 20))
@settings(deadline=None, max_examples=60)
def test_no_window_ever_has_more_than_its_rate_and_one_burst(rate: float, waits: list[float], window: float) -> None:
    at, moments, bucket = 0.0, [], Bucket(rate, 0.0)
    for wait in waits:
        at += wait
        at += bucket.wait(at)
        bucket.take()
        moments.append(at)
    assert most_in(window, moments) <= max(1.0, rate * BURST) + rate * window + 1


def test_who_needs_it_soonest_goes_first_and_equals_in_their_order() -> None:
    order: list[str] = []

    async def ask(pace: Pace, name: str, need: float) -> None:
        await pace.turn(need)
        order.append(name)

    async def work() -> None:
        pace = Pace(1.0, clock)
        asks = [("a", 9.0), ("b", 9.0), ("groups", 600.0), ("renewal", 100.0), ("first", 5.0), ("second", 5.0)]
        await asyncio.gather(*(ask(pace, *one) for one in asks))
        assert clock() == pytest.approx(4, abs=0.01)  # two at once, four by the second

    run(work())
    assert order == ["a", "b", "first", "second", "renewal", "groups"]


def test_one_who_goes_away_takes_no_turn() -> None:
    async def work() -> None:
        pace = Pace(1.0, clock)
        await asyncio.gather(pace.turn(0), pace.turn(0))
        gone = asyncio.create_task(pace.turn(0))
        stays = asyncio.create_task(pace.turn(1))
        await asyncio.sleep(0)
        gone.cancel()
        await stays
        assert clock() == pytest.approx(1, abs=0.01)

    run(work())


def test_further_requests_are_made_up_for_later() -> None:
    async def work() -> None:
        pace = Pace(1.0, clock)
        for _ in range(4):
            pace.charge()
        await pace.turn(0)
        assert clock() == pytest.approx(3, abs=0.01)

    run(work())


def test_a_new_rate_counts_from_now_on() -> None:
    async def work() -> None:
        pace = Pace(0.1, clock)
        await pace.turn(0)
        pace.at(10)
        await pace.turn(0)
        assert clock() == pytest.approx(0.1, abs=0.01)

    run(work())


def lasting(failures: int, spread: float, life: float | None = None) -> list[float]:
    """Seconds for which an issuer is left alone after each of some failures in a row; `life`: of its tokens."""
    now, found, circuit = Clock(), [], Circuit(lambda: spread)
    if life is not None:
        circuit.lasting(life)
    for _ in range(failures):
        circuit.failed(now())
        began = now()
        while True:
            try:
                circuit.admit(now())
                break
            except UnavailableError:
                now.pass_by(0.25)
        found.append(now() - began)
    return found


def test_an_issuer_is_left_alone_for_longer_and_longer_up_to_a_minute() -> None:
    assert lasting(9, 1.0) == [FIRST, 2, 4, 8, 16, 32, LONGEST, LONGEST, LONGEST]
    assert lasting(3, 0.0) == [0.5, 1, 2]


def test_an_issuer_whose_tokens_live_for_a_minute_is_not_left_alone_for_one() -> None:
    assert lasting(6, 1.0, 60) == [FIRST, 2, 4, SHORTEST, SHORTEST, SHORTEST]
    assert lasting(6, 1.0, 120) == [FIRST, 2, 4, 8, 10, 10]
    assert lasting(8, 1.0, 3600) == lasting(8, 1.0)
    assert max(lasting(8, 1.0, 1)) == SHORTEST


def test_one_finds_out_and_all_others_are_told_to_come_back() -> None:
    circuit = Circuit(lambda: 0.0)
    circuit.failed(0.0)
    probe = circuit.admit(10.0)
    for _ in range(3):
        with pytest.raises(UnavailableError) as refused:
            circuit.admit(10.0)
        assert refused.value.retry_after >= FIRST
    circuit.released(probe)  # it never got to ask
    second = circuit.admit(10.0)
    circuit.released(probe)  # and says so late
    with pytest.raises(UnavailableError):
        circuit.admit(10.0)
    circuit.answered()
    circuit.released(second)
    assert [circuit.admit(10.0) for _ in range(3)] == [0, 0, 0]


def test_those_who_had_asked_before_say_nothing_new() -> None:
    circuit = Circuit(lambda: 1.0)
    for _ in range(20):
        circuit.failed(0.0)
    assert circuit.admit(FIRST)


@pytest.mark.parametrize(("said", "heeded"), [(30.0, 30.0), (0.2, FIRST), (1e9, TOLD)])
def test_an_issuer_s_own_word_counts(said: float, heeded: float) -> None:
    circuit = Circuit(lambda: 1.0)
    circuit.failed(0.0, said)
    with pytest.raises(UnavailableError):
        circuit.admit(heeded - 0.1)
    assert circuit.admit(heeded)


def test_not_everybody_is_told_to_come_back_in_the_same_second() -> None:
    circuit = Circuit()
    circuit.failed(0.0, 100)
    waits = [circuit.wait(0.0) for _ in range(1000)]
    assert (min(waits) >= 100, max(waits) <= 200, max(waits) - min(waits) > 80) == (True, True, True)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30.0),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
        ("", 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
        ("Fri, 99 Jan 2027 08:00:30 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float) -> None:
    assert seconds_to_wait(text, 1_800_000_000.0) == seconds


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (Response(200), False),
        (Response(400), False),
        (Response(401), False),
        (Response(403, kind="text/html"), False),
        (Response(200, b"<html>", "text/html"), True),
        (Response(200, b"\n", "text/html"), False),
        (Response(302), True),
        (Response(429), True),
        (Response(500), True),
        (Response(503, kind="text/html"), True),
    ],
)
def test_a_refusal_is_an_issuer_at_work_and_a_web_page_is_none(answer: Response, trouble: bool) -> None:
    assert answer.trouble is trouble


class Wire:
    """Stands for the transport: notes when it was asked, and answers in a tenth of a second."""

    def __init__(self, answer: Callable[[], Response | None]) -> None:
        self.asked: list[float] = []
        self._answer = answer

    async def send(self, _: Request) -> Response:
        """Answers, or fails while there is no answer."""
        self.asked.append(clock())
        await asyncio.sleep(0.1)
        if (answer := self._answer()) is None:
            raise UnavailableError("nobody there")
        return answer


async def asking(line: Line, wish: int, need: float, got: dict[int, float]) -> None:
    """Somebody who wants a token and comes back as they are told until there is one."""
    while wish not in got:
        try:
            async with line.turn(need):
                await line.send(ASK)
                got[wish] = clock()
        except UnavailableError as error:
            await asyncio.sleep(max(1.0, error.retry_after))


def test_five_thousand_who_are_due_after_an_outage_make_no_storm() -> None:
    down, people, rate = 600.0, 5000, 5.0
    got: dict[int, float] = {}

    async def work() -> tuple[list[float], list[float]]:
        wire = Wire(lambda: None if clock() < down else Response(200))
        line = Line(wire, rate, clock)  # type: ignore[arg-type]
        await asyncio.gather(*(asking(line, one, float(one), got) for one in range(people)))
        during = [moment for moment in wire.asked if moment < down]
        return during, [moment for moment in wire.asked if moment >= down]

    during, after = run(work())
    assert len(got) == people
    # the first few were under way when it went; then one at a time, at last once in a minute
    assert len(during) <= BURST * rate + 20
    assert min(after) <= down + LONGEST
    assert len(after) == people
    assert most_in(10, after) <= rate * (10 + BURST)
    assert most_in(1, after) <= rate * (1 + BURST)
    assert max(after) - min(after) <= people / rate + 1


def test_hundreds_of_agents_whose_tokens_ended_in_an_outage_make_no_storm_either() -> None:
    """As before, with all parts: agents, cache, renewal, sessions. Nobody's file is there any more when it ends."""
    people, down, back = 400, 3000.0, 4300.0

    async def work() -> tuple[list[float], list[str]]:
        iam, crowd = token_day.Iam(), token_day.Facility()
        crowd.process = process = token_day.Process(await token_day.documents_of(people), iam)
        process.vo = with_pace(process.vo, 50)  # to come in, and slower later on
        dice = random.Random(1)
        agents = [asyncio.create_task(crowd.keep(f"cms-p{n}", dice.uniform(0, 600), 5500, dice)) for n in range(people)]
        await asyncio.sleep(down)
        iam.down, process.vo = True, token_day.vo()
        await asyncio.sleep(back - down)
        said = [(await process.sessions.peek(f"cms-p{n}")).state[1] for n in range(people)]  # type: ignore[union-attr]
        iam.down, began = False, virtual_time.now()
        await asyncio.sleep(people / 5 + LONGEST + 60)
        assert len(process.cache.entries()) == people
        for one in agents:
            one.cancel()
        await asyncio.gather(*agents, return_exceptions=True)
        await process.end(True)
        return [moment - began for moment in iam.asked], said

    with token_day.unsigned():
        asked, said = run(work())
    assert set(said) == {"IssuerUnavailable"}
    during = [moment for moment in asked if down - back <= moment < 0]
    after = [moment for moment in asked if moment >= 0]
    assert len(during) < 20 + (back - down) / 30  # about once a minute
    assert most_in(10, after) <= 5 * (10 + BURST)
    assert sum(moment < people / 5 + LONGEST for moment in after) >= people * 0.98


def with_pace(vo: VirtualOrganization, rate: float) -> VirtualOrganization:
    """The VO, asking its issuer so much a second."""
    tokens = vo.spec.tokens.model_copy(update={"requests_per_second": rate})
    return vo.model_copy(update={"spec": vo.spec.model_copy(update={"tokens": tokens})})


def test_whoever_waits_for_a_turn_is_sent_away_at_once_when_the_issuer_goes() -> None:
    async def work() -> None:
        line = Line(Wire(lambda: None), 1.0, clock)  # type: ignore[arg-type]
        asks = [asyncio.create_task(once(line)) for _ in range(100)]
        found = await asyncio.gather(*asks, return_exceptions=True)
        assert all(isinstance(one, UnavailableError) for one in found)
        assert clock() < 0.2

    run(work())


def test_a_process_that_ends_waits_for_nobody_s_turn() -> None:
    async def work() -> None:
        line = Line(Wire(lambda: Response(200)), 1.0, clock)  # type: ignore[arg-type]
        asks = [asyncio.create_task(once(line)) for _ in range(100)]
        await asyncio.sleep(0.5)
        line.stop()
        found = await asyncio.gather(*asks, return_exceptions=True)
        assert sum(isinstance(one, UnavailableError) for one in found) == 98
        assert clock() < 1

    run(work())


def test_what_is_in_no_hurry_finds_out_whether_an_issuer_is_back_only_when_nobody_else_does() -> None:
    async def work() -> None:
        wire = Wire(lambda: None if clock() < 10 else Response(200))
        line = Line(wire, 1.0, clock)  # type: ignore[arg-type]
        await asyncio.gather(once(line), return_exceptions=True)
        await asyncio.sleep(20)
        with pytest.raises(UnavailableError):
            await once(line, probe=False)
        assert len(wire.asked) == 1
        await asyncio.sleep(20)
        background, person = asyncio.create_task(once(line, probe=False)), asyncio.create_task(once(line))
        assert (await person).status == 200
        with pytest.raises(UnavailableError):
            await background

    run(work())


def test_it_does_when_nobody_else_does() -> None:
    async def work() -> None:
        line = Line(Wire(lambda: None if clock() < 10 else Response(200)), 1.0, clock)  # type: ignore[arg-type]
        await asyncio.gather(once(line), return_exceptions=True)
        await asyncio.sleep(NOBODY + 10)
        assert (await once(line, probe=False)).status == 200

    run(work())


def once(line: Line, probe: bool = True) -> Coroutine[Any, Any, Response]:
    """One request in its turn."""

    async def ask() -> Response:
        async with line.turn(0, probe):
            return await line.send(ASK)

    return ask()
