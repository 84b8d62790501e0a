"""The operator as it runs: nothing is listed again and again, and each change has its effect on its own VO alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from facility.operator.main import operate
from facility.operator.reconcile import Reconciler
from tests.fakes.operator_world import SITE, World, client_secret, user, vo, world
from tests.fakes.patience import PATIENCE

LONGER = 1.3  # seconds: events wait for one second to be written


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


@asynccontextmanager
async def running(here: World) -> AsyncIterator[Reconciler]:
    """The operator at work, begun anew, and all that was there done."""
    here.restart()
    reconciler = here.reconciler
    task = asyncio.create_task(reconciler.run())
    await here.api.until(lambda: {"virtualorganizations", "facilityusers", "secrets"} <= here.api.watched())
    try:
        yield reconciler
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def told(here: World, name: str, reason: str) -> Callable[[], bool]:
    """Whether a VO's condition Ready has that reason."""

    def asked() -> bool:
        conditions = here.api.get("VirtualOrganization", name).get("status", {}).get("conditions", [])
        return any(one["type"] == "Ready" and one["reason"] == reason for one in conditions)

    return asked


async def quiet(here: World) -> None:
    """Until the operator has written nothing for a moment."""
    async with asyncio.timeout(PATIENCE):
        while True:
            before = len(here.api.requests)
            await asyncio.sleep(LONGER)
            if len(here.api.requests) == before:
                break
    here.api.requests.clear()


async def test_a_new_vo_is_served_and_what_is_quiet_costs_no_request(here: World) -> None:
    async with running(here):
        here.add_vo("cms")
        await here.api.until(told(here, "cms", "Served"))
        await quiet(here)
        await asyncio.sleep(0.5)
        assert here.api.requests == []


async def test_a_persons_sign_in_changes_their_vo_alone(here: World) -> None:
    here.add_vo("cms")
    here.add_vo("atlas", 2)
    async with running(here):
        await here.api.until(told(here, "cms", "Served"))
        await here.api.until(told(here, "atlas", "Served"))
        await quiet(here)
        here.api.put(user("alice"))
        people = lambda: here.api.get("ConfigMap", "ap-cms-people", "facility-batch")["data"]["mapfile"]  # noqa: E731
        await here.api.until(lambda: "sub-alice" in people())
        await quiet_writes(here)
        assert here.api.get("VirtualOrganization", "cms")["status"]["users"] == 1


async def test_their_access_point_is_told_whose_jobs_are_stopped(here: World) -> None:
    here.add_vo("cms")
    here.api.put(user("alice", uid=20001))
    async with running(here):
        await here.api.until(told(here, "cms", "Served"))
        limits = lambda: here.api.get("ConfigMap", "ap-cms-people", "facility-batch")["data"]["limits.json"]  # noqa: E731
        for why in ("They overload the lake.", ""):
            alice = here.api.get("FacilityUser", "cms-alice")
            here.api.put({**alice, "spec": {**alice["spec"], "jobsSuspended": why}})
            wanted = {"cms_alice": why} if why else {}
            await here.api.until(lambda wanted=wanted: json.loads(limits())["suspended"] == wanted)  # type: ignore[misc]


async def quiet_writes(here: World) -> None:
    """All that was written for a person: their number, their VO's people and count, and the ways of their dask."""
    await asyncio.sleep(LONGER)
    written = {path for verb, path in here.api.requests if verb != "GET"}
    assert written <= {
        "facility/configmaps/uid-ledger",
        "facility/facilityusers/cms-alice",
        "facility-batch/configmaps/ap-cms-people",
        "facility-batch/networkpolicies/dask-cms-alice",
        "facility-users/networkpolicies/dask-cms-alice",
        "facility/virtualorganizations/cms",
    }


async def test_what_is_deleted_or_changed_by_hand_is_put_right_at_once(here: World) -> None:
    here.add_vo("cms")
    async with running(here):
        await here.api.until(told(here, "cms", "Served"))
        await quiet(here)
        here.api.remove("StatefulSet", "xcache-cms")
        await here.api.until(lambda: "xcache-cms" in here.api.names("StatefulSet"))
        here.api.remove("Secret", "tls-xcache-cms")
        await here.api.until(lambda: "tls-xcache-cms" in here.api.names("Secret"))
        here.api.remove("Secret", "hub-secrets")
        await here.api.until(lambda: "hub-secrets" in here.api.names("Secret"))
        role = here.api.get("Role", "vo-clients")
        here.api.put({**role, "rules": []})
        await here.api.until(lambda: bool(here.api.get("Role", "vo-clients")["rules"]))


async def test_a_client_secret_that_comes_later_is_noticed(here: World) -> None:
    here.api.put(vo("cms", here.issuers.url("cms")))
    async with running(here):
        await here.api.until(told(here, "cms", "SecretMissing"))
        here.api.put(client_secret("cms"))
        await here.api.until(told(here, "cms", "Served"))


async def test_a_vo_waits_for_its_issuers_first_answer_before_it_is_judged(here: World) -> None:
    here.add_vo("cms")
    async with running(here):
        await here.api.until(told(here, "cms", "Served"))
    reasons = [one["reason"] for one in here.api.all("Event")]
    assert reasons in ([], ["Served"])


async def test_the_younger_of_two_rivals_is_served_when_the_older_goes(here: World) -> None:
    here.add_vo("cms")
    here.api.put(client_secret("other"))
    here.api.put(vo("other", here.issuers.url("cms"), 2))
    async with running(here):
        await here.api.until(told(here, "other", "IssuerTaken"))
        await here.api.until(told(here, "cms", "Served"))
        here.api.remove("VirtualOrganization", "cms")
        await here.api.until(told(here, "other", "Served"))
        await here.api.until(lambda: not [name for name in here.api.names("StatefulSet") if "cms" in name])


async def test_one_vos_trouble_keeps_no_other_from_being_served(here: World) -> None:
    here.api.refuse["PATCH", "statefulsets", "xcache-cms"] = "spec: Forbidden"
    here.add_vo("cms")
    async with running(here) as reconciler:
        await here.api.until(told(here, "cms", "CannotApply"))
        here.add_vo("atlas", 2)
        await here.api.until(told(here, "atlas", "Served"))
        assert [one.name for one in reconciler.served] == ["atlas"]
        here.api.refuse.clear()
        await here.api.until(told(here, "cms", "Served"))


async def test_a_vo_is_let_go_when_nothing_of_it_runs_any_more(here: World) -> None:
    here.add_vo("cms")
    async with running(here):
        await here.api.until(told(here, "cms", "Served"))
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "jupyter-alice",
                "namespace": "facility-users",
                "labels": {"app.kubernetes.io/component": "notebook", "analysis-facility.io/vo": "cms"},
            },
        }
        here.api.put(pod)
        here.api.deleted_at = "2027-01-15T08:00:00Z"
        here.api.remove("VirtualOrganization", "cms")
        await here.api.until(told(here, "cms", "Removing"))
        here.api.remove("Pod", "jupyter-alice", "facility-users")
        await here.api.until(lambda: "cms" not in here.api.names("VirtualOrganization"))
        await here.api.until(lambda: "tls-ap-cms" not in here.api.names("Secret", "facility-batch"))


async def test_a_broken_object_can_be_deleted(here: World) -> None:
    here.add_vo("cms")
    async with running(here):
        await here.api.until(told(here, "cms", "Served"))
        here.api.put(vo("cms", "not a url", finalizers=1))
        await here.api.until(told(here, "cms", "BadSpec"))
        here.api.remove("VirtualOrganization", "cms")
        await here.api.until(lambda: "cms" not in here.api.names("VirtualOrganization"))


async def test_changed_addresses_of_a_listed_host_are_followed(here: World) -> None:
    here.addresses["db.example.org"] = {"192.0.2.7"}
    here.add_vo("cms", network={"allow": [{"host": "db.example.org", "ports": [5432]}]})
    await here.reconcile()
    assert "192.0.2.7/32" in str(here.api.get("NetworkPolicy", "notebook-cms", "facility-users"))
    here.addresses["db.example.org"] = {"192.0.2.8"}
    await here.reconcile()
    policy = str(here.api.get("NetworkPolicy", "notebook-cms", "facility-users"))
    assert "192.0.2.8/32" in policy
    assert "192.0.2.7/32" in policy  # a pod may have looked it up a moment ago
    here.addresses.clear()
    await here.reconcile()
    assert "192.0.2.8/32" in str(here.api.get("NetworkPolicy", "notebook-cms", "facility-users"))


async def test_many_new_people_get_numbers_although_one_cannot(here: World) -> None:
    here.add_vo("cms")
    for number in range(60):
        here.api.put(user(f"u{number:02}"))
    here.api.refuse["PATCH", "facilityusers", "cms-u07"] = "denied by a webhook"
    async with running(here):
        numbered = lambda: [one for one in here.api.all("FacilityUser") if one["spec"].get("uid")]  # noqa: E731
        await here.api.until(lambda: len(numbered()) == 59)
    assert len({one["spec"]["uid"] for one in numbered()}) == 59


async def test_the_whole_process_works_and_ends_in_order(
    here: World, monkeypatch: pytest.MonkeyPatch, unused_tcp_port_factory: Callable[[], int]
) -> None:
    monkeypatch.setenv("OPERATOR_HEALTH_PORT", str(unused_tcp_port_factory()))
    monkeypatch.setenv("OPERATOR_METRICS_PORT", str(unused_tcp_port_factory()))
    stop = asyncio.Event()
    task = asyncio.create_task(operate(SITE, here.cluster, here.public, "me", stop))
    await here.api.until(lambda: "vo-clients" in here.api.names("Role"))
    assert here.api.get("Lease", "operator")["spec"]["holderIdentity"] == "me"
    stop.set()
    async with asyncio.timeout(PATIENCE):
        await task
    assert here.api.get("Lease", "operator")["spec"].get("holderIdentity") is None
