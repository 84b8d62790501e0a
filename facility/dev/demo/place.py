"""Where the demo stands: its cluster, its material, and the facility installed on it."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

from facility.dev.cluster import kind, tools
from facility.dev.cluster.run import cache
from facility.dev.demo import material as making
from facility.dev.demo import values, world
from facility.dev.demo.kube import Cluster
from facility.dev.demo.mainjob import Stage
from facility.dev.demo.secrets import KID, all_secrets
from facility.dev.images import build

__all__ = ["KID", "cluster", "install", "install_outside", "material", "stage"]

ROOT = Path(__file__).resolve().parents[3]
CHARTS = ROOT / "charts"
NAME = kind.NAME
_RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


def on_current() -> bool:
    """Whether the demo is told to use the cluster of the current kubeconfig context (FACILITY_CLUSTER=current)."""
    return os.environ.get("FACILITY_CLUSTER", "kind") == "current"


@functools.cache
def cluster() -> Cluster:
    """The demo's cluster: kind's, or the current context's where the demo was told so."""
    found = tools.ensure(("kubectl", "helm"))
    return Cluster(found["kubectl"], found["helm"], None if on_current() else kind.kubeconfig(NAME))


@functools.cache
def material() -> making.Material:
    """The demo's keys and passwords."""
    return making.ensure(cache() / "demo")


def stage() -> Stage:
    """What the main job and the tests need of the running demo."""
    here = cluster()
    bundle = here.get("configmap", "facility-trust", "-n", "facility")["data"]["ca.crt"]
    internal = here.do(
        "get", "secret", "facility-ca", "-n", "facility", "-o", r"go-template={{index .data `tls.crt`|base64decode}}"
    )
    return Stage(
        cluster=here,
        bundle=bundle,
        passwords=material().passwords,
        private_cas=(internal, material().ca),
        node="" if on_current() else kind.node(NAME),
        address=_node_address(here) if on_current() else "127.0.0.1",
        artifacts=ROOT / "artifacts",
    )


def images() -> dict[str, str]:
    """References of the images as the checkout stands, as the cluster names them."""
    registry = os.environ.get("REGISTRY", "").rstrip("/")
    found = build.planned()
    return {name: f"{registry}/{ref}" if registry else ref for name, ref in found.items()}


def install_outside(here: Cluster) -> None:
    """What the facility finds already there: issuers, origin, the VOs' client secrets."""
    here.apply(_namespace(world.NAMESPACE), _namespace("facility"))
    here.apply(*all_secrets(material()))
    _helm(here, "demo", world.NAMESPACE, values.demo(images()))


def install(here: Cluster, change: values.Change = lambda _: None) -> None:
    """The facility itself: `helm upgrade --install` of the umbrella chart, until all of it is ready.

    change: of the values that the demo has.
    """
    here.chart("dependency", "update", str(CHARTS / "facility"), "--skip-refresh")
    wanted = values.facility(images(), material().ca + material().grid["ca.crt"])
    change(wanted)
    _helm(here, "facility", "facility", wanted)


def _helm(here: Cluster, chart: str, namespace: str, content: dict[str, Any]) -> None:
    interrupted = f"owner=helm,name={chart},status in (pending-install,pending-upgrade,pending-rollback)"
    here.do("delete", "secret", "-n", namespace, "-l", interrupted)  # else helm waits for a helm that is gone
    file = cache() / "demo" / f"{chart}-values.json"
    file.write_text(json.dumps(content, indent=1))
    command = ["upgrade", "--install", chart, str(CHARTS / chart), "--namespace", namespace, "--values", str(file)]
    here.chart(*command, "--wait", "--timeout", "8m", timeout=600)


def _node_address(here: Cluster) -> str:
    addresses = here.items("nodes")[0]["status"]["addresses"]
    return next(str(one["address"]) for one in addresses if one["type"] == "InternalIP")


def _namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": _RESTRICTED}}
