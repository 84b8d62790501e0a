"""What a VO may use at a time, as the API server holds it: quotas that tell VOs in one namespace apart by their class.

A ResourceQuota counts the pods of a namespace, and all VOs share theirs. The one mark of a pod that a quota can choose
by is its PriorityClass (Kubernetes, "Resource Quotas", scope PriorityClass); so each VO has one, all of the same
priority. Only pods, CPU and memory can be counted by class: GPUs are counted where pods are made.
"""

from __future__ import annotations

from typing import Any

from facility import names
from facility.limits import PodLimits
from facility.operator.build.common import labels, metadata
from facility.operator.objects import PRIORITY_CLASS, RESOURCE_QUOTA, Manifest
from facility.site import Site
from facility.vo import VirtualOrganization

_COMPONENT = "quota"


def quotas(vo: VirtualOrganization, site: Site) -> list[Manifest]:
    """PriorityClass `facility-vo-<vo>`, and ResourceQuotas `vo-<vo>` in the namespaces of people and of batch.

    Nothing at all at a site that has no use for priority classes; no quota where there is nothing to limit, nor for
    execute pods that have a class of the site's own.
    """
    if not site.priority_classes:
        return []
    total, batch = vo.spec.limits.total, vo.spec.batch
    notebooks = _hard(total.servers, total)
    execute = _hard(batch.max_execute_pods, batch.limits) if batch.enabled and not site.batch.priority_class else {}
    spaces = site.namespaces
    wanted = ((spaces.users, notebooks), (spaces.batch, execute))
    return [_priority_class(vo, site), *(_quota(vo, namespace, hard) for namespace, hard in wanted if hard)]


def _hard(pods: int | None, limits: PodLimits) -> dict[str, str]:
    amounts = {"pods": pods, "requests.cpu": limits.cpu, "requests.memory": limits.memory}
    return {resource: str(amount) for resource, amount in amounts.items() if amount is not None}


def _priority_class(vo: VirtualOrganization, site: Site) -> Manifest:
    """It lies in no namespace, so it says by a label which facility of the cluster it belongs to."""
    own = {**labels(_COMPONENT, vo.name), names.LABEL_FACILITY: site.namespaces.facility}
    return {
        "apiVersion": PRIORITY_CLASS.api_version,
        "kind": PRIORITY_CLASS.kind,
        "metadata": {"name": names.priority_class(vo.name), "labels": own},
        "value": 0,
        "preemptionPolicy": "Never",
        "description": f"Pods of the VO {vo.name}: told apart from others' by quotas, of the same priority.",
    }


def _quota(vo: VirtualOrganization, namespace: str, hard: dict[str, str]) -> Manifest:
    scope: dict[str, Any] = {
        "scopeName": "PriorityClass",
        "operator": "In",
        "values": [names.priority_class(vo.name)],
    }
    return {
        "apiVersion": RESOURCE_QUOTA.api_version,
        "kind": RESOURCE_QUOTA.kind,
        "metadata": metadata(f"vo-{vo.name}", namespace, _COMPONENT, vo.name),
        "spec": {"hard": hard, "scopeSelector": {"matchExpressions": [scope]}},
    }
