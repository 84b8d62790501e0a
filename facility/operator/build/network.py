"""Parts of network policies (networking.k8s.io/v1). Every namespace denies by default; a part opens what it needs."""

from __future__ import annotations

from typing import Any

from facility import names

#: link-local addresses, among them every cloud's metadata service
METADATA = "169.254.0.0/16"


def peer(namespace: str, component: str, vo: str = "") -> dict[str, Any]:
    """Pods of a component in a namespace, of one VO if it is named."""
    wanted = {names.LABEL_COMPONENT: component} | ({names.LABEL_VO: vo} if vo else {})
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "podSelector": {"matchLabels": wanted},
    }


def dns() -> dict[str, Any]:
    """Way to the cluster's DNS, wherever the site runs it."""
    ports = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    return {"to": [{"namespaceSelector": {}}], "ports": ports}


def anywhere() -> dict[str, Any]:
    """Way to any TCP service but the metadata address."""
    blocks = [{"cidr": "0.0.0.0/0", "except": [METADATA]}, {"cidr": "::/0", "except": ["fe80::/10"]}]
    return {"to": [{"ipBlock": block} for block in blocks], "ports": [{"protocol": "TCP"}]}


def policy(
    selector: dict[str, str], ingress: list[dict[str, Any]] | None = None, egress: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """A policy's spec; a direction that is not given is not ruled by it."""
    rules = {"Ingress": ingress, "Egress": egress}
    given = {kind: rule for kind, rule in rules.items() if rule is not None}
    return {
        "podSelector": {"matchLabels": selector},
        "policyTypes": list(given),
        **{kind.lower(): rule for kind, rule in given.items()},
    }
