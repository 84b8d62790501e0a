"""kopf tells the operator what has changed, and writes nothing of its own to the cluster."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import kopf
import pytest

from facility.operator.main import registry, settings
from facility.operator.trigger import Trigger
from tests.fakes.apiserver import ApiServer
from tests.fakes.operator_world import client_secret, secret, user, vo


@pytest.fixture
async def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ApiServer]:
    async with ApiServer() as made:
        context = {"cluster": "here", "user": "me", "namespace": "facility"}
        config = {
            "current-context": "here",
            "contexts": [{"name": "here", "context": context}],
            "clusters": [{"name": "here", "cluster": {"server": made.url}}],
            "users": [{"name": "me", "user": {"token": "t"}}],
        }
        (tmp_path / "kubeconfig").write_text(json.dumps(config))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        yield made


@asynccontextmanager
async def watching(api: ApiServer) -> AsyncIterator[Trigger]:
    """A trigger that only a watch can set off. kopf ends every task that began after it: so no fixture of pytest's."""
    trigger = Trigger(resync=600, quiet=0)
    parts = {"registry": registry(trigger), "settings": settings(), "namespaces": ["facility"], "standalone": True}
    running = asyncio.create_task(kopf.operator(**parts))
    await api.until(lambda: api.watched() == {"virtualorganizations", "facilityusers", "secrets"})
    try:
        async with asyncio.timeout(5):
            yield trigger
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_a_new_vo_a_new_person_and_a_client_are_told(api: ApiServer) -> None:
    async with watching(api) as trigger:
        for manifest in (vo("cms"), user("alice"), client_secret()):
            api.put(manifest)
            await trigger.wait()


async def test_a_vo_that_went_is_told(api: ApiServer) -> None:
    async with watching(api) as trigger:
        api.put(vo("cms"))
        await trigger.wait()
        api.remove("VirtualOrganization", "cms")
        await trigger.wait()


async def test_a_changed_status_and_a_stored_session_are_no_news(api: ApiServer) -> None:
    session = secret("session-cms-alice", data="x")
    session["metadata"]["labels"] = {"analysis-facility.io/component": "session"}
    async with watching(api) as trigger:
        made = api.put(vo("cms"))
        await trigger.wait()
        api.put(session)
        api.put(made | {"metadata": {**made["metadata"], "labels": {"a": "b"}}})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(trigger.wait(), 0.2)


async def test_watching_writes_nothing_to_the_objects(api: ApiServer) -> None:
    async with watching(api) as trigger:
        made = api.put(vo("cms"))
        await trigger.wait()
    assert api.writes() == []
    assert api.get("VirtualOrganization", "cms") == made


async def test_many_changes_are_one_occasion(api: ApiServer) -> None:
    trigger = Trigger(resync=600, quiet=0)
    for n in range(5):
        trigger.observe("ADDED", {"metadata": {"uid": str(n), "generation": 1}})
    await trigger.wait()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await trigger.wait()


async def test_without_any_change_it_is_time_after_a_while() -> None:
    async with asyncio.timeout(5):
        await Trigger(resync=0.01).wait()
