"""A plain JupyterHub with plain kubespawner, of the same images, to stand beside ours when spawns are timed."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp

from facility.dev.demo.mainjob import Stage

NAMESPACE = "bench"
USER = "somebody"
_PORT = 31449
_CONFIG = """\
from pathlib import Path

c = get_config()
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
c.JupyterHub.bind_url = "http://0.0.0.0:8000"
c.JupyterHub.hub_bind_url = "http://0.0.0.0:8081"
c.JupyterHub.hub_connect_url = "http://hub.bench.svc:8081"
c.JupyterHub.db_url = "sqlite:////tmp/hub.sqlite"
c.JupyterHub.cookie_secret_file = "/tmp/cookie"
c.ConfigurableHTTPProxy.pid_file = "/tmp/proxy.pid"
c.JupyterHub.services = [{"name": "bench", "api_token": Path("/secret/token").read_text()}]
c.JupyterHub.load_roles = [{"name": "bench", "services": ["bench"], "scopes": ["admin:users", "admin:servers"]}]
c.KubeSpawner.namespace = "bench"
c.KubeSpawner.image = Path("/config/image").read_text()
c.KubeSpawner.cmd = ["jupyterhub-singleuser"]
c.KubeSpawner.default_url = "/lab"
c.KubeSpawner.uid = c.KubeSpawner.gid = c.KubeSpawner.fs_gid = 1000
c.KubeSpawner.environment = {"HOME": "/home/jovyan", "CONDOR_CONFIG": "/dev/null"}
c.KubeSpawner.cpu_guarantee, c.KubeSpawner.mem_guarantee = 0.02, "256M"
c.KubeSpawner.storage_pvc_ensure = True
c.KubeSpawner.pvc_name_template = "home-{username}"
c.KubeSpawner.storage_capacity = "1Gi"
c.KubeSpawner.storage_access_modes = ["ReadWriteOnce"]
c.KubeSpawner.volumes = [{"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}]
c.KubeSpawner.volume_mounts = [{"name": "home", "mountPath": "/home/jovyan"}]
"""


def objects(hub: str, notebook: str, token: str) -> list[dict[str, Any]]:
    """Everything of the plain hub: one pod for hub and proxy, and its rights in its own namespace."""

    def one(kind: str, name: str, version: str = "v1", **content: Any) -> dict[str, Any]:
        meta = {"name": name, **({} if kind == "Namespace" else {"namespace": NAMESPACE})}
        return {"apiVersion": version, "kind": kind, "metadata": meta, **content}

    rbac = "rbac.authorization.k8s.io/v1"
    everything = {"apiGroups": [""], "resources": ["pods", "persistentvolumeclaims", "events"], "verbs": ["*"]}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "hub"}
    subject = {"kind": "ServiceAccount", "name": "hub", "namespace": NAMESPACE}
    ports = [{"name": "web", "port": 8000, "nodePort": _PORT}, {"name": "hub", "port": 8081}]
    labels = {"app": "hub"}
    return [
        one("Namespace", NAMESPACE),
        one("ServiceAccount", "hub"),
        one("Role", "hub", rbac, rules=[everything]),
        one("RoleBinding", "hub", rbac, roleRef=role, subjects=[subject]),
        one("Secret", "hub", stringData={"token": token}),
        one("ConfigMap", "hub", data={"config.py": _CONFIG, "image": notebook}),
        one(
            "Service",
            "hub",
            spec={"type": "NodePort", "selector": labels, "ports": ports, "publishNotReadyAddresses": True},
        ),
        one("Pod", "hub", spec=_pod(hub)) | {"metadata": {"name": "hub", "namespace": NAMESPACE, "labels": labels}},
    ]


def _pod(hub: str) -> dict[str, Any]:
    mounts = [{"name": "config", "mountPath": "/config"}, {"name": "secret", "mountPath": "/secret"}]
    container = {
        "name": "hub",
        "image": hub,
        "args": ["jupyterhub", "--config", "/config/config.py"],
        "workingDir": "/tmp",
        "resources": {"requests": {"cpu": "20m", "memory": "256Mi"}},
        "readinessProbe": {"httpGet": {"path": "/hub/health", "port": 8000}, "periodSeconds": 1},
        "volumeMounts": [*mounts, {"name": "tmp", "mountPath": "/tmp"}],
    }
    volumes = [{"name": "config", "configMap": {"name": "hub"}}, {"name": "secret", "secret": {"secretName": "hub"}}]
    return {
        "serviceAccountName": "hub",
        "containers": [container],
        "volumes": [*volumes, {"name": "tmp", "emptyDir": {}}],
    }


@contextmanager
def plain_hub(stage: Stage, hub: str, notebook: str) -> Iterator[PlainHub]:
    """The plain hub, running; it is taken away afterwards."""
    token = secrets.token_hex(16)
    try:
        stage.cluster.apply(*objects(hub, notebook, token))
        stage.cluster.do("wait", "pod/hub", "-n", NAMESPACE, "--for=condition=Ready", "--timeout=120s")
        addresses = stage.cluster.items("nodes")[0]["status"]["addresses"]
        node = next(str(one["address"]) for one in addresses if one["type"] == "InternalIP")
        yield PlainHub(f"http://{node}:{_PORT}/hub/api", token)
    finally:
        stage.cluster.do("delete", "namespace", NAMESPACE, "--ignore-not-found", timeout=180)


class PlainHub:
    """Its API, as a service with a token sees it."""

    def __init__(self, api: str, token: str) -> None:
        self._api = api
        self._headers = {"Authorization": f"token {token}"}

    async def spawn(self) -> float:
        """Seconds from the request to `ready`; the server is stopped again."""
        async with aiohttp.ClientSession(headers=self._headers) as http:
            async with http.post(f"{self._api}/users/{USER}") as answer:
                assert answer.status in (201, 409), await answer.text()
            return await self._spawn(http)

    async def _spawn(self, http: aiohttp.ClientSession) -> float:
        server = f"{self._api}/users/{USER}/server"
        began = time.monotonic()
        async with http.post(server, json={}) as answer:
            assert answer.status in (201, 202), await answer.text()
        async with http.get(f"{server}/progress") as answer:
            async for line in answer.content:
                if line.startswith(b"data:") and json.loads(line[5:]).get("ready"):
                    break
        took = time.monotonic() - began
        async with http.delete(server) as answer:
            assert answer.status in (202, 204), await answer.text()
        await self._stopped(http)
        return took

    async def _stopped(self, http: aiohttp.ClientSession) -> None:
        async with asyncio.timeout(60):
            while True:
                async with http.get(f"{self._api}/users/{USER}") as answer:
                    if not (await answer.json())["servers"]:
                        return
                await asyncio.sleep(0.5)
