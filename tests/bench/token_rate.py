"""P1: tokens that one broker gives from memory, beside what the development issuer's own token endpoint gives.

Both are real programs behind TLS, asked by the same client over connections that stay open. What is compared is answers
per second of the server's own CPU: a core's worth, whatever else runs on the machine.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import aiohttp
import yaml

from facility.dev.issuer import mint
from facility.dev.issuer.settings import REFRESH, Client
from tests.bench.figures import Row, row
from tests.bench.processes import Load, Program, load, program, wait_for, write_requests
from tests.fakes import issuer as development
from tests.fakes.broker_world import COMPUTE, EMBARGOED, EXCHANGE, JWT, LAKE, OPEN, SITE, identity

PEOPLE, FEW = 10_000, 100
ROUNDS, SHORT = 9, 4.0  # seconds of each half of a round
PORT, ISSUER_PORT = 28443, 28444
_AT_A_TIME = 12
_SCOPES = ["openid", "offline_access", EMBARGOED, OPEN, *COMPUTE]


@dataclass(frozen=True)
class Stage:
    """Broker and neighbours, running."""

    directory: Path
    broker: Program
    where: dict[str, str]

    @property
    def url(self) -> str:
        """The broker's."""
        return f"https://127.0.0.1:{PORT}"


@contextmanager
def standing(directory: Path) -> Iterator[Stage]:
    """A broker with nobody signed in."""
    (directory / "people").write_text(str(PEOPLE))
    (directory / "site.yaml").write_text(yaml.safe_dump(SITE.model_dump(by_alias=True, mode="json")))
    found = directory / "neighbours.json"
    with program("tests.bench.token_neighbours", directory / "neighbours.log", str(directory)) as neighbours:
        wait_for(found.exists, neighbours)
        with program("tests.bench.token_broker", directory / "broker.log", str(directory), str(PORT)) as broker:
            wait_for(lambda: "serving on port" in (directory / "broker.log").read_text(), broker)
            yield Stage(directory, broker, json.loads(found.read_text()))


def measured(directory: Path) -> dict[str, Row]:
    """All of it as rows."""
    ours = directory / "ours"
    ours.mkdir()
    with standing(ours) as stage:
        alone = stage.broker.mebibytes()
        asyncio.run(sign_in(stage, range(FEW)))
        rounds = beside_the_issuer(stage, requests(stage, "few", FEW), directory / "iam")
        asyncio.run(sign_in(stage, range(FEW, PEOPLE)))
        many = load(stage.broker, stage.url, ours / "ca.crt", requests(stage, "many", PEOPLE))
        grown = stage.broker.mebibytes() - alone
        pods = load(stage.broker, stage.url, ours / "ca.crt", from_pods(stage))
    server = bare(directory, ours)
    return rates(rounds, server) | grown_up(many, pods, grown)


class Round(NamedTuple):
    """Broker and issuer, one right after the other: how fast this machine is changes from minute to minute."""

    broker: Load
    issuer: Load

    @property
    def ratio(self) -> float:
        """Tokens of the broker for each of the issuer."""
        return self.broker.cpu / self.issuer.cpu


def beside_the_issuer(stage: Stage, few: Path, root: Path) -> list[Round]:
    """Rounds, the slowest by their ratio first."""
    root.mkdir()
    with issuing(root) as (issuer, url):
        refreshes = refreshing(root, url)

        def one() -> Round:
            first = load(stage.broker, stage.url, stage.directory / "ca.crt", few, seconds=SHORT)
            return Round(first, load(issuer, url, root / "ca.crt", refreshes, connections=8, seconds=SHORT))

        return sorted((one() for _ in range(ROUNDS)), key=lambda each: each.ratio)


def bare(directory: Path, ours: Path) -> Load:
    """The web server alone, asked as the broker was."""
    log = directory / "bare.log"
    with program("tests.bench.token_bare", log, str(ours), str(PORT)) as server:
        wait_for(lambda: "serving on port" in log.read_text(), server)
        return load(server, f"https://127.0.0.1:{PORT}", ours / "ca.crt", ours / "few")


def rates(rounds: list[Round], server: Load) -> dict[str, Row]:
    """Rows of the round in the middle."""
    few, theirs = rounds[len(rounds) // 2]
    spread = f"of {len(rounds)} rounds from {rounds[0].ratio:.1f} to {rounds[-1].ratio:.1f}"
    clock = f"per second of CPU; by the clock {few.wall:.0f}, and 100 sessions"
    own = f"development issuer: {theirs.cpu:.0f} refreshes per second of CPU; {spread}"
    nothing = "the broker's web server with nothing behind it, as much text per answer"
    return {
        "P1_per_s": row(round(few.cpu), "1/s", 2000, clock, least=True),
        "P1_ratio": row(round(few.cpu / theirs.cpu, 1), "x", 20, own, least=True),
        "P1_p99_ms": row(round(few.p99, 1), "ms", beside=f"16 connections; median {few.p50:.1f} ms"),
        "P1_bare_per_s": row(round(server.cpu), "1/s", beside=nothing),
        "P1_bare_ratio": row(round(server.cpu / theirs.cpu, 1), "x", beside="the most that P1_ratio could be"),
        "issuer_p99_ms": row(round(theirs.p99, 1), "ms", beside=f"median {theirs.p50:.1f} ms"),
    }


def grown_up(many: Load, pods: Load, grown: float) -> dict[str, Row]:
    """Rows of 10,000 people."""
    return {
        "P1_10000_per_s": row(round(many.cpu), "1/s", beside=f"10,000 sessions; by the clock {many.wall:.0f}"),
        "P1_10000_p99_ms": row(round(many.p99, 1), "ms", beside=f"median {many.p50:.1f} ms"),
        "P1_pods_per_s": row(round(pods.cpu), "1/s", beside="10,000 pods, each with an identity token of its own"),
        "broker_10000_MiB": row(round(grown, 1), "MiB", beside="10,000 sessions with a token each, over none"),
    }


async def sign_in(stage: Stage, people: range) -> None:
    """These have signed in and got their first token."""
    trust = ssl.create_default_context(cafile=str(stage.directory / "ca.crt"))
    gate = asyncio.Semaphore(_AT_A_TIME)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as http:

        async def one(number: int) -> None:
            async with gate:
                await _hand_over(stage, http, number)
                async with http.post(f"{stage.url}/token", data=_form(stage.where["ap"], f"cms_p{number}")) as answer:
                    assert answer.status == 200, await answer.text()

        await asyncio.gather(*(one(number) for number in people))


async def _hand_over(stage: Stage, http: aiohttp.ClientSession, number: int) -> None:
    sub = f"sub-{number}"
    async with http.post(f"{stage.where['issuer']}grant", json={"sub": sub, "scopes": _SCOPES}) as answer:
        token = (await answer.json())["refresh_token"]
    body = {"vo": "cms", "sub": sub, "claim": f"p{number}", "refresh_token": token, "scopes": _SCOPES, "groups": []}
    hub = {"Authorization": f"Bearer {stage.where['hub']}"}
    async with http.put(f"{stage.url}/sessions/cms-p{number}", json=body, headers=hub) as answer:
        assert answer.status == 201, await answer.text()


def requests(stage: Stage, name: str, people: int) -> Path:
    """As the monitor of jobs' credentials asks: by one identity for many owners."""
    forms = [urlencode(_form(stage.where["ap"], f"cms_p{number}")) for number in range(people)]
    return write_requests(stage.directory / name, "127.0.0.1", "/token", forms, {})


def from_pods(stage: Stage) -> Path:
    """As people's pods ask, each for itself."""
    forms = [urlencode(_form(identity(f"pod-{number}"), "")) for number in range(PEOPLE)]
    return write_requests(stage.directory / "pods", "127.0.0.1", "/token", forms, {})


def _form(who: str, owner: str) -> dict[str, str]:
    form = {"grant_type": EXCHANGE, "subject_token": who, "subject_token_type": JWT, "audience": LAKE}
    return form | ({"requested_subject": owner} if owner else {})


def refreshing(root: Path, url: str) -> Path:
    """Requests for the development issuer's token endpoint: one person's refreshes, again and again."""
    with development.Browser(url, root / "ca.crt") as http:
        there = development.Running(url, http, *[None] * 3, root / "ca.crt")  # type: ignore[arg-type]
        signed_in = there.sign_in()
    form = {"grant_type": REFRESH, "refresh_token": signed_in["refresh_token"], "audience": LAKE}
    form["scope"] = "storage.read:/"
    pair = f"{development.HUB.client_id}:{development.HUB.client_secret}"
    basic = {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
    return write_requests(root / "refreshes", "localhost", "/token", [urlencode(form)], basic)


@contextmanager
def issuing(root: Path, clients: tuple[Client, ...] = ()) -> Iterator[tuple[Program, str]]:
    """The development issuer as in its container, and its URL."""
    url = f"https://localhost:{ISSUER_PORT}"
    development.write(root, url, clients)
    for name in ("people", "clients"):
        (root / name).mkdir()
        (root / f"{name}.yaml").rename(root / name / f"{name}.yaml")
    (root / "keys" / "rsa1.pem").write_text(mint.signing_key())
    development.Authority(root).write(root / "tls", "localhost")
    around = {"ISSUER_CONFIG": str(root), "ISSUER_STATE": str(root / "issuer.sqlite")}
    with program("facility.dev.issuer.app", root / "log", ISSUER_BIND=f"127.0.0.1:{ISSUER_PORT}", **around) as running:
        wait_for(lambda: "Booting worker" in (root / "log").read_text(), running)
        yield running, url
