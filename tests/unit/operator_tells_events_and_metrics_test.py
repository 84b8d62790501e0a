"""What people and Prometheus see of the operator: events when something changes, figures whenever they ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from facility.operator.events import News, Recorder, changes
from facility.operator.gauges import Gauges
from facility.operator.metrics import Metrics
from facility.operator.serving import serving
from tests.fakes.operator_world import World, client_secret, user, vo, world


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


def events(here: World) -> list[tuple[str, str, str]]:
    return [(one["regarding"]["name"], one["type"], one["reason"]) for one in here.api.all("Event")]


async def test_a_vo_that_becomes_ready_and_breaks_is_told_each_once(here: World) -> None:
    here.add_vo("cms")
    await here.reconcile()
    await here.reconcile()
    assert events(here) == [("cms", "Normal", "Served")]
    here.api.put(vo("cms", "http://not-https.example.org"))
    await here.reconcile()
    await here.reconcile()
    assert ("cms", "Warning", "BadSpec") in events(here)
    (event,) = [one for one in here.api.all("Event") if one["reason"] == "BadSpec"]
    assert "https" in event["note"]
    assert event["regarding"]["uid"] == here.api.get("VirtualOrganization", "cms")["metadata"]["uid"]


async def test_a_new_operator_repeats_nothing(here: World) -> None:
    here.add_vo("cms")
    await here.reconcile()
    here.restart()
    await here.reconcile()
    assert len(events(here)) == 1


async def test_an_issuer_that_went_away_and_came_back_is_told(here: World) -> None:
    here.add_vo("cms")
    await here.reconcile()
    here.issuers.down.add("cms")
    await here.reconcile()
    here.issuers.down.clear()
    await here.reconcile()
    assert events(here)[1:] == [("cms", "Warning", "IssuerUnreachable"), ("cms", "Normal", "Answered")]


async def test_suspending_is_no_warning(here: World) -> None:
    here.add_vo("cms")
    await here.reconcile()
    here.add_vo("cms", suspended=True)
    await here.reconcile()
    assert ("cms", "Normal", "Suspended") in events(here)


async def test_of_one_object_no_more_than_a_few_are_told_in_a_minute(here: World) -> None:
    recorder = Recorder(here.cluster, here.clock)
    about = here.api.put(vo("cms"))
    for number in range(20):
        recorder.tell(about, News("Warning", "Trouble", f"number {number}"))
    await recorder.flush()
    assert len(events(here)) == 5
    here.clock.pass_by(61)
    recorder.tell(about, News("Warning", "Trouble", "number 20"))
    await recorder.flush()
    assert len(events(here)) == 6


async def test_the_same_is_told_once_in_a_while(here: World) -> None:
    recorder = Recorder(here.cluster, here.clock)
    about = here.api.put(vo("cms"))
    for _ in range(3):
        recorder.tell(about, News("Warning", "Trouble", "again"))
        await recorder.flush()
        here.clock.pass_by(100)
    assert len(events(here)) == 1
    here.clock.pass_by(600)
    recorder.tell(about, News("Warning", "Trouble", "again"))
    await recorder.flush()
    assert len(events(here)) == 2


async def test_an_event_that_is_refused_holds_up_nothing(here: World) -> None:
    here.api.refuse["POST", "events", ""] = "forbidden"
    here.add_vo("cms")
    await here.reconcile()
    assert here.condition("cms") == ("True", "Served")


def condition(status: str, reason: str, kind: str = "Ready") -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": "because"}


def test_only_what_differs_is_news() -> None:
    before = {"conditions": [condition("True", "Served"), condition("True", "Found", "ClientReady")]}
    after = {"conditions": [condition("False", "BadSpec"), condition("True", "Found", "ClientReady")]}
    assert list(changes(before, after)) == [News("Warning", "BadSpec", "because")]
    assert list(changes(after, after)) == []


def test_at_first_good_news_are_told_by_ready_alone() -> None:
    after = {"conditions": [condition("True", "Served"), condition("True", "Found", "ClientReady")]}
    assert list(changes({}, after)) == [News("Normal", "Served", "because")]


# metrics


async def test_figures_say_how_vos_issuers_and_people_are(here: World) -> None:
    metrics = Metrics()
    here.add_vo("cms")
    here.issuers.down.add("atlas")
    here.api.put(vo("atlas", here.issuers.url("atlas"), 2))
    here.api.put(client_secret("atlas"))
    here.api.put(user("alice"))
    await here.reconcile()
    metrics.registry.register(Gauges(here.reconciler, lambda: True))
    lines = metrics.text().decode().splitlines()
    assert 'facility_operator_vos{ready="True",reason="Served"} 1.0' in lines
    assert 'facility_operator_vos{ready="False",reason="IssuerUnreachable"} 1.0' in lines
    assert 'facility_operator_issuer_up{vo="cms"} 1.0' in lines
    assert 'facility_operator_issuer_up{vo="atlas"} 0.0' in lines
    assert "facility_operator_users 1.0" in lines
    assert "facility_operator_leader 1.0" in lines


async def test_requests_turns_and_broken_watches_are_counted(here: World) -> None:
    metrics = Metrics()
    here.cluster.observe = metrics.requested
    await here.reconcile()
    metrics.reconciled("cms", True, 0.02)
    metrics.reconciled("*site", False, 0.2)
    metrics.watch_broke("Secret")
    text = metrics.text().decode()
    assert 'facility_operator_api_requests_total{code="201",verb="create"}' in text
    assert 'facility_operator_reconcile_seconds_count{outcome="done",what="vo"} 1.0' in text
    assert 'facility_operator_reconcile_seconds_count{outcome="failed",what="site"} 1.0' in text
    assert 'facility_operator_watch_restarts_total{kind="Secret"} 1.0' in text


async def test_health_and_figures_are_served_each_on_its_port(unused_tcp_port_factory: Any) -> None:
    health, port = unused_tcp_port_factory(), unused_tcp_port_factory()
    async with serving(Metrics(), lambda: False, health, port), aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{health}/healthz") as answer:
            assert (answer.status, await answer.text()) == (200, "standing by\n")
        async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
            assert "facility_operator_reconcile_seconds" in await answer.text()
        async with session.get(f"http://127.0.0.1:{health}/metrics") as answer:
            assert answer.status == 404
    await asyncio.sleep(0)
