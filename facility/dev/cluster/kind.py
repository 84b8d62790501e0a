"""One kind cluster of one node: made, waited for, and taken away again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facility.dev.cluster import engine, kubectl, node_image, tools
from facility.dev.cluster import load as loading
from facility.dev.cluster.problems import CLUSTER_DISK_NEEDED, ClusterError, check_disk, check_ports
from facility.dev.cluster.run import TAIL, cache, output, step, works

NAME = "facility-demo"
#: node ports that 127.0.0.1 of this machine passes on: the hub and the three issuers of the demo
PORTS = (31440, 31441, 31442, 31443)


def up(name: str = NAME, ports: Sequence[int] = PORTS) -> Path:
    """Have a cluster with Services, volumes and enforced NetworkPolicy; the path of its kubeconfig.

    A cluster of that name that already runs is left as it is.

    Raises:
        ClusterError: a port is taken, the disk is nearly full, or the node did not come up (with the end of what
            kind said).
    """
    image = node_image.ensure()
    tools.ensure(["kind", "kubectl"])
    if exists(name):
        _start_again(name, image)
    else:
        check_ports(ports)
        check_disk([engine.data_root()], needed=CLUSTER_DISK_NEEDED, what="a cluster")
        with step(f"kind cluster {name}"):
            _create(name, image, ports)
    with step("network, DNS and volumes of the cluster"):
        wait_ready(name)
    return kubeconfig(name)


def load(images: Sequence[str], name: str = NAME) -> list[str]:
    """Have these images in the cluster, under the same names; returns those that it lacked."""
    return loading.load(images, node(name))


def down(name: str = NAME) -> None:
    """Take a cluster away, with all that is in it. Does nothing where there is none."""
    if engine.answers() and exists(name):
        with step(f"end of kind cluster {name}"):
            output([tools.tool("kind"), "delete", "cluster", "--name", name, "--kubeconfig", kubeconfig(name)])
    kubeconfig(name).unlink(missing_ok=True)


def exists(name: str) -> bool:
    """Whether the engine has the node of that cluster, running or not."""
    return works(["docker", "container", "inspect", node(name)])


def node(name: str) -> str:
    """The container of the cluster's only node, as kind calls it."""
    return f"{name}-control-plane"


def kubeconfig(name: str = NAME) -> Path:
    """Where the cluster's credentials are kept: a file of their own, so that ~/.kube/config stays as it is."""
    folder = cache() / "clusters"
    folder.mkdir(exist_ok=True)
    return folder / f"{name}.kubeconfig"


def configuration(ports: Sequence[int], capped: bool) -> dict[str, Any]:
    """kind's configuration (kind.x-k8s.io/v1alpha4).

    Args:
        ports: node ports that listen on 127.0.0.1 of this machine under the same number.
        capped: this machine lacks capabilities, so neither containerd nor the kubelet may lower OOM scores.
    """
    mappings = [{"containerPort": port, "hostPort": port, "listenAddress": "127.0.0.1"} for port in ports]
    document: dict[str, Any] = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"kubeProxyMode": "nftables"},
        "nodes": [{"role": "control-plane", "extraPortMappings": mappings}],
    }
    if capped:
        document["containerdConfigPatches"] = [
            '[plugins."io.containerd.grpc.v1.cri"]\n  restrict_oom_score_adj = true\n'
        ]
        kubelet = {
            "kind": "KubeletConfiguration",
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "featureGates": {"KubeletInUserNamespace": True},
        }
        document["kubeadmConfigPatches"] = [json.dumps(kubelet)]
    return document


def wait_ready(name: str) -> None:
    """Wait until pods of any kind can be made: network, DNS, volumes, and the default account that pods need.

    Raises:
        ClusterError: a part is not there after three minutes (with the state of the system's pods).
    """
    run = kubectl.Kubectl(kubeconfig(name))
    try:
        run.wait_for_api()
        run("wait", "--for=condition=Ready", "node", "--all", "--timeout=180s")
        for namespace in _OF_THE_CLUSTER:
            for what in run("--namespace", namespace, "get", "daemonset,deployment", "-o", "name").split():
                run("--namespace", namespace, "rollout", "status", what, "--timeout=180s")
        run("wait", "--for=create", "serviceaccount/default", "--timeout=60s")
    except ClusterError as error:
        state = run("get", "pods", "--all-namespaces", "-o", "wide")
        raise ClusterError(f"the cluster {name} does not become ready: {error}\n{state}") from error


#: what else is on a cluster that stands already may well be broken, and is about to be mended
_OF_THE_CLUSTER = ("kube-system", "local-path-storage")


def hint(said: str) -> str:
    """A remedy for what kind said, where one is known, to stand behind a sentence; else nothing."""
    if "unable to apply caps" in said:
        return " because this machine lacks capabilities that its Docker asks for: end that Docker, and `up` starts one"
    return ""


def _start_again(name: str, image: str) -> None:
    used = output(["docker", "container", "inspect", "--format", "{{.Config.Image}}", node(name)]).strip()
    if used != image:
        print(f"cluster {name} runs on {used}; `down` and `up` make it anew on {image}", file=sys.stderr)
    output(["docker", "start", node(name)])  # nothing happens to one that runs


def _create(name: str, image: str, ports: Sequence[int]) -> None:
    command = [str(tools.tool("kind")), "create", "cluster", "--name", name, "--image", image, "--config", "-"]
    command += ["--kubeconfig", str(kubeconfig(name))]
    text = json.dumps(configuration(ports, capped=bool(engine.missing_capabilities())))
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-TAIL:])
        raise ClusterError(f"kind could not make the cluster {name}{hint(done.stdout)}; it said last:\n{last}")
    kubeconfig(name).chmod(0o600)
