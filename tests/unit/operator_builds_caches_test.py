"""The manifests of a VO, as dictionaries: who may do what in them, and what each says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from facility import names
from facility.operator.build import everything
from facility.operator.build.clients import clients
from facility.operator.build.pool import pool
from facility.operator.build.xcache import xcache
from facility.operator.objects import Manifest, labels, reference
from facility.operator.validate import ValidatedVO
from facility.site import CacheDefaults
from facility.users import FacilityUser
from facility.vo import VirtualOrganization
from tests.fakes.operator_world import SITE, user, vo

CMS = VirtualOrganization.parse(vo("cms"))
ALICE = FacilityUser.parse(user("alice", uid=20000))


def of(kind: str, manifests: list[Manifest]) -> Manifest:
    """The one of that kind."""
    (found,) = (one for one in manifests if one["kind"] == kind)
    return found


@pytest.fixture
def cache() -> list[Manifest]:
    return xcache(CMS, SITE)


def pod(manifests: list[Manifest]) -> dict[str, Any]:
    spec: dict[str, Any] = of("StatefulSet", manifests)["spec"]["template"]["spec"]
    return spec


def containers(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from spec.get("initContainers", [])
    yield from spec["containers"]


def test_a_cache_is_named_after_its_vo(cache: list[Manifest]) -> None:
    assert {one["metadata"]["name"] for one in cache} == {"xcache-cms"}
    assert {one["metadata"]["namespace"] for one in cache} == {"facility"}


def test_a_caches_pod_passes_the_strictest_pod_security(cache: list[Manifest]) -> None:
    spec = pod(cache)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 65532
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(spec):
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_every_container_says_what_it_needs(cache: list[Manifest]) -> None:
    for container in containers(pod(cache)):
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}


def test_only_the_agent_beside_a_cache_can_prove_who_the_pod_is(cache: list[Manifest]) -> None:
    mounted = {
        container["name"]: {one["name"] for one in container["volumeMounts"]} for container in containers(pod(cache))
    }
    assert "identity" in mounted["agent"]
    assert "identity" not in mounted["xcache"]
    assert pod(cache)["automountServiceAccountToken"] is False
    assert of("ServiceAccount", cache)["automountServiceAccountToken"] is False


def test_the_agent_starts_before_the_cache_and_stays(cache: list[Manifest]) -> None:
    agent = pod(cache)["initContainers"][0]
    assert (agent["name"], agent["restartPolicy"]) == ("agent", "Always")
    assert {"name": "AGENT_BROKER_URL", "value": "https://broker.facility.svc:8443"} in agent["env"]


def test_the_cache_reads_its_own_token_and_cannot_write_it(cache: list[Manifest]) -> None:
    (container,) = pod(cache)["containers"]
    assert {"name": "BEARER_TOKEN_FILE", "value": "/run/token/lake"} in container["env"]
    (token,) = (one for one in container["volumeMounts"] if one["name"] == "token")
    assert token == {"name": "token", "mountPath": "/run/token", "readOnly": True}


def test_a_renewed_certificate_reaches_a_cache_without_a_restart(cache: list[Manifest]) -> None:
    renewal = pod(cache)["initContainers"][1]
    assert (renewal["args"][-1], renewal["restartPolicy"]) == ("facility.xcache.tls", "Always")
    mounts = {one["name"]: one.get("readOnly", False) for one in renewal["volumeMounts"]}
    assert mounts == {"tls": True, "run": False}


def test_no_volume_is_mounted_in_a_way_that_keeps_changes_away() -> None:
    built = everything.of_vo(ValidatedVO(CMS, (ALICE,)), SITE)
    sets = [one["spec"] for one in built if one["kind"] == "StatefulSet"]
    claimed = {claim["metadata"]["name"] for one in sets for claim in one["volumeClaimTemplates"]}
    specs = [one["template"]["spec"] for one in sets]
    mounts = [mount for spec in specs for one in containers(spec) for mount in one["volumeMounts"]]
    assert mounts
    assert [one for one in mounts if "subPath" in one and one["name"] not in claimed] == []


def test_the_volume_has_the_size_and_class_that_the_vo_says() -> None:
    made = VirtualOrganization.parse(vo("cms", cache={"size": "2Ti", "storageClass": "fast"}))
    (claim,) = of("StatefulSet", xcache(made, SITE))["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "2Ti"
    assert claim["spec"]["storageClassName"] == "fast"


LAKES = [
    {
        "prefix": "/cms",
        "origin": "root://dpm.test",
        "audience": "a",
        "scopes": ["storage.read:/"],
        "credential": "Robot",
    }
]
VOMS = {"vo": "cms", "attribute": "/cms/Role=cache", "servers": [{"host": "v.test", "port": 1, "subject": "/CN=v"}]}


@pytest.mark.parametrize(("voms", "asked"), [(None, ""), (VOMS, "cms:/cms/Role=cache")])
def test_a_robots_certificate_is_in_one_container_alone_and_the_cache_has_a_proxy(voms: Any, asked: str) -> None:
    made = VirtualOrganization.parse(vo("cms", lakes=LAKES, cache={"robot": {"name": "cms-robot", "voms": voms}}))
    spec = pod(xcache(made, SITE))
    assert next(one for one in spec["volumes"] if one["name"] == "robot")["secret"]["secretName"] == "cms-robot"
    holders = [c for c in containers(spec) if "robot" in {one["name"] for one in c["volumeMounts"]}]
    assert [one["name"] for one in holders] == ["robot"]
    assert {one["name"]: one["value"] for one in holders[0]["env"]} == {"XCACHE_VOMS": asked}
    cache = {one["name"]: one.get("value") for one in spec["containers"][0]["env"]}
    assert cache["XrdSecGSIUSERPROXY"] == "/run/xrootd/robot.pem"
    assert "X509_USER_PROXY" not in cache
    servers = of("ConfigMap", xcache(made, SITE))["data"].get("vomses")
    assert servers == ('"cms" "v.test" "1" "/CN=v" "cms"\n' if voms else None)


def test_without_a_lake_that_wants_one_nothing_of_a_robot_is_there() -> None:
    made = xcache(VirtualOrganization.parse(vo("cms", cache={"robot": {"name": "cms-robot"}})), SITE)
    assert "robot" not in str(pod(made))


@pytest.mark.parametrize(
    ("removal", "kept"), [({}, "Delete"), ({"cache": "Purge"}, "Delete"), ({"cache": "Keep"}, "Retain")]
)
def test_with_the_vo_its_cached_files_go_unless_it_says_otherwise(removal: dict[str, str], kept: str) -> None:
    made = VirtualOrganization.parse(vo("cms", removal=removal))
    policy = of("StatefulSet", xcache(made, SITE))["spec"]["persistentVolumeClaimRetentionPolicy"]
    assert policy == {"whenDeleted": kept, "whenScaled": kept}


def test_a_closed_vos_cache_stops_and_keeps_address_configuration_and_files(cache: list[Manifest]) -> None:
    suspended = xcache(VirtualOrganization.parse(vo("cms", suspended=True)), SITE)
    removed = xcache(CMS.model_copy(update={"deleting": True}), SITE)
    for closed in (suspended, removed):
        assert of("StatefulSet", closed)["spec"]["replicas"] == 0
        assert [reference(one) for one in closed] == [reference(one) for one in cache]
        stopped, served = (of("StatefulSet", one)["spec"] for one in (closed, cache))
        policy = "persistentVolumeClaimRetentionPolicy"
        assert stopped | {"replicas": 1, policy: served[policy]} == served
        assert stopped[policy] == {"whenDeleted": "Delete", "whenScaled": "Retain"}
    assert of("StatefulSet", cache)["spec"]["replicas"] == 1


def test_another_configuration_is_another_pod_and_the_same_is_the_same(cache: list[Manifest]) -> None:
    other = xcache(VirtualOrganization.parse(vo("cms", "https://moved.example.org")), SITE)
    template = of("StatefulSet", cache)["spec"]["template"]
    assert (
        template["metadata"]["annotations"] != of("StatefulSet", other)["spec"]["template"]["metadata"]["annotations"]
    )
    assert cache == xcache(CMS, SITE)


def test_only_the_vos_notebooks_and_jobs_reach_its_cache(cache: list[Manifest]) -> None:
    rule = of("NetworkPolicy", cache)["spec"]["ingress"][0]
    selected = [one["podSelector"]["matchLabels"] for one in rule["from"]]
    assert [one[names.LABEL_COMPONENT] for one in selected] == ["notebook", "execute"]
    assert {one[names.LABEL_VO] for one in selected} == {"cms"}
    assert rule["ports"] == [{"port": 1094}]


def test_a_cache_never_reaches_the_metadata_service(cache: list[Manifest]) -> None:
    blocks = [
        one["ipBlock"]
        for rule in of("NetworkPolicy", cache)["spec"]["egress"]
        for one in rule["to"]
        if "ipBlock" in one
    ]
    assert blocks
    assert all(one["except"] for one in blocks)
    assert "169.254.0.0/16" in blocks[0]["except"]


def test_a_vo_without_lakes_has_no_cache_and_one_without_batch_no_access_point() -> None:
    dry = VirtualOrganization.parse(vo("cms", lakes=[]))
    idle = VirtualOrganization.parse(vo("cms", batch={"enabled": False}))
    built = {reference(one).name for one in everything.of_vo(ValidatedVO(dry), SITE)}
    assert "xcache-cms" not in built
    assert "ap-cms" in built
    assert "ap-cms" not in {reference(one).name for one in everything.of_vo(ValidatedVO(idle), SITE)}


def test_everything_built_carries_the_labels_by_which_it_is_found_again() -> None:
    validated = ValidatedVO(CMS, (ALICE,))
    for manifest in everything.of_vo(validated, SITE):
        assert labels(manifest)[names.LABEL_MANAGED_BY] == names.OPERATOR
        assert labels(manifest)[names.LABEL_VO] == "cms"
    for manifest in everything.of_site([validated], SITE):
        assert labels(manifest)[names.LABEL_MANAGED_BY] == names.OPERATOR
        assert names.LABEL_VO not in labels(manifest)


def test_every_pods_labels_are_those_its_selectors_ask_for() -> None:
    built = everything.of_vo(ValidatedVO(CMS, (ALICE,)), SITE)
    for manifest in (one for one in built if one["kind"] == "StatefulSet"):
        template = manifest["spec"]["template"]["metadata"]["labels"]
        assert manifest["spec"]["selector"]["matchLabels"].items() <= template.items()
        services = [
            one for one in built if one["kind"] == "Service" and reference(one).name == reference(manifest).name
        ]
        assert services[0]["spec"]["selector"].items() <= template.items()


def test_no_two_built_manifests_are_the_same_object() -> None:
    validated = ValidatedVO(CMS, (ALICE,))
    built = [reference(one) for one in (*everything.of_site([validated], SITE), *everything.of_vo(validated, SITE))]
    assert len(built) == len(set(built))


def test_the_hub_and_the_broker_may_read_the_clients_that_vos_name_and_no_other_secret() -> None:
    atlas = VirtualOrganization.parse(vo("atlas", "https://atlas.example.org"))
    exchange = {"tokens": {"grant": "Exchange", "exchangeClient": {"name": "cta-exchange"}}}
    cta = VirtualOrganization.parse(vo("cta", "https://cta.example.org", **exchange))
    (rule,) = clients([CMS, atlas, cta], SITE)["rules"]
    assert rule["resourceNames"] == ["atlas-client", "cms-client", "cta-client", "cta-exchange"]
    assert rule["verbs"] == ["get"]


def test_without_vos_the_role_gives_nothing_rather_than_every_secret() -> None:
    assert clients([], SITE)["rules"] == []


def test_the_central_manager_knows_the_issuers_of_vos_that_have_batch() -> None:
    idle = VirtualOrganization.parse(vo("idle", "https://idle.example.org", batch={"enabled": False}))
    config, execute = pool([CMS, idle], SITE)
    assert "cms@" in config["data"]["mapfile"]
    assert "idle" not in config["data"]["mapfile"]
    assert {"condor_config", "job-wrapper", "passwd", "group"} <= set(execute["data"])


def test_who_accounts_for_reads_sees_no_token_no_key_and_no_data(cache: list[Manifest]) -> None:
    (container,) = (one for one in containers(pod(cache)) if one["name"] == "accounting")
    mounts = {(one["name"], one.get("subPath"), one["readOnly"]) for one in container["volumeMounts"]}
    assert mounts == {("config", None, True), ("cache", "accounting", True)}
    assert {one["name"] for one in container["env"]} == {"XCACHE_VO", "XCACHE_SIZE"}


def test_what_caches_hold_and_served_is_read_by_hub_operator_and_namespaces_that_the_site_names(
    cache: list[Manifest],
) -> None:
    ours = of("NetworkPolicy", cache)["spec"]["ingress"][1]["from"]
    assert [one["podSelector"]["matchLabels"][names.LABEL_COMPONENT] for one in ours] == ["hub", "operator"]
    there = SITE.model_copy(update={"cache": SITE.cache.model_copy(update={"metrics_from": ("monitoring",)})})
    rule = of("NetworkPolicy", xcache(CMS, there))["spec"]["ingress"][1]
    assert rule["ports"] == [{"port": 9090}]
    namespace = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    assert rule["from"] == [*ours, namespace]


def test_another_lake_starts_no_cache_anew_and_another_issuer_does(cache: list[Manifest]) -> None:
    def template(**changes: Any) -> dict[str, Any]:
        spec = CMS.spec.model_copy(update=changes)
        made: dict[str, Any] = of("StatefulSet", xcache(CMS.model_copy(update={"spec": spec}), SITE))["spec"][
            "template"
        ]
        return made

    other = CMS.spec.lakes[0].model_copy(update={"prefix": "/other", "origin": "root://other.test"})
    assert template(lakes=(*CMS.spec.lakes, other)) == template()
    assert template(issuer="https://other.test/") != template()


def test_caches_run_where_the_site_says_and_as_fast_as_it_lets_them() -> None:
    said = {
        "nodeSelector": {"disk": "nvme"},
        "tolerations": [{"key": "storage", "operator": "Exists"}],
        "ingressBandwidth": "10G",
        "egressBandwidth": "20G",
    }
    site = SITE.model_copy(update={"cache": CacheDefaults.model_validate(said)})
    template = of("StatefulSet", xcache(CMS, site))["spec"]["template"]
    assert template["spec"]["nodeSelector"] == {"disk": "nvme"}
    assert template["spec"]["tolerations"] == [{"key": "storage", "operator": "Exists"}]
    limits = {key: value for key, value in template["metadata"]["annotations"].items() if "bandwidth" in key}
    assert limits == {"kubernetes.io/ingress-bandwidth": "10G", "kubernetes.io/egress-bandwidth": "20G"}


def test_caches_run_on_any_node_unless_the_site_says_otherwise(cache: list[Manifest]) -> None:
    assert not {"nodeSelector", "tolerations"} & pod(cache).keys()


def several(count: int) -> list[Manifest]:
    return xcache(VirtualOrganization.parse(vo("cms", cache={"replicas": count})), SITE)


def test_replicas_have_a_service_of_their_own_each_and_one_for_all() -> None:
    services = {one["metadata"]["name"]: one["spec"] for one in several(2) if one["kind"] == "Service"}
    assert set(services) == {"xcache-cms", "xcache-cms-0", "xcache-cms-1"}
    for name in ("xcache-cms-0", "xcache-cms-1"):
        assert services[name]["selector"]["statefulset.kubernetes.io/pod-name"] == name
    assert "statefulset.kubernetes.io/pod-name" not in services["xcache-cms"]["selector"]
    assert services["xcache-cms"]["sessionAffinity"] == "ClientIP"


def test_replicas_read_from_each_other_and_a_cache_alone_from_none() -> None:
    def ways(manifests: list[Manifest]) -> list[str]:
        readers = of("NetworkPolicy", manifests)["spec"]["ingress"][0]["from"]
        return [one["podSelector"]["matchLabels"][names.LABEL_COMPONENT] for one in readers]

    assert ways(several(1)) == ["notebook", "execute"]
    assert ways(several(2)) == ["notebook", "execute", "xcache"]


def test_replicas_are_rather_on_nodes_of_their_own_and_leave_one_at_a_time() -> None:
    (term,) = pod(several(2))["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert term["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
    assert of("PodDisruptionBudget", several(2))["spec"]["maxUnavailable"] == 1
    assert not [one for one in several(1) if one["kind"] == "PodDisruptionBudget"]


def template(**cache: Any) -> Any:
    return of("StatefulSet", xcache(VirtualOrganization.parse(vo("cms", cache=cache)), SITE))["spec"]["template"]


@pytest.mark.parametrize(
    "change",
    [
        {"replicas": 2},
        {"replicas": 3},
        {"prefetch": "AsRead"},
        {"dropUnusedDays": 3},
        {"quotas": [{"path": "/cms/open", "size": "1Gi"}]},
        {"pinnedPercent": 10},
    ],
    ids=lambda change: " ".join(change),
)
def test_caches_go_on_when_their_number_or_what_they_keep_changes(change: dict[str, Any]) -> None:
    assert template(**change) == template()


def kept_when_scaled(**spec: Any) -> tuple[int, str]:
    built = of("StatefulSet", xcache(VirtualOrganization.parse(vo("cms", **spec)), SITE))["spec"]
    return built["replicas"], built["persistentVolumeClaimRetentionPolicy"]["whenScaled"]


def test_the_volume_of_a_replica_that_is_not_wanted_goes_and_those_of_a_closed_vo_stay() -> None:
    assert kept_when_scaled(cache={"replicas": 2}) == (2, "Delete")
    assert kept_when_scaled(cache={"replicas": 2}, suspended=True) == (0, "Retain")
    assert kept_when_scaled(cache={"replicas": 2}, removal={"cache": "Keep"}) == (2, "Retain")
