"""The images that a node must hold before it can run any other: Kubernetes' own, DNS, storage, Calico.

Where they hold one static program they are imported as a file system with that one file; two need Debian's
network tools under them.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

from facility.dev.cluster import base, golang, programs
from facility.dev.cluster.problems import ClusterError
from facility.dev.cluster.run import logged, output

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def make(recipes: Path, work: Path, sandbox: str) -> list[str]:
    """Put all system images into the engine.

    Args:
        recipes: the folder images/kind-node.
        work: an empty folder to build in.
        sandbox: name of the pause image in containerd's configuration.

    Returns:
        the images' names, as kubeadm, containerd and the manifests ask for them.
    """
    kubernetes = golang.build(programs.KUBERNETES)
    wanted = kubeadm_images(kubernetes / "kubeadm")
    pause = _pause(recipes / "pause.c", work / "pause")
    static = {"etcd": golang.build(programs.ETCD) / "server", "coredns": golang.build(programs.COREDNS) / "coredns"}
    for component in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        static[component] = kubernetes / component
    for component, program in static.items():
        _import(wanted[component], program, component)
    for name in {wanted["pause"], sandbox}:
        _import(name, pause, "pause")
    provisioner = golang.build(programs.LOCAL_PATH) / "local-path-provisioner"
    _import("localhost/local-path-provisioner:local", provisioner, provisioner.name)
    output(["docker", "tag", base.ensure("bookworm"), "localhost/local-path-helper:local"])
    _with_tools(recipes, work / "proxy", wanted["kube-proxy"], {"usr/local/bin": [kubernetes / "kube-proxy"]})
    calico, cni = golang.build(programs.CALICO), golang.build(programs.CNI)
    plugins = [calico / "calico", calico / "install", cni / "portmap", cni / "host-local"]
    layout = {"usr/bin": [calico / "calico-node"], "opt/cni/bin": plugins}
    _with_tools(recipes, work / "calico", "localhost/calico:local", layout)
    ours = ["localhost/calico:local", "localhost/local-path-provisioner:local", "localhost/local-path-helper:local"]
    return sorted({*wanted.values(), sandbox, *ours})


def kubeadm_images(kubeadm: Path) -> dict[str, str]:
    """Full image names by their last part (`etcd`, `kube-proxy`, ...), as this kubeadm will ask for them."""
    listed = output([kubeadm, "config", "images", "list", "--kubernetes-version", programs.KUBERNETES.version])
    return {name.rpartition("/")[2].partition(":")[0]: name for name in listed.split()}


def single_file(program: Path, name: str) -> bytes:
    """A tar archive with one executable, /usr/local/bin/`name`, owned by root and older than everything."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive, program.open("rb") as content:
        entry = tarfile.TarInfo(f"usr/local/bin/{name}")
        entry.size, entry.mode = program.stat().st_size, 0o755
        archive.addfile(entry, content)
    return buffer.getvalue()


def _import(image: str, program: Path, name: str) -> None:
    changes = [f"ENTRYPOINT {json.dumps([f'/usr/local/bin/{name}'])}", f"ENV PATH={_PATH}"]
    command = ["docker", "import", *(word for change in changes for word in ("--change", change)), "-", image]
    done = subprocess.run(command, input=single_file(program, name), capture_output=True)
    if done.returncode:
        raise ClusterError(f"Docker did not take the image {image}: {done.stderr.decode(errors='replace').strip()}")


def _with_tools(recipes: Path, context: Path, image: str, layout: dict[str, list[Path]]) -> None:
    for folder, files in layout.items():
        target = context / "rootfs" / folder
        target.mkdir(parents=True)
        for file in files:
            shutil.copy(file, target)
    logged(["docker", "build", "--tag", image, "--file", recipes / "network.Dockerfile", context])


def _pause(code: Path, program: Path) -> Path:
    logged(["gcc", "-Os", "-static", "-Wall", "-Werror", "-o", program, code])
    return program
