"""What the pool is measured beside: HTCondor's own personal pool, of the same image, and a pod that is nothing else."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kubernetes_asyncio import client, config

from facility.dev.cluster.problems import ClusterError
from facility.dev.demo import place
from facility.dev.demo.mainjob import Stage, result
from facility.dev.demo.values import site
from tests.bench import pool_jobs

NAMESPACE = "bench"
_POD = "personal"
_FOLDER = "/work/pool"
_CODE = "/bench/pool_jobs.py"
_PYTHON = "/opt/venv/bin/python"
_NOTHING_CAN = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def slots() -> int:
    """Cores of a usual execute pod of the demo: the personal pool has as many."""
    return int(site("")["batch"]["executeCpus"])


def resources() -> dict[str, Any]:
    """Requests and limits of a usual execute pod of the demo."""
    given: dict[str, Any] = site("")["batch"]["executeResources"]
    return given


def pod(name: str, image: str, arguments: list[str]) -> dict[str, Any]:
    """A pod of the image that execute pods have, with what they ask for, and nothing mounted but a place to write."""
    mounts = [{"name": "code", "mountPath": "/bench"}, {"name": "work", "mountPath": "/work"}]
    container = {
        "name": "main",
        "image": image,
        "args": arguments,
        "resources": resources(),
        "securityContext": _NOTHING_CAN,
        "volumeMounts": mounts,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000},
            "containers": [container],
            "volumes": [{"name": "code", "configMap": {"name": "code"}}, {"name": "work", "emptyDir": {}}],
        },
    }


def bare(name: str, image: str) -> dict[str, Any]:
    """The least that a pod can be: no volume, and a program that says when it began."""
    found = pod(name, image, ["date", "+%s.%N"])
    del found["spec"]["containers"][0]["volumeMounts"], found["spec"]["volumes"]
    return found


class Peer:
    """The personal pool, and pods beside it."""

    def __init__(self, stage: Stage, image: str, core: client.CoreV1Api) -> None:
        self._stage, self._image, self._core = stage, image, core

    async def do(self, measurement: str, **how: Any) -> dict[str, Any]:
        """One of `pool_jobs`' measurements."""
        environment = ["env", f"CONDOR_CONFIG={_FOLDER}/condor_config"]
        command = [*environment, _PYTHON, _CODE, measurement, json.dumps(how)]
        run = self._stage.cluster.execute
        return result(await asyncio.to_thread(run, NAMESPACE, f"pod/{_POD}", "main", command, timeout=1900))

    async def bare_pod(self) -> float:
        """Seconds from before the API server is asked for a pod until its program's first instant."""
        name = f"bare-{secrets.token_hex(4)}"
        asked, said = await self._to_the_end(bare(name, self._image))
        return float(said) - asked

    async def pod_with_a_pool(self) -> float:
        """The same for a pod that starts a personal pool of its own and a job in it."""
        arguments = [_PYTHON, _CODE, "first", _FOLDER, str(slots())]
        asked, said = await self._to_the_end(pod(f"first-{secrets.token_hex(4)}", self._image, arguments))
        return float(result(said)["began"]) - asked

    async def _to_the_end(self, wanted: dict[str, Any]) -> tuple[float, str]:
        """When it was asked for, and what it has printed. Raises ClusterError when it fails."""
        name = wanted["metadata"]["name"]
        asked = time.time()
        await self._core.create_namespaced_pod(NAMESPACE, wanted)  # type: ignore[arg-type]
        phase = ""
        async with asyncio.timeout(180):
            while phase not in ("Succeeded", "Failed"):
                await asyncio.sleep(0.3)
                phase = (await self._core.read_namespaced_pod(name, NAMESPACE)).status.phase
        said = await self._core.read_namespaced_pod_log(name, NAMESPACE)
        if phase == "Failed":
            raise ClusterError(f"pod {name} failed: {said}")
        await self._core.delete_namespaced_pod(name, NAMESPACE)
        return asked, said


@asynccontextmanager
async def peer(stage: Stage) -> AsyncIterator[Peer]:
    """The personal pool, when it has run a first job; it is taken away afterwards."""
    image = place.images()["notebook"]
    settings = client.Configuration()
    kubeconfig = stage.cluster.kubeconfig
    await config.load_kube_config(str(kubeconfig) if kubeconfig else None, client_configuration=settings)
    api = client.ApiClient(settings)
    try:
        await asyncio.to_thread(_stand, stage, image)
        found = Peer(stage, image, client.CoreV1Api(api))
        await found.do("start", spool=False)
        yield found
    finally:
        await api.close()
        gone = ("delete", "namespace", NAMESPACE, "--ignore-not-found")
        await asyncio.to_thread(stage.cluster.do, *gone, timeout=180)


def _stand(stage: Stage, image: str) -> None:
    code = {"pool_jobs.py": Path(pool_jobs.__file__).read_text()}
    meta = {"name": "code", "namespace": NAMESPACE}
    serve = pod(_POD, image, [_PYTHON, _CODE, "serve", _FOLDER, str(slots())])
    stage.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    stage.cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": code}, serve)
    stage.cluster.do("wait", f"pod/{_POD}", "-n", NAMESPACE, "--for=condition=Ready", "--timeout=120s")
