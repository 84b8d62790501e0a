"""What a person's groups at their issuer give them at the hub, and that it ends when the groups do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from facility.dev.demo import world
from facility.dev.demo.mainjob import Outcome, Stage
from facility.dev.demo.person import SignInError
from tests.cluster.changing import change
from tests.cluster.waiting import pod_ready, until_gone, until_ready, until_reason, until_token

pytestmark = pytest.mark.cluster
Reply = tuple[int, str]


async def asked(stage: Stage, account: str, *requests: tuple[Any, ...]) -> list[Reply]:
    """Sign in as somebody of cms, and make these requests one after the other."""
    async with stage.at_hub(world.CMS, account) as person:
        await person.sign_in()
        return [await person.ask(*request) for request in requests]


async def spawned(stage: Stage, account: str, profile: str = "standard", server: str = "") -> Reply:
    """What comes of starting a server of that profile and name: status and words."""
    async with stage.at_hub(world.CMS, account) as person:
        user = await person.sign_in()
        path = f"/users/{user}/servers/{server}" if server else f"/users/{user}/server"
        return await person.ask("POST", path, {"profile": profile})


def stop_all(stage: Stage, user: str) -> None:
    """End the servers of a user, by the hub's own API."""

    async def run() -> None:
        async with stage.at_hub(world.CMS, user.partition("-")[2]) as person:
            await person.sign_in()
            status, text = await person.ask("GET", f"/users/{user}")
            assert status == 200, text
            for name in json.loads(text)["servers"]:
                await person.ask("DELETE", f"/users/{user}/servers/{name}" if name else f"/users/{user}/server")

    asyncio.run(run())
    owner = f"analysis-facility.io/owner={user.replace('-', '_', 1)}"
    until_gone(stage, "pods", "facility-users", owner)


@pytest.fixture
def carol(stage: Stage, outcome: Outcome) -> Iterator[str]:
    """A person of cms who is in none of its subgroups, without a server before and after."""
    stop_all(stage, "cms-carol")
    yield "cms-carol"
    change(stage, world.CMS, "carol", groups=["/cms"], aup_due=False, active=True)
    stop_all(stage, "cms-carol")


def test_a_profile_is_started_only_by_members_of_its_groups(stage: Stage, carol: str) -> None:
    status, text = asyncio.run(spawned(stage, "carol", "analysis"))
    assert status == 403, text
    assert "There is no profile" in text
    change(stage, world.CMS, "carol", groups=["/cms", "/cms/analysis"])
    status, text = asyncio.run(spawned(stage, "carol", "analysis"))
    assert status in (201, 202), text
    until_ready(stage, "jupyter-cms-carol")
    pod = stage.cluster.get("pod", "jupyter-cms-carol", "-n", "facility-users")
    notebook = next(one for one in pod["spec"]["containers"] if one["name"] == "notebook")
    assert {"name": "ANALYSIS", "value": "cms"} in notebook["env"]
    assert notebook["resources"]["limits"]["memory"] == str(4 * 2**30)
    assert pod["spec"]["priorityClassName"] == "facility-vo-cms"


def test_a_person_has_named_servers_up_to_the_limit_and_reads_why_not_more(stage: Stage, carol: str) -> None:
    for name in ("", "second"):
        status, text = asyncio.run(spawned(stage, "carol", server=name))
        assert status in (201, 202), text
    status, text = asyncio.run(spawned(stage, "carol", server="third"))
    assert status == 429, text
    assert "2 servers at a time" in text
    assert "Stop one of yours" in text


def test_the_vos_total_is_a_quota_that_the_api_server_enforces(stage: Stage, outcome: Outcome) -> None:
    stage.cluster.apply(world.manifest(world.ESCAPE))
    limit(stage, {"servers": 3, "cpu": "5", "memory": "7Gi"})
    try:
        wanted = {"pods": "3", "requests.cpu": "5", "requests.memory": "7Gi"}
        stage.cluster.wait_for("the quota of escape", lambda: quota(stage, "vo-escape") == wanted, 30)
    finally:
        limit(stage, None)


def limit(stage: Stage, total: dict[str, Any] | None) -> None:
    change = json.dumps({"spec": {"limits": {"total": total}}})
    stage.cluster.do("patch", "vo", "escape", "-n", "facility", "--type=merge", "-p", change)


def quota(stage: Stage, name: str) -> dict[str, str]:
    every = stage.cluster.items("resourcequotas", "-n", "facility-users")
    return next((one["spec"]["hard"] for one in every if one["metadata"]["name"] == name), {})


def test_a_vos_admin_stops_servers_of_its_people_and_enters_none(stage: Stage, carol: str) -> None:
    status, text = asyncio.run(spawned(stage, "carol"))
    assert status in (201, 202), text
    until_ready(stage, "jupyter-cms-carol")
    replies = asyncio.run(
        asked(
            stage,
            "erin",
            ("GET", "/users/cms-carol"),
            ("GET", "/users/atlas-bob"),
            ("DELETE", "/users/atlas-bob/server"),
            ("DELETE", "/users/cms-carol"),
            ("POST", "/users/cms-carol/tokens"),
        )
    )
    assert [status for status, _ in replies[:1]] == [200], replies
    assert all(status in (403, 404) for status, _ in replies[1:]), replies
    assert asyncio.run(entered(stage)) in (403, 404)
    [(status, text)] = asyncio.run(asked(stage, "erin", ("DELETE", "/users/cms-carol/server")))
    assert status in (202, 204), text


async def entered(stage: Stage) -> int:
    """Status of carol's server for erin."""
    async with stage.at_hub(world.CMS, "erin") as erin:
        await erin.sign_in()
        async with erin.http.get(f"{erin.hub}/user/cms-carol/api/status") as answer:
            return answer.status


def test_who_leaves_the_allowed_groups_is_out_within_the_refresh(stage: Stage, carol: str) -> None:
    assert asyncio.run(spawned(stage, "carol"))[0] in (201, 202)
    until_ready(stage, "jupyter-cms-carol")
    change(stage, world.CMS, "carol", groups=["/guests"])
    until_reason(stage, carol, "NotInGroup", 90)
    until_token(stage, "jupyter-cms-carol", there=False)
    with pytest.raises(SignInError, match="403"):
        asyncio.run(asked(stage, "carol"))


def test_terms_to_be_signed_ask_for_a_new_sign_in_and_leave_the_server_running(stage: Stage, carol: str) -> None:
    assert asyncio.run(spawned(stage, "carol"))[0] in (201, 202)
    until_ready(stage, "jupyter-cms-carol")
    change(stage, world.CMS, "carol", aup_due=True)
    until_reason(stage, carol, "SignInAgain", 120)
    assert pod_ready(stage, "jupyter-cms-carol")
    change(stage, world.CMS, "carol", aup_due=False)
    asyncio.run(asked(stage, "carol"))
    until_token(stage, "jupyter-cms-carol", there=True)
