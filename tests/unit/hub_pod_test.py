"""The pod of a user, as kubespawner really makes it from the hub's configuration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from jupyterhub.spawner import SpawnException
from kubernetes_asyncio.client import ApiClient, Configuration
from traitlets.config import Config

from facility.hub import pod
from facility.site import Site
from facility.vo import VirtualOrganization

SITE = Site.model_validate(
    {
        "publicUrl": "https://hub.example:31440",
        "images": {"facility": "f:1", "hub": "h:1", "notebook": "n:1", "condor": "c:1", "xcache": "x:1"},
        "notebookResources": {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"memory": "4Gi"}},
    }
)
LAKE = {
    "prefix": "/cms",
    "origin": "https://origin.example:1094",
    "audience": "https://origin.example:1094",
    "scopes": ["storage.read:/embargoed"],
}


def vo(name: str = "cms", **more: Any) -> VirtualOrganization:
    lakes = [{**LAKE, "prefix": f"/{name}"}]
    spec = {"issuer": f"https://{name}.example/", "clientSecret": {"name": "s"}, "lakes": lakes, **more}
    return VirtualOrganization.parse({"metadata": {"name": name}, "spec": spec})


class Authenticator:
    def __init__(self, *vos: VirtualOrganization) -> None:
        self._vos = {one.name: one for one in vos}

    async def virtual_organization(self, name: str) -> VirtualOrganization | None:
        return self._vos.get(name)


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """kubespawner wants the address of an API server before it makes anything; nobody calls it here."""
    server = {"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    users = [{"name": "u", "user": {"username": "nobody"}}]
    config = {"clusters": [server], "contexts": [context], "current-context": "x", "users": users}
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    monkeypatch.setattr("kubernetes_asyncio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    yield
    Configuration.set_default(None)


async def made(user: str = "cms-alice", *vos: VirtualOrganization) -> dict[str, Any]:
    """The manifest that would go to the API server."""
    import kubespawner

    config = Config()
    pod.configure(config, SITE)
    person = SimpleNamespace(name=user, id=1, url=f"/user/{user}/", escaped_name=user)
    hub = SimpleNamespace(public_host="", url="", base_url="/hub/", api_url="http://hub.facility.svc:8081/hub/api")
    authenticator = Authenticator(*(vos or (vo(),)))
    spawner = kubespawner.KubeSpawner(
        config=config, user=person, hub=hub, authenticator=authenticator, api_token="", _mock=True
    )
    manifest = await spawner.modify_pod_hook(spawner, await spawner.get_pod_manifest())
    async with ApiClient() as client:
        shape: dict[str, Any] = client.sanitize_for_serialization(manifest)
    shape["claim"] = spawner.get_pvc_manifest().to_dict()
    return shape


def notebook(manifest: dict[str, Any]) -> dict[str, Any]:
    (container,) = manifest["spec"]["containers"]
    return dict(container)


def environment(container: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in container["env"]}


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
        "requests": {"cpu": "250m", "memory": "512Mi"},
        "limits": {"memory": "4Gi"},
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
    assert claim["spec"].get("storage_class_name") is None
    assert {"name": "home", "persistentVolumeClaim": {"claimName": "home-cms-alice"}} in manifest["spec"]["volumes"]


@pytest.mark.parametrize(
    ("user", "reason"), [("admin", "not a user of this facility"), ("lhcb-eve", "lhcb is not set up")]
)
async def test_nobody_without_a_vo_gets_a_pod(user: str, reason: str) -> None:
    with pytest.raises(SpawnException) as refused:
        await made(user)
    assert reason in str(refused.value.message)
