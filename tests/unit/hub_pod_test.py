"""The pod of a user, as kubespawner really makes it from the hub's configuration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyterhub.spawner import SpawnException

from facility.hub import walls
from tests.fakes import vo_spawner
from tests.fakes.vo_spawner import Pods, container, environment, notebook, site, vo


@pytest.fixture(autouse=True)
def pods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pods]:
    with vo_spawner.cluster(tmp_path, monkeypatch) as found:
        yield found


async def made(user: str = "cms-alice", *vos: Any, **more: Any) -> dict[str, Any]:
    """The manifest that would go to the API server."""
    return await vo_spawner.manifest(vo_spawner.spawner(user, *vos, **more))


async def test_a_pod_keeps_to_pod_security_restricted() -> None:
    spec = (await made())["spec"]
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
        "fsGroup": 1000,
        "fsGroupChangePolicy": "OnRootMismatch",
    }
    for one in spec["containers"]:
        context = one["securityContext"]
        assert context["runAsUser"] == context["runAsGroup"] == 1000
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
    assert {next(iter(set(volume) - {"name"})) for volume in spec["volumes"]} == {
        "persistentVolumeClaim",
        "emptyDir",
        "projected",
        "configMap",
    }


async def test_a_pod_holds_no_service_account_token_of_the_api_server() -> None:
    spec = (await made())["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec.get("shareProcessNamespace") in (None, False)
    assert spec["enableServiceLinks"] is False


async def test_the_identity_is_mounted_in_the_agent_alone() -> None:
    manifest = await made()
    agent = container(manifest, "agent")
    assert "identity" in {mount["name"] for mount in agent["volumeMounts"]}
    assert "identity" not in {mount["name"] for mount in notebook(manifest)["volumeMounts"]}
    (volume,) = [one for one in manifest["spec"]["volumes"] if one["name"] == "identity"]
    (source,) = volume["projected"]["sources"]
    assert source["serviceAccountToken"] == {"audience": "token-broker", "expirationSeconds": 1800, "path": "token"}


async def test_a_lost_question_for_a_name_is_asked_again_after_a_second() -> None:
    spec = (await made())["spec"]
    assert {"name": "timeout", "value": "1"} in spec["dnsConfig"]["options"]


async def test_the_agent_writes_token_files_that_the_notebook_can_only_read() -> None:
    manifest = await made()
    agent = container(manifest, "agent")
    (volume,) = [one for one in manifest["spec"]["volumes"] if one["name"] == "token"]
    assert volume["emptyDir"]["medium"] == "Memory"
    mounts = {mount["name"]: mount for mount in notebook(manifest)["volumeMounts"]}
    assert mounts["token"] == {"name": "token", "mountPath": "/run/token", "readOnly": True}
    assert {"name": "token", "mountPath": "/run/token"} in agent["volumeMounts"]


async def test_the_notebook_waits_for_the_agent_and_is_what_people_look_into() -> None:
    agent, following = (await made())["spec"]["containers"]
    assert (agent["name"], agent["image"], following["name"]) == ("agent", "f:1", "notebook")
    hook = agent["lifecycle"]["postStart"]["exec"]["command"]
    assert (hook[:2], hook[3:]) == (["sh", "-c"], ["/run/token/agent.sock", "6000"])  # for a minute at most
    annotations = (await made())["metadata"]["annotations"]
    assert annotations["kubectl.kubernetes.io/default-container"] == "notebook"
    assert environment(agent)["AGENT_BROKER_URL"] == "https://broker.facility.svc:8443"


async def test_every_container_asks_for_resources() -> None:
    manifest = await made()
    assert notebook(manifest)["resources"] == {
        "requests": {"cpu": 0.25, "memory": 512 * 1024**2},
        "limits": {"memory": 4 * 1024**3},
    }
    assert container(manifest, "agent")["resources"]["requests"]


async def test_labels_say_whose_pod_of_which_vo_it_is() -> None:
    manifest = await made()
    wanted = {
        "app.kubernetes.io/name": "notebook",
        "app.kubernetes.io/component": "notebook",
        "analysis-facility.io/vo": "cms",
        "analysis-facility.io/owner": "cms_alice",
    }
    assert wanted.items() <= manifest["metadata"]["labels"].items()
    assert manifest["metadata"]["annotations"]["hub.jupyter.org/username"] == "cms-alice"
    assert manifest["metadata"]["name"] == "jupyter-cms-alice"


async def test_the_environment_leads_to_the_cache_and_access_point_of_the_persons_vo() -> None:
    found = environment(notebook(await made()))
    wanted = {
        "BEARER_TOKEN_FILE": "/run/token/lake",
        "LAKE_HOSTS": "xcache-cms.facility.svc",
        "LAKE_ROOT": "root://xcache-cms.facility.svc:1094/",
        "LAKE_HTTPS": "https://xcache-cms.facility.svc:1094",
        "_CONDOR_SCHEDD_HOST": "ap@ap-cms.facility-batch.svc",
        "_CONDOR_COLLECTOR_HOST": "cm.facility-batch.svc:9618",
        "_CONDOR_SCITOKENS_FILE": "/run/token/compute",
        "FACILITY_USER": "cms-alice",
        "X509_CERT_FILE": "/etc/facility/trust/ca.crt",
    }
    assert wanted.items() <= found.items()
    assert "BEARER_TOKEN" not in found


async def test_people_of_another_vo_get_their_own_and_nothing_of_the_first() -> None:
    atlas = vo("atlas", batch={"enabled": False})
    found = environment(notebook(await made("atlas-bob", vo(), atlas)))
    assert found["LAKE_HOSTS"] == "xcache-atlas.facility.svc"
    assert found["LAKE_PREFIXES"] == found["LAKE_BASES"] == "/atlas"
    assert found["LAKE_ORIGINS"] == atlas.spec.lakes[0].origin
    assert not [value for value in found.values() if "cms" in value]
    assert not [name for name in found if "CONDOR" in name]


async def test_a_vo_without_lake_sets_no_token_file() -> None:
    found = environment(notebook(await made("cms-alice", vo(lakes=[]))))
    assert not {"BEARER_TOKEN_FILE", "LAKE_ROOT", "LAKE_HOSTS"} & found.keys()


async def test_a_home_is_a_volume_of_ones_own_that_stays() -> None:
    manifest = await made()
    claim = manifest["claim"]
    assert claim["metadata"]["name"] == "home-cms-alice"
    assert claim["spec"]["resources"]["requests"]["storage"] == "10Gi"
    assert "storageClassName" not in claim["spec"]
    assert {"name": "home", "persistentVolumeClaim": {"claimName": "home-cms-alice"}} in manifest["spec"]["volumes"]


@pytest.mark.parametrize(
    ("user", "reason"), [("admin", "not a user of this facility"), ("lhcb-eve", "lhcb is not set up")]
)
async def test_nobody_without_a_vo_gets_a_pod(user: str, reason: str) -> None:
    with pytest.raises(SpawnException) as refused:
        await made(user)
    assert reason in str(refused.value.message)


async def test_a_vo_that_is_closed_starts_nothing() -> None:
    with pytest.raises(SpawnException) as refused:
        await made("cms-alice", vo(suspended=True))
    assert refused.value.message == "The virtual organization cms is suspended."


async def test_shared_volumes_are_of_the_site_and_the_vo_and_to_read_only() -> None:
    at = site(volumes=[{"name": "soft", "claim": "software", "mountPath": "/software"}])
    own = vo(volumes=[{"name": "calib", "claim": "cms-calibration", "mountPath": "/data/calibration"}])
    manifest = await made("cms-alice", own, at=at)
    mounts = {mount["mountPath"]: mount for mount in notebook(manifest)["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in manifest["spec"]["volumes"]}
    for path, claim in {"/software": "software", "/data/calibration": "cms-calibration"}.items():
        assert mounts[path]["readOnly"] is True
        assert volumes[mounts[path]["name"]]["persistentVolumeClaim"] == {"claimName": claim, "readOnly": True}


async def test_of_two_volumes_for_one_path_the_vos_is_mounted() -> None:
    at = site(volumes=[{"name": "data", "claim": "of-the-site", "mountPath": "/data/x"}])
    own = vo(volumes=[{"name": "data", "claim": "of-the-vo", "mountPath": "/data/x"}])
    claims = [one.get("persistentVolumeClaim") for one in (await made("cms-alice", own, at=at))["spec"]["volumes"]]
    assert [claim["claimName"] for claim in claims if claim] == ["home-cms-alice", "of-the-vo"]


async def test_people_of_another_vo_do_not_see_a_vos_volumes() -> None:
    own = vo(volumes=[{"name": "calib", "claim": "cms-calibration", "mountPath": "/data/calibration"}])
    manifest = await made("atlas-bob", own, vo("atlas"))
    assert not [one for one in manifest["spec"]["volumes"] if "cms" in str(one)]


async def test_cvmfs_is_seen_as_the_node_mounts_it() -> None:
    manifest = await made(at=site(cvmfs={"claim": "cvmfs"}))
    (mount,) = [one for one in notebook(manifest)["volumeMounts"] if one["name"] == "cvmfs"]
    assert mount == {
        "name": "cvmfs",
        "mountPath": "/cvmfs",
        "readOnly": True,
        "mountPropagation": "HostToContainer",
    }


async def test_a_pod_has_its_vos_priority_by_which_quotas_know_it() -> None:
    assert (await made())["spec"]["priorityClassName"] == "facility-vo-cms"
    assert "priorityClassName" not in (await made(at=site(priorityClasses=False)))["spec"]


async def test_servers_of_one_person_share_a_node_as_they_share_a_home(pods: Pods) -> None:
    assert "affinity" not in (await made())["spec"]
    labels = {"analysis-facility.io/vo": "cms", "analysis-facility.io/owner": "cms_alice"}
    pods["facility-users/jupyter-cms-alice"] = {
        "metadata": {"name": "jupyter-cms-alice", "labels": labels},
        "spec": {"containers": []},
        "status": {"phase": "Running"},
    }
    second = await made(name="gpu")
    (term,) = second["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term == {
        "labelSelector": {"matchLabels": {"analysis-facility.io/owner": "cms_alice"}},
        "topologyKey": "kubernetes.io/hostname",
    }
    assert second["metadata"]["name"] == "jupyter-cms-alice--gpu"
    assert second["claim"]["metadata"]["name"] == "home-cms-alice"
    assert second["metadata"]["annotations"]["hub.jupyter.org/username"] == "cms-alice"
    assert "affinity" not in (await made("cms-bob", vo()))["spec"]


def spoiled(manifest: dict[str, Any], how: str) -> dict[str, Any]:
    """A manifest in which some configuration has broken a rule."""
    spec = manifest["spec"]
    mine = next(one for one in spec["containers"] if one["name"] == "notebook")["volumeMounts"]
    reads = {"name": "identity", "mountPath": "/x", "readOnly": True}
    token = {"serviceAccountToken": {"path": "t"}}
    changes: dict[str, Any] = {
        "API server": lambda: spec.update(automountServiceAccountToken=True),
        "shareProcessNamespace": lambda: spec.update(shareProcessNamespace=True),
        "mounts volume identity": lambda: mine.append(reads),
        "mounts volume token": lambda: mine.append({"name": "token", "mountPath": "/x"}),
        "no agent": lambda: spec.update(containers=[one for one in spec["containers"] if one["name"] != "agent"]),
        "is of the node": lambda: spec["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
        "ServiceAccount's token": lambda: spec["volumes"].append({"name": "x", "projected": {"sources": [token]}}),
        "is privileged": lambda: spec["containers"].append({"name": "x", "securityContext": {"privileged": True}}),
    }
    changes[how]()
    return manifest


@pytest.mark.parametrize(
    "how",
    [
        "API server",
        "shareProcessNamespace",
        "mounts volume identity",
        "mounts volume token",
        "no agent",
        "is of the node",
        "ServiceAccount's token",
        "is privileged",
    ],
)
async def test_no_pod_is_made_that_would_let_a_token_out(how: str) -> None:
    walls.check(await made())
    with pytest.raises(SpawnException) as refused:
        walls.check(spoiled(await made(), how))
    assert how in refused.value.message
    assert refused.value.status_code == 500
