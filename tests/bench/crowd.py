"""A hub with 500 people signed in: its memory, and how fast it answers them. The people are accounts made for this."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import aiohttp

from facility.dev.demo import place, world
from facility.dev.demo.mainjob import Stage
from facility.dev.demo.person import Person
from facility.dev.demo.secrets import people_of, secret
from facility.dev.issuer import mint
from tests.bench.figures import Row, row
from tests.bench.memory import working_sets

PEOPLE = 500
_AT_A_TIME = 8
_ASKED = 1000  # requests whose times are counted


def crowd(stage: Stage) -> dict[str, Row]:
    """Seconds of a sign-in, the hub's memory before and after, and its answers to people who are signed in."""
    before = _hub(stage)
    with accounts(stage, PEOPLE) as (crowded, vo):
        signing_in, asked = asyncio.run(_come(crowded, vo))
    after = _hub(stage)
    quick = statistics.quantiles(asked, n=100)
    return {
        "hub_500_MiB": row(after, "MiB", beside=f"{before} MiB before"),
        "hub_500_sign_in_median_s": row(round(statistics.median(signing_in), 2), "s", beside=f"{_AT_A_TIME} at a time"),
        "hub_500_reply_p50_ms": row(round(quick[49] * 1000, 1), "ms", beside=f"{_AT_A_TIME} at a time"),
        "hub_500_reply_p99_ms": row(round(quick[98] * 1000, 1), "ms", beside=f"{_AT_A_TIME} at a time"),
    }


def _hub(stage: Stage) -> float:
    """MiB of the hub; the kubelet measures a new pod only after a while."""
    found: list[float] = []

    def measured() -> bool:
        found[:] = [mib for (_, name), mib in working_sets(stage).items() if name.startswith("hub-")]
        return bool(found)

    stage.cluster.wait_for("the kubelet's figure of the hub", measured, 60)
    return found[0]


@contextmanager
def accounts(stage: Stage, people: int) -> Iterator[tuple[Stage, world.DemoVO]]:
    """The issuer of escape with so many more people, until the end: the VO is applied, nobody has signed in."""
    names = [f"crowd{number:03}" for number in range(people)]
    more = tuple(world.Account(name, ("/escape",), f"crowd-{name}") for name in names)
    vo = dataclasses.replace(world.ESCAPE, people=(*world.ESCAPE.people, *more))
    passwords = stage.passwords | {name: secrets.token_urlsafe(9) for name in names}
    stage.cluster.apply(world.manifest(world.ESCAPE))
    try:
        _people(stage, vo, passwords)
        yield dataclasses.replace(stage, passwords=passwords), vo
    finally:
        _people(stage, world.ESCAPE, place.material().passwords)
        gone = [f"escape-{name}" for name in names]
        for begin in range(0, people, 100):
            some = gone[begin : begin + 100]
            stage.cluster.do("delete", "facilityuser", "-n", "facility", "--ignore-not-found", "--wait=false", *some)


def _people(stage: Stage, vo: world.DemoVO, passwords: dict[str, str]) -> None:
    people = mint.people_secret(people_of(vo, passwords))
    stage.cluster.apply(secret(world.NAMESPACE, "iam-escape-people", people))
    stage.cluster.do("rollout", "restart", "deploy/iam-escape", "-n", world.NAMESPACE)
    stage.cluster.do("rollout", "status", "deploy/iam-escape", "-n", world.NAMESPACE, "--timeout=90s")


async def _come(stage: Stage, vo: world.DemoVO) -> tuple[list[float], list[float]]:
    """Everybody signs in; then those who came last go on asking."""
    gate = asyncio.Semaphore(_AT_A_TIME)
    signing_in: list[float] = []
    asked: list[float] = []

    async def one(name: str, requests: int) -> None:
        async with gate, stage.at_hub(vo, name) as person:
            began = time.monotonic()
            await person.sign_in()
            signing_in.append(time.monotonic() - began)
            asked.extend([await _ask(person) for _ in range(requests)])

    await until_reached(stage, vo)
    names = [account.name for account in vo.people if account.name.startswith("crowd")]
    await asyncio.gather(*(one(name, 0) for name in names))
    last = names[-_AT_A_TIME:]
    counted, signing_in = signing_in, []
    await asyncio.gather(*(one(name, _ASKED // len(last)) for name in last))
    return counted, asked


async def until_reached(stage: Stage, vo: world.DemoVO) -> None:
    """Until the issuer's new pod is where its Service leads: connections to the old one hang for two minutes."""
    quick = aiohttp.ClientTimeout(total=3)
    async with asyncio.timeout(60), stage.at_hub(vo, vo.person.name) as person:
        reached = False
        while not reached:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with person.http.get(f"{vo.issuer}.well-known/openid-configuration", timeout=quick) as answer:
                    reached = answer.status == 200


async def _ask(person: Person) -> float:
    began = time.monotonic()
    async with person.http.get(f"{person.hub}/hub/home") as answer:
        await answer.read()
        assert answer.status == 200, answer.status
    return time.monotonic() - began
