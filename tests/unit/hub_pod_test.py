"""The pod of a user, as kubespawner really makes it from the hub's configuration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyterhub.spawner import SpawnException

from tests.fakes import vo_spawner
from tests.fakes.vo_spawner import Pods, environment, notebook, vo


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
    for container in (*spec["containers"], *spec["initContainers"]):
        context = container["securityContext"]
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
    (agent,) = manifest["spec"]["initContainers"]
    assert "identity" in {mount["name"] for mount in agent["volumeMounts"]}
    assert "identity" not in {mount["name"] for mount in notebook(manifest)["volumeMounts"]}
    (volume,) = [one for one in manifest["spec"]["volumes"] if one["name"] == "identity"]
    (source,) = volume["projected"]["sources"]
    assert source["serviceAccountToken"] == {"audience": "token-broker", "expirationSeconds": 600, "path": "token"}


async def test_the_agent_writes_token_files_that_the_notebook_can_only_read() -> None:
    manifest = await made()
    (agent,) = manifest["spec"]["initContainers"]
    (volume,) = [one for one in manifest["spec"]["volumes"] if one["name"] == "token"]
    assert volume["emptyDir"]["medium"] == "Memory"
    mounts = {mount["name"]: mount for mount in notebook(manifest)["volumeMounts"]}
    assert mounts["token"] == {"name": "token", "mountPath": "/run/token", "readOnly": True}
    assert {"name": "token", "mountPath": "/run/token"} in agent["volumeMounts"]


async def test_the_agent_is_a_native_sidecar_that_the_notebook_waits_for() -> None:
    (agent,) = (await made())["spec"]["initContainers"]
    assert (agent["image"], agent["restartPolicy"]) == ("f:1", "Always")
    assert agent["startupProbe"]["exec"]["command"] == ["python3", "-m", "facility.agent.main", "--ready"]
    assert environment(agent)["AGENT_BROKER_URL"] == "https://broker.facility.svc:8443"


async def test_every_container_asks_for_resources() -> None:
    manifest = await made()
    assert notebook(manifest)["resources"] == {
        "requests": {"cpu": 0.25, "memory": 512 * 1024**2},
        "limits": {"memory": 4 * 1024**3},
    }
    assert manifest["spec"]["initContainers"][0]["resources"]["requests"]


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
    assert found["LAKE_PREFIXES"] == "/atlas"
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
