"""A VO's XCache: pods with a volume each, an account to prove themselves by, what runs beside the cache in them
(xcache_sidecars.py), and the ways to them (xcache_ways.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from facility import names
from facility.datasets import CachedDataset
from facility.operator.build.common import (
    TRUST_DIRECTORY,
    config_map,
    environment,
    labels,
    metadata,
    restricted,
    trust_environment,
)
from facility.operator.build.xcache_sidecars import TOKENS, sidecars
from facility.operator.build.xcache_ways import COMPONENT, selector, ways
from facility.operator.objects import Manifest
from facility.site import Site
from facility.vo import VirtualOrganization
from facility.xcache import config, places

_USER = 65532
_WHEN_DELETED = {"Purge": "Delete", "Keep": "Retain"}


def xcache(vo: VirtualOrganization, site: Site, wanted: Sequence[CachedDataset] = ()) -> list[Manifest]:
    """All objects of the cache, which is to hold these datasets.

    Raises CacheConfigError with what to change in the VO's object.
    """
    name, namespace = names.xcache(vo.name), site.namespaces.facility
    files = config.files(vo, site, wanted)
    meta = metadata(name, namespace, COMPONENT, vo.name)
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": meta,
        "automountServiceAccountToken": False,
    }
    return [
        account,
        config_map(name, namespace, files, COMPONENT, vo.name),
        *ways(vo, site, meta),
        _stateful_set(vo, site, meta, files),
    ]


def _stateful_set(vo: VirtualOrganization, site: Site, meta: dict[str, Any], files: Mapping[str, str]) -> Manifest:
    gone = _WHEN_DELETED[vo.spec.removal.cache]
    once = (files[places.XROOTD_CONFIG], vo.spec.issuer)
    digest = sha256("\n".join(once).encode()).hexdigest()
    template = {
        "metadata": {
            "labels": labels(COMPONENT, vo.name),
            # XRootD reads this file once, and takes no login of an issuer that it did not know: either needs another
            # pod. What says who reads what, and what is kept, is read again while it runs, so readers stay
            "annotations": {f"{names.API_GROUP}/configuration": digest, **_bandwidth(site)},
        },
        "spec": _pod(vo, site),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": meta,
        "spec": {
            # closed: nobody is served; its files stay, as does its address
            "replicas": 0 if vo.closed else vo.spec.cache.replicas,
            "serviceName": meta["name"],
            "selector": {"matchLabels": selector(vo)},
            "template": template,
            "volumeClaimTemplates": [_claim(vo)],
            # what is cached can be fetched again: with the VO its volumes go, unless it says otherwise, and with a
            # replica that is not wanted any more its own
            "persistentVolumeClaimRetentionPolicy": {
                "whenDeleted": gone,
                "whenScaled": "Retain" if vo.closed else gone,
            },
        },
    }


def _claim(vo: VirtualOrganization) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": vo.spec.cache.size}},
    }
    if vo.spec.cache.storage_class:
        spec["storageClassName"] = vo.spec.cache.storage_class
    return {"metadata": {"name": "cache", "labels": selector(vo)}, "spec": spec}


def _pod(vo: VirtualOrganization, site: Site) -> dict[str, Any]:
    name = names.xcache(vo.name)
    return _nodes(vo, site) | {
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": sidecars(vo, site),
        "containers": [_cache(vo, site)],
        "volumes": _volumes(vo),
    }


def _nodes(vo: VirtualOrganization, site: Site) -> dict[str, Any]:
    """Where it may run; no word of nodes where any will do, as objects that say so are other objects. Replicas are on
    nodes of their own while there are enough, and a cache that is alone says so too: with a second one it goes on."""
    chosen = dict(site.cache.node_selector)
    tolerated = [one.manifest() for one in site.cache.tolerations]
    said = (("nodeSelector", chosen), ("tolerations", tolerated), ("affinity", _apart(vo)))
    return {key: value for key, value in said if value}


def _apart(vo: VirtualOrganization) -> dict[str, Any]:
    term = {"labelSelector": {"matchLabels": selector(vo)}, "topologyKey": "kubernetes.io/hostname"}
    rather = [{"weight": 100, "podAffinityTerm": term}]
    return {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": rather}}


def _bandwidth(site: Site) -> dict[str, str]:
    """Annotations of Kubernetes' bandwidth plug-in (CNI)."""
    most = {"ingress": site.cache.ingress_bandwidth, "egress": site.cache.egress_bandwidth}
    return {f"kubernetes.io/{way}-bandwidth": rate for way, rate in most.items() if rate}


def _cache(vo: VirtualOrganization, site: Site) -> dict[str, Any]:
    pod_name = {"name": config.POD, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    return {
        "name": "xcache",
        "image": site.images.xcache,
        "imagePullPolicy": site.images.pull_policy,
        "args": ["facility-xcache"],
        "env": [pod_name, *environment(trust_environment() | config.environment(vo, site))],
        "ports": [{"name": "xrootd", "containerPort": names.XROOTD_PORT}],
        "resources": site.cache.resources.manifest(),
        "securityContext": restricted(),
        **config.probes(),
        "volumeMounts": [
            {"name": "config", "mountPath": places.CONFIG, "readOnly": True},
            {"name": "tls", "mountPath": places.TLS, "readOnly": True},
            {"name": "trust", "mountPath": TRUST_DIRECTORY, "readOnly": True},
            {"name": "token", "mountPath": TOKENS, "readOnly": True},
            {"name": "cache", "mountPath": places.VOLUME},
            {"name": "run", "mountPath": places.RUN},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of its own
        ],
    }


def _volumes(vo: VirtualOrganization) -> list[dict[str, Any]]:
    name = names.xcache(vo.name)
    identity = {"path": "token", "audience": names.BROKER_AUDIENCE, "expirationSeconds": names.IDENTITY_LIFE}
    return [
        {"name": "config", "configMap": {"name": name}},
        {"name": "tls", "secret": {"secretName": names.tls_secret(name), "defaultMode": 0o440}},
        {"name": "trust", "configMap": {"name": "facility-trust"}},
        {"name": "token", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "identity", "projected": {"defaultMode": 0o440, "sources": [{"serviceAccountToken": identity}]}},
        {"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
        *([{"name": "robot", "secret": {"secretName": vo.robot.name, "defaultMode": 0o440}}] if vo.robot else []),
    ]
