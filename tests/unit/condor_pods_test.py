"""The Kubernetes objects of a VO's batch system: rights that HTCondor needs and no more, secrets out of sight."""

from __future__ import annotations

import json
from typing import Any

import pytest

from facility import names
from facility.condor import credmon, layout, shapes
from facility.condor.job_environment import job_environment
from facility.condor.resources import daemons_memory, job_memory, mebibytes
from facility.condor.shapes import DAEMONS_DISK, Shape
from facility.operator.build.access_point import access_point, credmon_settings, people
from facility.operator.build.execute_pod import execute_pod
from facility.site import Cvmfs
from tests.fakes.objects import site, user, vo

ALICE = user("cms", "alice", 20001)
TOKEN = "header.claims.signature"
SITE = site(execute_grace=70)
SHAPE = Shape(cpus=3, memory=700, disk=2048)
#: containers beside a schedd that become nobody
SERVANTS = {"credmon", "keys", "accounting"}
KUEUE = {"kueue_queue": "analysis"}


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [manifest for manifest in access_point(vo("cms"), SITE) if manifest["kind"] == kind]


def access_point_pod() -> dict[str, Any]:
    pod: dict[str, Any] = of_kind("StatefulSet")[0]["spec"]["template"]["spec"]
    return pod


def pods() -> list[dict[str, Any]]:
    return [access_point_pod(), execute_pod(vo("cms"), ALICE, SITE, "ep-cms-alice-x", TOKEN, SHAPE)[1]["spec"]]


def containers() -> list[dict[str, Any]]:
    return [container for pod in pods() for container in pod["containers"]]


def test_containers_may_switch_accounts_and_nothing_else() -> None:
    switching = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"]
    for container in containers():
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"]["drop"] == ["ALL"]
        assert context["capabilities"].get("add", []) == ([] if container["name"] in SERVANTS else switching)


def test_every_container_asks_for_what_it_needs() -> None:
    assert all({"cpu", "memory"} <= container["resources"]["requests"].keys() for container in containers())


def test_no_pod_has_a_key_to_the_api_server() -> None:
    assert all(pod["automountServiceAccountToken"] is False for pod in pods())


def test_only_the_credential_monitor_can_prove_itself_to_the_broker() -> None:
    holders = [
        container["name"]
        for container in containers()
        if any(mount["name"] == "identity" for mount in container["volumeMounts"])
    ]
    assert holders == ["credmon"]


def test_an_execute_pods_identity_is_in_its_secret_alone() -> None:
    secret, pod = execute_pod(vo("cms"), ALICE, SITE, "ep-cms-alice-x", TOKEN, SHAPE)
    assert secret["stringData"] == {"token": TOKEN}
    assert TOKEN not in json.dumps(pod)
    mounted = [volume["secret"]["secretName"] for volume in pod["spec"]["volumes"] if "secret" in volume]
    assert mounted == [secret["metadata"]["name"]] == [pod["metadata"]["name"]]


def test_an_execute_pod_is_labelled_with_whom_it_works_for() -> None:
    labels = execute_pod(vo("cms"), ALICE, SITE, "ep-cms-alice-x", TOKEN, SHAPE)[1]["metadata"]["labels"]
    assert (labels[names.LABEL_VO], labels[names.LABEL_OWNER]) == ("cms", "cms_alice")
    assert labels[names.LABEL_MANAGED_BY] == names.OPERATOR


def test_the_kubelet_waits_longer_for_an_execute_pod_than_htcondor_does() -> None:
    pod = execute_pod(vo("cms"), ALICE, SITE, "ep-cms-alice-x", TOKEN, SHAPE)[1]["spec"]
    assert pod["restartPolicy"] == "Never"
    assert pod["terminationGracePeriodSeconds"] > SITE.batch.execute_grace


def test_map_and_accounts_come_from_one_volume_and_change_in_one_instant() -> None:
    schedd = access_point_pod()["containers"][0]
    places = {mount["mountPath"] for mount in schedd["volumeMounts"] if mount["name"] == "people"}
    assert places == {str(layout.PEOPLE), str(layout.EXTRAUSERS)}
    written = people(vo("cms"), [ALICE, user("atlas", "bob", 20001)], SITE)["data"]
    assert set(written) == {"mapfile", "passwd", "group", "shadow", "limits.json"}
    assert "atlas" not in "".join(written.values())


def test_what_the_operator_writes_for_the_credential_monitor_is_what_it_reads(tmp_path: Any) -> None:
    path = tmp_path / "credmon.json"
    path.write_text(credmon_settings(vo("cms"), SITE))
    settings = credmon.load(path)
    assert (settings.vo, settings.services) == ("cms", {"cms": "https://origin.test:1094"})
    path.write_text(credmon_settings(vo("cms", lakes=0), SITE))
    assert credmon.load(path).services == {}


def test_execute_pods_reach_their_own_vos_queue_and_cache_only() -> None:
    wall = next(one for one in of_kind("NetworkPolicy") if one["metadata"]["name"] == "execute-cms")["spec"]
    reached = [
        peer["podSelector"]["matchLabels"] for way in wall["egress"] for peer in way["to"] if peer.get("podSelector")
    ]
    parts = {(one[names.LABEL_COMPONENT], one.get(names.LABEL_VO)) for one in reached}
    assert parts == {("cm", None), ("access-point", "cms"), ("xcache", "cms")}


def test_jobs_read_the_lake_as_notebooks_do() -> None:
    entries = dict(entry.split("=", 1) for entry in job_environment(vo("cms"), ALICE, SITE).split(" "))
    assert entries["LAKE_ROOT"] == "root://xcache-cms.facility.svc:1094/"
    assert (entries["FACILITY_VO"], entries["FACILITY_USER"]) == ("cms", "cms-alice")
    assert entries["LAKE_PREFIXES"] == entries["LAKE_BASES"] == "/cms"
    assert entries["LAKE_ORIGINS"] == vo("cms").spec.lakes[0].origin


def test_a_storages_other_names_are_known_to_jobs() -> None:
    cms = vo("cms")
    lake = cms.spec.lakes[0].model_copy(update={"aliases": ("root://se.example.org:1094",)})
    named = cms.model_copy(update={"spec": cms.spec.model_copy(update={"lakes": (lake,)})})
    assert f" LAKE_ORIGINS={lake.origin},root://se.example.org:1094 " in job_environment(named, ALICE, SITE)


def test_a_list_in_a_jobs_environment_is_one_value() -> None:
    assert " LAKE_PREFIXES='/cms /cms1' " in job_environment(vo("cms", lakes=2), ALICE, SITE)


@pytest.mark.parametrize(
    ("quantity", "expected"), [("1Gi", 1024), ("512Mi", 512), ("1.5Gi", 1536), ("1G", 953), ("1073741824", 1024)]
)
def test_quantities_of_memory(quantity: str, expected: int) -> None:
    assert mebibytes(quantity) == expected


def test_what_is_no_quantity_is_refused_with_an_example() -> None:
    with pytest.raises(ValueError, match="512Mi or 4Gi"):
        mebibytes("4 GB")


def test_jobs_share_the_limit_of_their_pod_without_the_daemons_part() -> None:
    resources = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}
    assert job_memory(site(execute_resources=resources)) == 2048 - daemons_memory(2)
    del resources["limits"]
    assert job_memory(site(execute_resources=resources)) == 1024 - daemons_memory(2)


def test_a_vo_has_its_own_image_for_execute_pods_if_it_says_so() -> None:
    images = [
        execute_pod(vo("cms", **batch), ALICE, SITE, "ep-x", TOKEN, SHAPE)[1]["spec"]["containers"][0]["image"]
        for batch in ({}, {"image": "registry.test/analysis:7"})
    ]
    assert images == ["registry.test/notebook:1", "registry.test/analysis:7"]


def test_jobs_see_cvmfs_where_the_site_has_it_and_repositories_that_are_mounted_later() -> None:
    assert "cvmfs" not in json.dumps(execute_pod(vo("cms"), ALICE, SITE, "ep-x", TOKEN, SHAPE))
    here = SITE.model_copy(update={"cvmfs": Cvmfs(claim="cvmfs")})
    spec = execute_pod(vo("cms"), ALICE, here, "ep-x", TOKEN, SHAPE)[1]["spec"]
    assert spec["volumes"][-1] == {"name": "cvmfs", "persistentVolumeClaim": {"claimName": "cvmfs"}}
    (mounted,) = (one for one in spec["containers"][0]["volumeMounts"] if one["name"] == "cvmfs")
    assert mounted == {
        "name": "cvmfs",
        "mountPath": "/cvmfs",
        "readOnly": True,
        "mountPropagation": "HostToContainer",
    }


def execute(**batch: Any) -> dict[str, Any]:
    """An execute pod of SHAPE."""
    return execute_pod(vo("cms"), ALICE, site(**batch), "ep-x", TOKEN, SHAPE)[1]


def test_an_execute_pod_tells_htcondor_the_shape_that_kubernetes_gave_it() -> None:
    (container,) = execute()["spec"]["containers"]
    told = {one["name"]: one.get("value") for one in container["env"]}
    assert [told[f"EP_{name}"] for name in ("CPUS", "MEMORY", "DISK", "GPUS")] == [
        "3",
        "700",
        str((2048 + 3) * 1024),
        "0",
    ]
    assert container["resources"]["limits"]["memory"] == f"{700 + daemons_memory(3)}Mi"


def test_what_jobs_write_outside_of_their_directory_cannot_fill_the_nodes_disk() -> None:
    volumes = {one["name"]: one.get("emptyDir") for one in execute()["spec"]["volumes"]}
    assert volumes["tmp"] == {"medium": "Memory", "sizeLimit": "64Mi"}
    assert volumes["work"] == {"sizeLimit": f"{2048 + DAEMONS_DISK}Mi"}
    assert all(volumes[name]["sizeLimit"] for name in ("tmp", "work", "memory") if volumes[name])


def test_why_an_execute_pod_should_leave_reaches_it_through_its_annotations() -> None:
    spec = execute()["spec"]
    (volume,) = (one["downwardAPI"] for one in spec["volumes"] if "downwardAPI" in one)
    path = f"metadata.annotations['{names.ANNOTATION_RETIRE}']"
    assert volume["items"] == [{"path": layout.RETIRE.name, "fieldRef": {"fieldPath": path}}]
    (place,) = (one for one in spec["containers"][0]["volumeMounts"] if one["name"] == "pod")
    assert place == {"name": "pod", "mountPath": str(layout.RETIRE.parent), "readOnly": True}


def test_kueue_is_told_of_execute_pods_where_the_site_has_it() -> None:
    queues = [execute(**batch)["metadata"]["labels"].get("kueue.x-k8s.io/queue-name") for batch in ({}, KUEUE)]
    assert queues == [None, "analysis"]
    assert (
        "kueue.x-k8s.io/queue-name"
        not in execute_pod(vo("cms"), ALICE, site(**KUEUE), "x", TOKEN, SHAPE)[0]["metadata"]["labels"]
    )


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", None),
        ("Unconfined", {"type": "Unconfined"}),
        ("Localhost/facility-execute", {"type": "Localhost", "localhostProfile": "facility-execute"}),
    ],
)
def test_apparmor_is_the_runtimes_unless_the_site_says_otherwise(said: str, expected: dict[str, str] | None) -> None:
    (container,) = execute(apparmor_profile=said)["spec"]["containers"]
    assert container["securityContext"].get("appArmorProfile") == expected
    assert container["securityContext"]["allowPrivilegeEscalation"] is False


@pytest.mark.parametrize("said", ["unconfined", "Localhost", "Localhost/", "Localhost/a b", "RuntimeDefault/x"])
def test_an_apparmor_profile_that_is_none_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="apparmor"):
        site(apparmor_profile=said)


def test_jobs_have_time_to_end_although_an_access_point_that_is_gone_blocks_htcondor_for_a_while() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 60"):
        site(execute_grace=59)


def test_a_node_with_an_execute_pod_is_not_taken_away_by_the_cluster_autoscaler() -> None:
    annotations = execute()["metadata"]["annotations"]
    assert annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
    assert annotations[names.ANNOTATION_SHAPE] == shapes.written(SHAPE)
