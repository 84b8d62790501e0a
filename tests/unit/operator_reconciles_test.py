"""From objects to a facility: what the operator writes, keeps, removes and says, against a real HTTP API server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from facility.operator.build.common import config_map
from facility.operator.wake import ANNOTATION, LATER, Wake
from tests.fakes.operator_world import World, client_secret, dataset, user, vo, world


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


async def test_a_vo_gets_its_cache_its_access_point_and_says_ready(here: World) -> None:
    here.add_vo("cms")
    await here.reconcile()
    assert here.condition("cms") == ("True", "Served")
    assert here.condition("cms", "IssuerReachable") == ("True", "Answered")
    assert here.condition("cms", "ClientReady") == ("True", "Found")
    assert "xcache-cms" in here.api.names("StatefulSet")
    assert "ap-cms" in here.api.names("StatefulSet", "facility-batch")
    assert "tls-xcache-cms" in here.api.names("Secret")
    assert "tls-ap-cms" in here.api.names("Secret", "facility-batch")


async def test_a_facility_without_vos_has_its_secrets_its_trust_and_its_configuration(here: World) -> None:
    await here.reconcile()
    assert here.api.names("Secret") == {"facility-ca", "hub-secrets", "broker-key", "tls-broker", "tls-proxy-public"}
    assert here.api.names("Secret", "facility-batch") == {"pool-key", "tls-cm"}
    for namespace in ("facility", "facility-users", "facility-batch"):
        assert "facility-trust" in here.api.names("ConfigMap", namespace)
    assert {"cm-config", "ep-config"} <= here.api.names("ConfigMap", "facility-batch")
    assert here.api.get("Role", "vo-clients")["rules"] == []


async def test_a_second_pass_writes_nothing(here: World) -> None:
    here.add_vo("cms")
    here.api.put(user("alice"))
    await here.reconcile()
    await here.reconcile()
    here.api.writes()
    await here.reconcile()
    assert here.api.writes() == []


async def test_what_somebody_changed_by_hand_is_put_right(here: World) -> None:
    here.add_vo("cms")
    await here.reconcile()
    role = here.api.get("Role", "vo-clients")
    here.api.put({**role, "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]})
    await here.reconcile()
    assert here.api.get("Role", "vo-clients")["rules"][0]["resourceNames"] == ["cms-client"]


async def test_a_new_operator_changes_nothing_that_is_as_it_should_be(here: World) -> None:
    here.add_vo("cms")
    await here.reconcile()
    before = {key: one["metadata"]["resourceVersion"] for key, one in here.api.objects.items()}
    here.restart()
    await here.reconcile()
    assert {key: one["metadata"]["resourceVersion"] for key, one in here.api.objects.items()} == before


async def test_adding_a_vo_changes_no_workload_of_another(here: World) -> None:
    here.add_vo("cms")
    await here.reconcile()
    before = here.api.get("StatefulSet", "xcache-cms")["metadata"]["resourceVersion"]
    here.add_vo("atlas", 2)
    await here.reconcile()
    assert here.api.get("StatefulSet", "xcache-cms")["metadata"]["resourceVersion"] == before
    assert here.condition("atlas") == ("True", "Served")


async def test_what_belongs_to_a_vo_goes_with_it_and_nothing_else_does(here: World) -> None:
    here.add_vo("cms")
    here.add_vo("atlas", 2)
    await here.reconcile()
    here.api.remove("VirtualOrganization", "cms")
    await here.reconcile()
    for namespace in ("facility", "facility-users", "facility-batch"):
        for kind in ("StatefulSet", "ConfigMap", "Service", "ServiceAccount", "NetworkPolicy"):
            assert not [name for name in here.api.names(kind, namespace) if "cms" in name]
    assert here.api.names("StatefulSet") == {"xcache-atlas"}
    assert "tls-xcache-cms" not in here.api.names("Secret")
    assert {"cms-client", "facility-ca", "tls-xcache-atlas"} <= here.api.names("Secret")
    assert "pool-key" in here.api.names("Secret", "facility-batch")


async def test_objects_in_the_vos_namespace_are_owned_by_it(here: World) -> None:
    here.add_vo("cms")
    await here.reconcile()
    owner = here.api.get("VirtualOrganization", "cms")["metadata"]["uid"]
    assert here.api.get("StatefulSet", "xcache-cms")["metadata"]["ownerReferences"][0]["uid"] == owner
    assert "ownerReferences" not in here.api.get("StatefulSet", "ap-cms", "facility-batch")["metadata"]


async def test_an_outage_of_the_issuer_ends_nothing_that_was_served(here: World) -> None:
    here.add_vo("cms")
    await here.reconcile()
    here.issuers.down.add("cms")
    here.restart()
    await here.reconcile()
    assert here.condition("cms", "IssuerReachable") == ("False", "IssuerUnreachable")
    assert here.condition("cms") == ("True", "Served")
    assert "xcache-cms" in here.api.names("StatefulSet")
    here.issuers.down.clear()
    await here.reconcile()
    assert here.condition("cms", "IssuerReachable") == ("True", "Answered")


async def test_a_new_vo_whose_issuer_does_not_answer_waits_and_says_so(here: World) -> None:
    here.issuers.down.add("cms")
    here.add_vo("cms")
    here.add_vo("atlas", 2)
    await here.reconcile()
    assert here.condition("cms") == ("False", "IssuerUnreachable")
    assert "503" in here.message("cms", "IssuerReachable")
    assert here.condition("atlas") == ("True", "Served")
    assert here.api.names("StatefulSet") == {"xcache-atlas"}


async def test_a_spec_that_became_wrong_keeps_what_runs(here: World) -> None:
    here.add_vo("cms")
    await here.reconcile()
    here.api.put(vo("cms", "http://not-https.example.org"))
    await here.reconcile()
    assert here.condition("cms") == ("False", "BadSpec")
    assert "https" in here.message("cms")
    assert "xcache-cms" in here.api.names("StatefulSet")
    assert "ap-cms" in here.api.names("StatefulSet", "facility-batch")


async def test_a_vo_that_the_api_server_refuses_parts_of_holds_up_nobody(here: World) -> None:
    here.add_vo("cms")
    here.add_vo("atlas", 2)
    here.api.refuse["PATCH", "statefulsets", "xcache-cms"] = "spec: Forbidden: updates to volumeClaimTemplates"
    await here.reconcile()
    assert here.condition("cms") == ("False", "CannotApply")
    assert "volumeClaimTemplates" in here.message("cms")
    assert here.condition("atlas") == ("True", "Served")
    assert [one.name for one in here.reconciler.served] == ["atlas"]


async def test_a_change_that_cannot_be_made_ends_nothing_and_says_what_to_do(here: World) -> None:
    here.add_vo("cms")
    await here.reconcile()
    here.api.refuse["PATCH", "statefulsets", "xcache-cms"] = "spec: Forbidden: updates to statefulset spec for fields"
    here.add_vo("cms", cache={"size": "40Gi"})
    await here.reconcile()
    assert here.condition("cms") == ("True", "CannotApply")
    assert "set them back" in here.message("cms")
    assert [one.name for one in here.reconciler.served] == ["cms"]
    assert {"xcache-cms"} == here.api.names("StatefulSet")


async def test_a_configuration_that_cannot_be_written_down_is_refused_with_what_to_change(here: World) -> None:
    lake = {"prefix": "/c ms", "origin": "https://o.example.org:1094", "audience": "a", "scopes": ["storage.read:/"]}
    here.add_vo("cms", lakes=[lake])
    await here.reconcile()
    assert here.condition("cms") == ("False", "CannotBuild")
    assert "/c ms" in here.message("cms")


async def test_the_client_secret_that_comes_later_makes_the_vo_ready(here: World) -> None:
    here.api.put(vo("cms", here.issuers.url("cms")))
    await here.reconcile()
    assert here.condition("cms", "ClientReady") == ("False", "SecretMissing")
    here.api.put(client_secret("cms"))
    await here.reconcile()
    assert here.condition("cms") == ("True", "Served")


async def test_people_get_a_uid_an_account_and_a_line_in_the_map(here: World) -> None:
    here.add_vo("cms")
    here.api.put(user("alice"))
    await here.reconcile()
    assert here.api.get("FacilityUser", "cms-alice")["spec"]["uid"] == 20000
    people = here.api.get("ConfigMap", "ap-cms-people", "facility-batch")["data"]
    assert f'"{here.issuers.url("cms")},sub-alice" cms_alice@pool' in people["mapfile"]
    assert "cms_alice:x:20000:20000:" in people["passwd"]
    assert here.api.get("VirtualOrganization", "cms")["status"]["users"] == 1


async def test_pods_that_read_news_are_touched_so_that_it_arrives_at_once(here: World) -> None:
    here.add_vo("cms")
    await here.reconcile()
    labels = {"app.kubernetes.io/component": "access-point", "analysis-facility.io/vo": "cms"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "ap-cms-0", "namespace": "facility-batch", "labels": labels},
    }
    here.api.put(pod)
    await here.reconcile()
    assert "annotations" not in here.api.get("Pod", "ap-cms-0", "facility-batch")["metadata"]
    here.api.put(user("alice"))
    await here.reconcile()
    assert here.api.get("Pod", "ap-cms-0", "facility-batch")["metadata"]["annotations"]


async def test_caches_are_touched_when_their_lakes_or_datasets_change(here: World) -> None:
    here.add_vo("cms")
    labels = {"app.kubernetes.io/component": "xcache", "analysis-facility.io/vo": "cms"}
    metadata = {"name": "xcache-cms-0", "namespace": "facility", "labels": labels}
    here.api.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
    await here.reconcile()
    here.api.put(dataset())
    await here.reconcile()
    assert here.api.get("Pod", "xcache-cms-0")["metadata"]["annotations"]


async def test_they_are_touched_once_more_when_the_node_surely_knows_the_news(here: World) -> None:
    reader = {"app.kubernetes.io/component": "cm"}
    metadata = {"name": "cm-0", "namespace": "facility-batch", "labels": reader}
    here.api.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
    wake = Wake(here.cluster, here.clock)

    def touched() -> Any:
        return here.api.get("Pod", "cm-0", "facility-batch")["metadata"].get("annotations")

    await wake.of([config_map("cm-config", "facility-batch", {}, component="cm")])
    first = touched()
    await wake.again()
    assert touched() == first
    for _ in range(2):
        here.clock.pass_by(LATER)
        await wake.again()
        second = touched()
        assert first != second == {ANNOTATION: f"{first_time(first) + LATER:.3f}"}


def first_time(annotations: dict[str, str]) -> float:
    return float(annotations[ANNOTATION])


async def test_the_time_of_a_change_stays_while_nothing_changes(here: World) -> None:
    here.add_vo("cms")
    await here.reconcile()
    before = here.api.get("VirtualOrganization", "cms")["status"]
    here.restart()
    await here.reconcile()
    assert here.api.get("VirtualOrganization", "cms")["status"] == before
