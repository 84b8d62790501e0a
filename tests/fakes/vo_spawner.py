"""The hub's spawner as kubespawner makes it from the hub's configuration, for one person, with no API server near."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from kubernetes_asyncio.client import ApiClient, Configuration
from traitlets.config import Config

from facility.hub import pod
from facility.hub.spawner import VOSpawner
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
Pods = dict[str, dict[str, Any]]


def site(**more: Any) -> Site:
    """The site with other settings."""
    return Site.model_validate({**SITE.model_dump(by_alias=True), **more})


def vo(name: str = "cms", **more: Any) -> VirtualOrganization:
    lakes = [LAKE | {"prefix": f"/{name}"}]
    spec = {"issuer": f"https://{name}.example/", "clientSecret": {"name": "s"}, "lakes": lakes, **more}
    return VirtualOrganization.parse({"metadata": {"name": name}, "spec": spec})


class Authenticator:
    """What of the hub's authenticator its spawner asks."""

    def __init__(self, *vos: VirtualOrganization) -> None:
        self._vos = {one.name: one for one in vos}

    async def virtual_organization(self, name: str) -> VirtualOrganization | None:
        return self._vos.get(name)


@contextmanager
def cluster(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pods]:
    """The pods that the hub knows to be there; kubespawner's address of an API server, which nobody calls."""
    server = {"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    users = [{"name": "u", "user": {"username": "nobody"}}]
    config = {"clusters": [server], "contexts": [context], "current-context": "x", "users": users}
    file = directory / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    monkeypatch.setattr("kubernetes_asyncio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    pods: Pods = {}
    VOSpawner.reflectors["pods", "facility-users"] = SimpleNamespace(pods=pods)
    yield pods
    VOSpawner.reflectors.clear()
    VOSpawner.making.clear()
    Configuration.set_default(None)


def spawner(
    user: str = "cms-alice",
    *vos: VirtualOrganization,
    at: Site = SITE,
    groups: tuple[str, ...] = (),
    name: str = "",
    config: Config | None = None,
    last: dict[str, Any] | None = None,
    **options: Any,
) -> VOSpawner:
    """Of a person's server `name`; `options` are what they chose, `last` what they chose the time before."""
    if config is None:
        config = Config()
        pod.configure(config, at)
    own = [SimpleNamespace(name=f"{user.partition('-')[0]}:{path}") for path in ("", *groups)]
    person = SimpleNamespace(name=user, id=1, url=f"/user/{user}/", escaped_name=user, groups=own)
    hub = SimpleNamespace(public_host="", url="", base_url="/hub/", api_url="http://hub.facility.svc:8081/hub/api")
    orm = SimpleNamespace(name=name, server=None, user_options=last, user=person)
    made = VOSpawner(
        config=config,
        user=person,
        hub=hub,
        authenticator=Authenticator(*(vos or (vo(),))),
        api_token="",
        orm_spawner=orm,
        _mock=True,
    )
    made.user_options = options
    return made


async def manifest(of: VOSpawner) -> dict[str, Any]:
    """The pod that would go to the API server, and below `claim` the home's."""
    await of.load_user_options()
    made = await of.modify_pod_hook(of, await of.get_pod_manifest())
    async with ApiClient() as client:
        shape: dict[str, Any] = client.sanitize_for_serialization(made)
        shape["claim"] = client.sanitize_for_serialization(of.get_pvc_manifest())
    return shape


def notebook(pod: dict[str, Any]) -> dict[str, Any]:
    """The container that is the person's."""
    return container(pod, "notebook")


def container(pod: dict[str, Any], name: str) -> dict[str, Any]:
    """The one container of that name."""
    (found,) = [one for one in pod["spec"]["containers"] if one["name"] == name]
    return dict(found)


def environment(container: dict[str, Any]) -> dict[str, str]:
    """What a program in it finds: of two settings of one name, the last counts."""
    return {one["name"]: one.get("value", "") for one in container["env"]}
