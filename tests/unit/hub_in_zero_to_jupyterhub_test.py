"""In a hub of zero-to-jupyterhub, the facility's sign-in and pods come on top of what that chart's values have set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Config

from facility.hub import config as hub_config
from facility.hub.guard import GuardError
from tests.fakes import vo_spawner
from tests.fakes.vo_spawner import Pods, environment, manifest, notebook, spawner

_SITE = """
publicUrl: https://hub.example
images: {facility: f:1, hub: h:1, notebook: n:1, condor: c:1, xcache: x:1}
"""


@pytest.fixture(autouse=True)
def pods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pods]:
    (tmp_path / "site.yaml").write_text(_SITE)
    with vo_spawner.cluster(tmp_path, monkeypatch) as found:
        yield found


def theirs() -> Config:
    """What the chart sets from its defaults and a site's values, in the forms in which it sets them."""
    c = Config()
    c.JupyterHub.hub_connect_url = "http://hub:8081"
    c.JupyterHub.db_url = "sqlite:///jupyterhub.sqlite"
    c.JupyterHub.authenticator_class = "dummy"
    c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
    c.JupyterHub.services = [{"name": "jupyterhub-idle-culler"}]
    c.JupyterHub.load_roles = [{"name": "jupyterhub-idle-culler"}]
    spawner = c.KubeSpawner
    spawner.namespace = "facility"
    spawner.common_labels = {"app": "jupyterhub", "release": "hub"}
    spawner.extra_labels = {"hub.jupyter.org/network-access-hub": "true"}
    spawner.image = "quay.io/jupyterhub/k8s-singleuser-sample:4"
    spawner.uid, spawner.fs_gid, spawner.mem_guarantee = 1000, 100, "1G"
    spawner.allow_privilege_escalation = False
    spawner.environment = {"EDITOR": "vi"}
    spawner.tolerations = [{"key": "hub.jupyter.org/dedicated", "operator": "Equal", "value": "user"}]
    spawner.storage_pvc_ensure = True
    spawner.pvc_name_template = "claim-{user_server}"
    claim = {"claimName": "{pvc_name}"}
    spawner.volumes = [
        {"name": "volume-{user_server}", "persistentVolumeClaim": claim},
        {"name": "files", "secret": {"secretName": "singleuser"}},
    ]
    spawner.volume_mounts = [
        {"name": "volume-{user_server}", "mountPath": "/home/jovyan", "subPath": None},
        {"name": "files", "mountPath": "/etc/a", "subPath": "a"},
        {"name": "files", "mountPath": "/etc/b", "subPath": "b"},
    ]
    return c


def configured(directory: Path, c: Config) -> Config:
    hub_config.configure(c, directory / "site.yaml", secrets=None)
    return c


async def pod(directory: Path, c: Config) -> dict[str, Any]:
    return await manifest(spawner(config=configured(directory, c)))


def test_sign_in_and_spawner_are_the_facilitys_and_the_rest_is_theirs(tmp_path: Path) -> None:
    hub = configured(tmp_path, theirs()).JupyterHub
    assert hub.authenticator_class == "facility.hub.authenticator.VOAuthenticator"
    assert hub.spawner_class == "facility.hub.spawner.VOSpawner"
    assert hub.db_url == "sqlite:///jupyterhub.sqlite"
    assert [one["name"] for one in hub.services] == ["jupyterhub-idle-culler"]
    assert hub.load_roles == [{"name": "jupyterhub-idle-culler"}]


def test_servers_in_another_namespace_find_the_hub(tmp_path: Path) -> None:
    assert configured(tmp_path, theirs()).JupyterHub.hub_connect_url == "http://hub.facility.svc:8081"


async def test_what_the_chart_adds_to_pods_is_kept(tmp_path: Path) -> None:
    made = await pod(tmp_path, theirs())
    labels = made["metadata"]["labels"]
    assert labels["app"] == "jupyterhub"
    assert labels["hub.jupyter.org/network-access-hub"] == "true"
    assert labels["app.kubernetes.io/component"] == "notebook"
    assert environment(notebook(made))["EDITOR"] == "vi"
    mounts = {one["mountPath"]: one["name"] for one in notebook(made)["volumeMounts"]}
    assert (mounts["/etc/a"], mounts["/etc/b"], mounts["/run/token"]) == ("files", "files", "token")
    assert made["spec"]["tolerations"][0]["value"] == "user"


async def test_a_pod_is_where_and_what_it_is_in_the_facilitys_own_hub(tmp_path: Path) -> None:
    made = await pod(tmp_path, theirs())
    agent = made["spec"]["containers"][0]
    assert (agent["name"], agent["image"]) == ("agent", "f:1")
    assert made["spec"]["securityContext"]["runAsNonRoot"] is True
    assert made["spec"]["securityContext"]["fsGroup"] == 1000
    assert notebook(made)["image"] == "n:1"
    assert notebook(made)["resources"]["requests"]["memory"] == 512 * 1024**2
    assert made["metadata"]["labels"]["analysis-facility.io/owner"] == "cms_alice"


async def test_there_is_one_home(tmp_path: Path) -> None:
    made = await pod(tmp_path, theirs())
    homes = [one for one in notebook(made)["volumeMounts"] if one["mountPath"] == "/home/jovyan"]
    claims = [one for one in made["spec"]["volumes"] if "persistentVolumeClaim" in one]
    assert homes == [{"name": "home", "mountPath": "/home/jovyan"}]
    assert [one["persistentVolumeClaim"]["claimName"] for one in claims] == ["home-cms-alice"]


async def test_containers_that_the_chart_appends_stay(tmp_path: Path) -> None:
    c = theirs()
    c.KubeSpawner.extra_containers.append({"name": "prepare", "image": "p:1"})
    made = await pod(tmp_path, c)
    assert [one["name"] for one in made["spec"]["containers"]] == ["agent", "notebook", "prepare"]


def test_a_privileged_container_is_refused_at_the_start(tmp_path: Path) -> None:
    c = theirs()
    block = {"name": "block-cloud-metadata", "image": "i:1", "securityContext": {"privileged": True}}
    c.KubeSpawner.extra_containers.append(block)
    with pytest.raises(GuardError, match="container block-cloud-metadata is privileged"):
        configured(tmp_path, c)


@pytest.mark.parametrize(("option", "value"), [("service_account", "people"), ("privileged", True)])
def test_what_the_chart_may_have_set_and_would_let_tokens_out_is_refused(
    tmp_path: Path, option: str, value: Any
) -> None:
    c = theirs()
    c.KubeSpawner[option] = value
    with pytest.raises(GuardError, match=rf"KubeSpawner\.{option}"):
        configured(tmp_path, c)
