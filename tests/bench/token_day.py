"""P2: what a day of 10,000 people asks of their issuer, with three restarts of the broker in it.

The broker's own parts (cache and shelf, renewal, sessions, turns at the issuer) and the agents' own rule, in time that
passes as fast as it computes. Stand-ins are the store, which keeps documents in memory, the issuer, which answers in
50 ms, and the signature, which is not looked at: it takes time and changes no count.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

from facility.agent import renewal as agent
from facility.agent.state import Kept
from facility.broker import keys
from facility.broker.cache import Key, Token
from facility.broker.errors import BrokerError
from facility.broker.issuer import Issuers
from facility.broker.kept import KeptCache
from facility.broker.renewal import Renewal
from facility.broker.sessions import Alone, Sessions
from facility.broker.shelf import Shelf
from facility.broker.store import Content, Document, Kind, Record, to_content
from facility.codes import UNAVAILABLE
from facility.exchange import BrokerError as NoToken
from facility.exchange import Token as Handed
from facility.exchange import Wanted
from facility.tokens.claims import unverified
from facility.tokens.requests import Client
from facility.tokens.scopes import parse_all
from facility.tokens.wire import Request, Response, UnavailableError
from facility.vo import VirtualOrganization
from tests.bench.figures import Row, row
from tests.fakes import virtual_time

PEOPLE = 10_000
LIFE, HOUR, DAY = 3600, 3600.0, 86400.0
ISSUER, LAKE, SCOPE = "https://iam.test/", "https://origin.test:1094", "storage.read:/"
#: hours of the day at which the broker ends, and whether it has time to end in order
RESTARTS = ((5.0, True), (13.0, False), (21.5, True))
AWAY = 8.0  # seconds that a restart takes
WINDOW = 10  # seconds


def vo() -> VirtualOrganization:
    """With the pace that a VO has unless told otherwise."""
    lake = {"prefix": "/cms", "origin": LAKE, "audience": LAKE, "scopes": [SCOPE]}
    spec = {"issuer": ISSUER, "clientSecret": {"name": "client"}, "lakes": [lake]}
    return VirtualOrganization.parse({"metadata": {"name": "cms"}, "spec": spec})


class Documents:
    """A store that keeps documents as text, so that what is read is never what is in somebody's memory."""

    follows_people = True

    def __init__(self) -> None:
        self._kept: dict[tuple[Kind, str], str] = {}
        self.writes = 0

    async def read(self, kind: Kind, owner: str) -> Document | None:
        """See Store."""
        text = self._kept.get((kind, owner))
        return Document(json.loads(text), "1") if text else None

    async def write(self, kind: Kind, content: Content, _version: str | None, _uid: str | None = None) -> str:
        """See Store."""
        self.writes += 1
        self._kept[kind, content["user"]] = json.dumps(content)
        return "1"


@dataclass
class Iam:
    """An issuer that gives everybody everything, and counts. It stands where the broker's transport does."""

    asked: list[float] = field(default_factory=list)
    down: bool = False

    async def send(self, request: Request) -> Response:
        """See Transport."""
        path = urlsplit(request.url).path
        if path != "/token":
            return Response(200, json.dumps(_metadata() if "well-known" in path else {"keys": []}).encode())
        form = dict(request.form or {})
        self.asked.append(virtual_time.now())
        await asyncio.sleep(0.05)
        if self.down:
            raise UnavailableError("nobody there")
        now = int(virtual_time.now())
        claims = {"iss": ISSUER, "sub": form["refresh_token"], "aud": form["audience"], "scope": form["scope"]}
        parts = ({"alg": "none"}, claims | {"exp": now + LIFE, "iat": now, "jti": len(self.asked)}, "")
        token = ".".join(urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
        return Response(200, json.dumps({"access_token": token, "token_type": "Bearer"}).encode())


def _metadata() -> dict[str, Any]:
    return {"issuer": ISSUER, "token_endpoint": f"{ISSUER}token", "jwks_uri": f"{ISSUER}jwk"}


class Clients:
    """The client of this facility."""

    async def get(self, _secret: str, fresh: bool = False) -> Client:
        """See `clients.Clients`."""
        return Client("facility", "secret")


class Process:
    """One life of a broker."""

    def __init__(self, documents: Documents, iam: Iam) -> None:
        alone: Any = Alone()
        now, pulse = virtual_time.now, asyncio.get_running_loop().time
        self.vo, self.dead = vo(), False
        self.sessions = Sessions(documents, lambda *_: None, alone)  # type: ignore[arg-type]
        self.shelf = Shelf(documents, lambda _: ISSUER, lambda _: "uid", alone.held, pulse)  # type: ignore[arg-type]
        self.cache = KeptCache(now, self.shelf, alone)
        self.issuers = Issuers(iam, Clients(), now, pulse)  # type: ignore[arg-type]
        self._renewal = Renewal(self.sessions, self.issuers, self.cache, "https://hub.test")
        self._writing = asyncio.create_task(self.shelf.run())

    async def token(self, user: str, least: float) -> Token:
        """As a request for the lake's token. Raises BrokerError, also of a process that has ended meanwhile."""
        scopes = parse_all(SCOPE)
        fetch = lambda need: self._renewal.of_person(self.vo, user, LAKE, scopes, need)  # noqa: E731
        found = await self.cache.get(Key("cms", user, LAKE, SCOPE), fetch, least)
        if self.dead:
            raise BrokerError(503, UNAVAILABLE, "nobody answers")
        return found

    async def end(self, in_order: bool) -> None:
        """By SIGTERM, or by kill -9."""
        self.dead = True
        if in_order:
            self.issuers.stop()
            await self.cache.settle()
            await self.shelf.flush()
        self._writing.cancel()
        await asyncio.gather(self._writing, return_exceptions=True)


@dataclass
class Facility:
    """The broker that is there now, if any, and what agents have seen of it."""

    process: Process | None = None
    least: float = LIFE
    without: int = 0

    async def keep(self, user: str, begins: float, ends: float, dice: random.Random) -> None:
        """An agent that keeps one file good."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(begins)
        kept = Kept(Wanted("lake", LAKE, SCOPE))
        while loop.time() < ends:
            now = virtual_time.now()
            if kept.token:
                self.least = min(self.least, kept.expires - now)
                self.without += kept.expires <= now
            factor = dice.uniform(0.85, 0.95)
            try:
                found = await self._ask(user, agent.needed(kept, now))
            except BrokerError as error:
                kept = agent.failed(kept, NoToken(error.error, "", float(error.retry_after or 0)), now, factor)
            else:
                kept = agent.renewed(kept, Handed(found.value, found.expires), virtual_time.now(), factor)
            await asyncio.sleep(max(0.0, kept.due - virtual_time.now()))

    async def _ask(self, user: str, least: float) -> Token:
        if self.process is None:
            raise BrokerError(503, UNAVAILABLE, "nobody answers")
        return await self.process.token(user, least)

    async def restart(self, at: float, in_order: bool, documents: Documents, iam: Iam) -> None:
        """The broker ends at this moment, and another begins."""
        await asyncio.sleep(at)
        process, self.process = self.process, None
        assert process is not None
        await process.end(in_order)
        await asyncio.sleep(AWAY)
        self.process = Process(documents, iam)


@dataclass(frozen=True)
class Day:
    """What was counted: when the issuer was asked, by the loop's seconds; and the least life a file ever had left."""

    asked: list[float]
    least: float
    without: int
    took: float

    def ratio(self) -> float:
        """Requests for one token and life, on a day after the first hour."""
        return sum(moment >= HOUR for moment in self.asked) / (PEOPLE * DAY / LIFE)

    def peak(self) -> float:
        """Requests per second in the busiest window, the first hour included."""
        return busiest(self.asked)


def busiest(moments: list[float], window: float = WINDOW) -> float:
    """Most of these moments per second in any window of so many seconds."""
    most, first = 0, 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - window:
            first += 1
        most = max(most, last - first + 1)
    return most / window


async def documents_of(people: int) -> Documents:
    """A store in which so many are signed in."""
    documents = Documents()
    for number in range(people):
        user, scopes = f"cms-p{number}", ("openid", "offline_access", SCOPE)
        record = Record(user, "cms", ISSUER, "facility", f"sub-{number}", scopes, f"sub-{number}")
        await documents.write(Kind.SESSION, to_content(record), None)
    return documents


async def live(people: int) -> Day:
    """People come in the first hour and stay for a day more."""
    documents, iam, facility = await documents_of(people), Iam(), Facility()
    began, start, dice = time.process_time(), virtual_time.now(), random.Random(5)
    facility.process = Process(documents, iam)
    ends = HOUR + DAY
    agents = (facility.keep(f"cms-p{number}", dice.uniform(0, HOUR), ends, dice) for number in range(people))
    ending = (facility.restart(HOUR + at * HOUR, order, documents, iam) for at, order in RESTARTS)
    await asyncio.gather(*agents, *ending)
    await facility.process.end(True)
    asked = [moment - start for moment in iam.asked if moment - start < ends]
    return Day(asked, facility.least, facility.without, time.process_time() - began)


@contextmanager
def unsigned() -> Iterator[None]:
    """Signatures are not looked at."""
    with mock.patch.object(keys, "verified", lambda token, _: unverified(token)[1]):
        yield


def measured() -> dict[str, Row]:
    """The day as rows."""
    with unsigned():
        day = virtual_time.run(live(PEOPLE))
    beside = f"{PEOPLE} people, one audience, tokens of {LIFE} s, 3 restarts; {len(day.asked)} requests in 25 hours"
    return {
        "P2": row(round(day.ratio(), 3), "", 1.05, beside),
        "P2_peak_per_s": row(day.peak(), "1/s", 10, f"in {WINDOW} s, the hour included in which everybody came"),
        "P2_least_left_s": row(round(day.least, 1), "s", 60, "that any agent's file ever had", least=True),
        "P2_files_without": row(day.without, "", 0, "times that an agent's file had expired"),
        "P2_simulated_in_s": row(round(day.took), "s", 120, "of CPU"),
    }
