"""Limits of a VO and of a person are kept before a pod is made, and said in a sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes_asyncio.client import ApiException

from facility.hub.limits import Use, asked, used
from facility.hub.refusals import Refused, of_api
from tests.fakes import vo_spawner
from tests.fakes.vo_spawner import Pods, manifest, spawner, vo

GPU = "nvidia.com/gpu"
_MIB = 1024**2


@pytest.fixture(autouse=True)
def pods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pods]:
    with vo_spawner.cluster(tmp_path, monkeypatch) as found:
        yield found


def container(name: str = "notebook", restart: str = "", **requests: str) -> dict[str, Any]:
    one: dict[str, Any] = {"name": name, "resources": {"requests": requests}}
    return one | ({"restartPolicy": restart} if restart else {})


def pod(
    owner: str = "cms_alice", name: str = "", phase: str = "Running", gpus: int = 0, **requests: str
) -> dict[str, Any]:
    vo_name = owner.partition("_")[0]
    labels = {"analysis-facility.io/vo": vo_name, "analysis-facility.io/owner": owner}
    one = container(**({"cpu": "1", "memory": "1Gi"} | requests))
    one["resources"]["limits"] = {GPU: str(gpus)} if gpus else {}
    return {
        "metadata": {"name": name or f"jupyter-{owner}", "labels": labels},
        "spec": {"containers": [one]},
        "status": {"phase": phase},
    }


def there(pods: Pods, *some: dict[str, Any]) -> None:
    pods.update({f"facility-users/{number}": one for number, one in enumerate(some)})


async def start(limits: dict[str, Any], name: str = "", **profile: Any) -> None:
    """Start bob's server of 250m and 512Mi, or of the profile, under those limits."""
    more = {"profiles": [{"name": "p", **profile}]} if profile else {}
    await manifest(spawner("cms-bob", vo(displayName="CMS", limits=limits, **more), name=name))


async def refusal(limits: dict[str, Any], name: str = "", **profile: Any) -> str:
    with pytest.raises(Refused) as refused:
        await start(limits, name, **profile)
    assert refused.value.status_code == 429
    assert refused.value.jupyterhub_message == refused.value.message
    return str(refused.value.message)


async def test_servers_of_a_person_are_counted(pods: Pods) -> None:
    there(pods, pod("cms_bob", "jupyter-cms-bob--a"), pod("cms_alice"), pod("atlas_bob"))
    await start({"user": {"servers": 2}})
    assert await refusal({"user": {"servers": 1}}) == (
        "You may have 1 server at a time, and 1 run or start now. "
        "Stop one of yours on the hub's home page first, or choose a smaller one."
    )


async def test_servers_of_a_vo_are_counted(pods: Pods) -> None:
    there(pods, pod("cms_alice"), pod("cms_carol"), pod("atlas_bob"))
    await start({"total": {"servers": 3}})
    said = await refusal({"total": {"servers": 2}})
    assert said.startswith("All people of CMS together may have 2 servers at a time, and 2 run or start now.")
    assert "ask the managers of CMS" in said


async def test_memory_is_summed_over_all_containers_and_told_exactly(pods: Pods) -> None:
    there(pods, pod("cms_bob", "jupyter-cms-bob--a", memory="1Gi"))
    await start({"total": {"memory": "1568Mi"}})  # 1 GiB, 512 MiB, and 32 MiB for the agent
    assert "may have 1567 MiB of memory in running servers: 1 GiB of memory taken now, 544 MiB of memory more" in (
        await refusal({"total": {"memory": "1567Mi"}})
    )


async def test_cpu_and_gpus_are_limited_alike(pods: Pods) -> None:
    there(pods, pod("cms_alice", cpu="1500m", gpus=1))
    assert "2 CPU cores in running servers: 1.5 CPU cores taken now, 0.51 CPU cores more for this one" in (
        await refusal({"total": {"cpu": "2"}}, cpu="500m")
    )
    assert "1 GPU in running servers: 1 GPU taken now, 1 GPU more for this one" in (
        await refusal({"total": {"gpus": 1}}, gpus=1)
    )
    await start({"total": {"gpus": 1}})  # that asks for none


async def test_what_is_alone_too_big_is_not_cured_by_stopping(pods: Pods) -> None:
    there(pods, pod("cms_alice"))
    said = await refusal({"user": {"memory": "8Gi"}}, memory="16Gi")
    assert said.endswith("Choose a smaller one, or ask the managers of CMS.")


async def test_a_pod_that_has_ended_and_the_one_to_be_replaced_do_not_count(pods: Pods) -> None:
    there(pods, pod("cms_bob", phase="Failed"), pod("cms_bob", "jupyter-cms-bob"))
    await start({"total": {"servers": 1}, "user": {"servers": 1}})


async def test_two_that_start_at_once_are_two() -> None:
    await start({"user": {"servers": 1}})
    assert "1 run or start now" in await refusal({"user": {"servers": 1}}, name="second")


async def test_a_home_has_the_size_that_the_vo_says() -> None:
    claim = (await manifest(spawner("cms-bob", vo(limits={"user": {"home": "50Gi"}}))))["claim"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "50Gi"
    assert claim["metadata"]["labels"]["analysis-facility.io/owner"] == "cms_bob"


def test_containers_that_run_before_the_others_take_turns() -> None:
    spec = {
        "initContainers": [
            container("agent", "Always", cpu="100m"),
            container("prepare", cpu="2"),
            container("other", cpu="1"),
        ],
        "containers": [container(cpu="1"), container("second", cpu="500m")],
    }
    assert asked({"spec": spec}, GPU).cpu == Decimal("2.1")


@given(st.lists(st.integers(min_value=0, max_value=1 << 40), max_size=20))
def test_what_pods_use_is_the_sum_of_what_each_asks_for(sizes: list[int]) -> None:
    some = [pod(memory=str(size)) for size in sizes]
    assert used(some, GPU) == sum((asked(one, GPU) for one in some), Use())
    assert used(some, GPU).memory == sum(sizes)


def status(code: int, message: str) -> ApiException:
    error = ApiException(status=code, reason="Forbidden")
    error.body = json.dumps({"kind": "Status", "message": message, "code": code})
    return error


def test_a_quota_of_the_cluster_is_told_as_a_sentence() -> None:
    said = of_api(
        status(
            403,
            'pods "jupyter-cms-bob" is forbidden: exceeded quota: vo-cms, requested: requests.memory=4Gi, '
            "used: requests.memory=14Gi, limited: requests.memory=16Gi",
        )
    )
    assert said is not None
    assert said.status_code == 429
    assert "requested: requests.memory=4Gi, used: requests.memory=14Gi, limited: requests.memory=16Gi" in said.message


@pytest.mark.parametrize(("code", "known"), [(403, True), (422, True), (500, False), (409, False), (401, False)])
def test_other_refusals_of_the_cluster_are_told_when_another_try_would_not_help(code: int, known: bool) -> None:
    said = of_api(status(code, "violates PodSecurity"))
    assert (said is not None and "violates PodSecurity" in said.message) is known
