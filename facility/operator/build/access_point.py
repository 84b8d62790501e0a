"""A VO's access point: HTCondor's queue with its volume, beside it the monitor that keeps jobs' tokens good."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from facility import names
from facility.condor import access_point_config, accounts, layout, mapfile, services
from facility.condor.config import POOL_ID
from facility.condor.limits import Limits
from facility.keycache import settings as keycache
from facility.operator.build.common import TRUST_DIRECTORY, config_map, environment, labels, metadata, restricted
from facility.operator.build.condor import (
    CONDOR_PORT,
    mount,
    pod_security,
    shared_environment,
    shared_mounts,
    shared_volumes,
    switching_accounts,
    to_central_manager,
)
from facility.operator.build.network import Addresses, anywhere, dns, everybody, listed, peer, policy
from facility.operator.objects import NETWORK_POLICY, SERVICE, SERVICE_ACCOUNT, STATEFUL_SET, Kind, Manifest
from facility.site import Site
from facility.users import FacilityUser
from facility.vo import VirtualOrganization

_COMPONENT = "access-point"
#: where what jobs have used is read (facility.condor.accounting.main)
ACCOUNTING_PORT = 9090
#: account of the images that has no part in HTCondor
_NOBODY = 65532
_REMEMBERED = layout.CREDMON_REMEMBERED.parent


def people(vo: VirtualOrganization, users: Iterable[FacilityUser], site: Site) -> Manifest:
    """ConfigMap `ap-<vo>-people`: who may come with which token, the accounts their jobs belong to, what limits them.

    Raises:
        AccountsError, ValueError: users that cannot stand beside each other, or cannot be written down.
    """
    mine = [user for user in users if user.spec.vo == vo.name]
    limits = Limits(
        vo.spec.batch.max_running_jobs_per_person,
        {user.owner: user.spec.jobs_suspended for user in mine if user.spec.jobs_suspended},
    )
    files = {"mapfile": mapfile.access_point(vo, mine), "limits.json": limits.text(), **accounts.files(mine)}
    return config_map(f"{names.access_point(vo.name)}-people", site.namespaces.batch, files, _COMPONENT, vo.name)


def access_point(vo: VirtualOrganization, site: Site, addresses: Addresses | None = None) -> list[Manifest]:
    """All other objects of the access point. Its Secrets (`pool-key`, `tls-ap-<vo>`) and `people` are made apart.

    addresses: of the hosts that the VO's pods may reach.
    """
    name, namespace = names.access_point(vo.name), site.namespaces.batch
    files = {
        "condor_config": access_point_config.access_point(vo, site),
        "credmon.json": credmon_settings(vo, site),
        keycache.ISSUERS: keycache.lines([vo.spec.issuer]),
    }
    return [
        _object(SERVICE_ACCOUNT, vo, site, automountServiceAccountToken=False),
        config_map(f"{name}-config", namespace, files, _COMPONENT, vo.name),
        _object(NETWORK_POLICY, vo, site, spec=_wall(vo, site)),
        _execute_wall(vo, site, addresses or {}),
        _object(SERVICE, vo, site, spec={"selector": _selector(vo), "ports": _ports()}),
        _object(STATEFUL_SET, vo, site, spec=_stateful_set(vo, site)),
    ]


def _ports() -> list[dict[str, Any]]:
    return [{"name": "condor", **CONDOR_PORT[0]}, {"name": "accounting", "port": ACCOUNTING_PORT}]


def credmon_settings(vo: VirtualOrganization, site: Site) -> str:
    """What the credential monitor reads (facility.condor.credmon.Settings); without a service it keeps no token."""
    settings = {
        "vo": vo.name,
        "broker": site.broker_url,
        "services": services.of_jobs(vo),
        "refresh": site.batch.credential_refresh,
    }
    settings |= {"closed": True} if vo.closed else {}
    return json.dumps(settings, indent=1) + "\n"


def _object(kind: Kind, vo: VirtualOrganization, site: Site, **content: Any) -> Manifest:
    meta = metadata(names.access_point(vo.name), site.namespaces.batch, _COMPONENT, vo.name)
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, **content}


def _selector(vo: VirtualOrganization, component: str = _COMPONENT) -> dict[str, str]:
    return {names.LABEL_COMPONENT: component, names.LABEL_VO: vo.name}


def _wall(vo: VirtualOrganization, site: Site) -> dict[str, Any]:
    """Notebooks and execute pods of the VO, and the operator, may come in; and to the accounts whom the site lets.

    Out it goes to its execute pods, the central manager, the broker, and the VO's issuer for its public keys: where
    that is cannot be said by labels, and not by port either, as policies see the port behind a Service.
    """
    spaces = site.namespaces
    execute = peer(spaces.batch, "execute", vo.name)
    callers = [peer(spaces.users, "notebook", vo.name), execute, peer(spaces.facility, "operator")]
    broker = {"to": [peer(spaces.facility, "broker")], "ports": [{"port": names.BROKER_PORT}]}
    ways = [dns(), to_central_manager(site), {"to": [execute], "ports": CONDOR_PORT}, broker, anywhere()]
    readers = [everybody(name) for name in site.batch.accounting_from]
    accounting = [{"from": readers, "ports": [{"port": ACCOUNTING_PORT}]}] if readers else []
    return policy(_selector(vo), ingress=[{"from": callers, "ports": CONDOR_PORT}, *accounting], egress=ways)


def _execute_wall(vo: VirtualOrganization, site: Site, addresses: Addresses) -> Manifest:
    """Execute pods of the VO: HTCondor, the VO's cache, what the VO lists, and nothing else.

    Notebooks come in for condor_tail and condor_ssh_to_job, where HTCondor lets an owner to their own jobs only.
    """
    spaces = site.namespaces
    callers = [peer(spaces.batch, _COMPONENT, vo.name), peer(spaces.users, "notebook", vo.name)]
    queue = {"to": [peer(spaces.batch, _COMPONENT, vo.name)], "ports": CONDOR_PORT}
    cache = {"to": [peer(spaces.facility, "xcache", vo.name)], "ports": [{"port": names.XROOTD_PORT}]}
    return {
        "apiVersion": NETWORK_POLICY.api_version,
        "kind": NETWORK_POLICY.kind,
        "metadata": metadata(f"execute-{vo.name}", spaces.batch, "execute", vo.name),
        "spec": policy(
            _selector(vo, "execute"),
            ingress=[{"from": callers, "ports": CONDOR_PORT}],
            egress=[dns(), to_central_manager(site), queue, cache, *listed(vo.spec.network, addresses)],
        ),
    }


def _stateful_set(vo: VirtualOrganization, site: Site) -> dict[str, Any]:
    claim: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": site.batch.access_point_size}},
    }
    if site.batch.storage_class:
        claim["storageClassName"] = site.batch.storage_class
    return {
        "replicas": 1,
        "serviceName": names.access_point(vo.name),
        "selector": {"matchLabels": _selector(vo)},
        "template": {"metadata": {"labels": labels(_COMPONENT, vo.name)}, "spec": _pod(vo, site)},
        "volumeClaimTemplates": [{"metadata": {"name": "data", "labels": _selector(vo)}, "spec": claim}],
    }


def _pod(vo: VirtualOrganization, site: Site) -> dict[str, Any]:
    name = names.access_point(vo.name)
    identity = {"path": "token", "audience": names.BROKER_AUDIENCE, "expirationSeconds": names.IDENTITY_LIFE}
    return {
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 60,
        "securityContext": pod_security(),
        "containers": [_schedd(site), _credmon(site), _keys(site), _accounting(vo, site)],
        "volumes": [
            *shared_volumes(f"{name}-config"),
            {"name": "people", "configMap": {"name": f"{name}-people"}},
            {"name": "keycache", "emptyDir": {"medium": "Memory", "sizeLimit": "4Mi"}},
            {"name": "tls", "secret": {"secretName": names.tls_secret(name), "defaultMode": 0o400}},
            {"name": "pool-key", "secret": {"secretName": "pool-key", "defaultMode": 0o400}},
            {"name": "identity", "projected": {"defaultMode": 0o400, "sources": [{"serviceAccountToken": identity}]}},
        ],
    }


def _schedd(site: Site) -> dict[str, Any]:
    return {
        "name": _COMPONENT,
        "image": site.images.condor,
        "imagePullPolicy": site.images.pull_policy,
        "args": ["facility-condor", "ap"],
        "env": environment(shared_environment() | keycache.environment()),
        "ports": [{"name": "condor", "containerPort": names.CONDOR_PORT}],
        "resources": site.batch.access_point_resources.manifest(),
        "securityContext": switching_accounts(),
        "readinessProbe": {"tcpSocket": CONDOR_PORT[0], "periodSeconds": 5},
        "volumeMounts": [
            *shared_mounts(),
            mount("data", str(layout.LOCAL), writable=True),
            # one volume at both places: the map and the accounts change in the same instant
            mount("people", str(layout.PEOPLE)),
            mount("people", str(layout.EXTRAUSERS)),
            mount("tls", str(layout.TLS)),
            mount("pool-key", str(layout.MOUNTED_KEY.parent)),
            mount("keycache", str(layout.KEYCACHE), writable=True),
        ],
    }


def _credmon(site: Site) -> dict[str, Any]:
    """A container of its own: it alone holds the pod's identity, its log is its own, the kubelet minds it."""
    return {
        "name": "credmon",
        "image": site.images.condor,
        "imagePullPolicy": site.images.pull_policy,
        "args": ["keep-running", "python3", "-m", "facility.condor.credmon"],
        "env": environment(shared_environment()),
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": restricted(),
        "volumeMounts": [
            *shared_mounts(),
            mount("people", str(layout.PEOPLE)),
            mount("identity", str(layout.IDENTITY.parent)),
            mount("data", str(_REMEMBERED), writable=True) | {"subPath": _REMEMBERED.name},
        ],
    }


def _keys(site: Site) -> dict[str, Any]:
    """It fetches the issuer's public keys, under HTCondor's own account: so the schedd never waits for an issuer."""
    return {
        "name": "keys",
        "image": site.images.condor,
        "imagePullPolicy": site.images.pull_policy,
        "args": keycache.command(str(layout.KEYCACHE), str(layout.ISSUERS)),
        "env": environment(keycache.environment()),
        "resources": {"requests": {"cpu": "5m", "memory": "24Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": restricted() | {"runAsUser": POOL_ID, "runAsGroup": POOL_ID, "runAsNonRoot": True},
        "volumeMounts": [
            mount("config", str(layout.CONFIG.parent)),
            mount("trust", TRUST_DIRECTORY),
            mount("keycache", str(layout.KEYCACHE), writable=True),
        ],
    }


def _accounting(vo: VirtualOrganization, site: Site) -> dict[str, Any]:
    """It answers others, so it may do nothing: no root, no key, nothing of the volume but HTCondor's records."""
    site_name = urlsplit(site.public_url).hostname or ""
    told = {"ACCOUNTING_VO": vo.name, "ACCOUNTING_SITE": site_name, "ACCOUNTING_HOST": site.access_point(vo.name)}
    return {
        "name": "accounting",
        "image": site.images.condor,
        "imagePullPolicy": site.images.pull_policy,
        "args": ["python3", "-m", "facility.condor.accounting.main"],
        "env": environment(told),
        "ports": [{"name": "accounting", "containerPort": ACCOUNTING_PORT}],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": restricted() | {"runAsUser": _NOBODY, "runAsGroup": _NOBODY, "runAsNonRoot": True},
        "volumeMounts": [
            mount("data", str(layout.HISTORY)) | {"subPath": layout.HISTORY.name},
            mount("data", str(layout.ACCOUNTING), writable=True) | {"subPath": layout.ACCOUNTING.name},
        ],
    }
