"""Whether a cluster enforces NetworkPolicy: on one that does not, every wall between users is only written down."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from facility.dev.cluster.kubectl import Kubectl
from facility.dev.cluster.problems import ClusterError

_PORT = 8080
_LISTEN = (
    f"use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => {_PORT}, Listen => 9, ReuseAddr => 1) or die $!;"
    "while (1) { my $c = $s->accept; close $c if $c }"
)
_REACH = (
    "use IO::Socket::INET;"
    f"print IO::Socket::INET->new(PeerAddr => $ARGV[0], PeerPort => {_PORT}, Timeout => 2) ? 'through' : 'dropped'"
)
_SECONDS = 20  # for a policy to take effect: a second or two, unless the machine is very busy


def check(kubeconfig: Path, image: str) -> None:
    """Three pods in a namespace of their own: no policy lets through, default deny blocks, an exception lets one in.

    Args:
        image: an image that the cluster has, with Perl in it (any of Debian).

    Raises:
        ClusterError: traffic that must pass does not, or traffic that must be dropped passes.
    """
    run = Kubectl(kubeconfig)
    namespace = f"policy-{uuid4().hex[:8]}"
    run.apply(_namespace(namespace))
    try:
        run("wait", "--for=create", "serviceaccount/default", "--namespace", namespace, "--timeout=60s")
        run.apply(*(pod(namespace, name, image) for name in ("server", "friend", "stranger")))
        run("wait", "--for=condition=Ready", "pod", "--all", "--namespace", namespace, "--timeout=120s")
        _follow(run, namespace)
    finally:
        run("delete", "namespace", namespace, "--wait=false")


def _follow(run: Kubectl, namespace: str) -> None:
    address = run("get", "pod", "server", "--namespace", namespace, "-o", "jsonpath={.status.podIP}")

    def reaches(client: str) -> bool:
        return run("exec", client, "--namespace", namespace, "--", "perl", "-e", _REACH, address) == "through"

    expect("without a policy a pod must reach another", lambda: reaches("stranger"))
    run.apply(policy(namespace, "deny", []))
    expect("default deny must block", lambda: not reaches("stranger"))
    run.apply(policy(namespace, "friends", [{"from": [{"podSelector": {"matchLabels": {"role": "friend"}}}]}]))
    expect("an exception must let its pod through", lambda: reaches("friend"))
    expect("an exception must let nobody else through", lambda: not reaches("stranger"))


def expect(sentence: str, holds: Callable[[], bool], now: Callable[[], float] = time.monotonic) -> None:
    """Ask until `holds` says yes. Raises ClusterError with the sentence when it has not within _SECONDS."""
    end = now() + _SECONDS
    while not holds():
        if now() > end:
            raise ClusterError(f"this cluster does not enforce NetworkPolicy as it should: {sentence}")


def policy(namespace: str, name: str, ingress: list[dict[str, Any]]) -> dict[str, Any]:
    """A NetworkPolicy on the server pod that admits what `ingress` lists, so nothing when it is empty."""
    spec = {"podSelector": {"matchLabels": {"role": "server"}}, "policyTypes": ["Ingress"], "ingress": ingress}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def pod(namespace: str, role: str, image: str) -> dict[str, Any]:
    """A pod that Pod Security `restricted` admits; it listens on _PORT whatever its role."""
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["perl", "-e", _LISTEN],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "readinessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "1m", "memory": "16Mi"}},
    }
    spec = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    metadata = {"name": role, "namespace": namespace, "labels": {"role": role}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _namespace(name: str) -> dict[str, Any]:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
