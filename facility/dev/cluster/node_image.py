"""The image of the cluster's node: kind's own where a registry gives it, else one with the same contents, built here.

Its name ends in a hash of all that it is made from, so an image that is there is the right one and is not built again.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

from facility.dev.cluster import apt, base, engine, golang, programs, registry, system_images
from facility.dev.cluster.problems import check_disk
from facility.dev.cluster.run import cache, logged, step

#: of the same release of kind as programs.KIND, whose notes name it; the digest is what makes it that one
_PUBLISHED = "kindest/node:v1.34.11@sha256:44e222ee2132dab25ff87301682f89eb82c7880ea3a1bf543bfe9708fd08d67d"
_RECIPES = Path(__file__).parents[3] / "images" / "kind-node"
_BUILT_BY = (Path(__file__), Path(system_images.__file__), Path(golang.__file__))
_LAYOUT = (
    (programs.KUBERNETES, "usr/bin", ("kubeadm", "kubelet", "kubectl")),
    (programs.CONTAINERD, "usr/local/bin", ("containerd", "ctr", "containerd-shim-runc-v2")),
    (programs.RUNC, "usr/local/sbin", ("runc",)),
    (programs.CNI, "opt/cni/bin", ("host-local", "loopback", "portmap")),
)


def ensure() -> str:
    """Have a node image whose default network enforces NetworkPolicy, and return its name.

    Raises:
        ClusterError: no registry gives one, and this machine cannot build one (the text says what it lacks).
    """
    image = name()
    if registry.present(image):
        return image
    check_disk([cache(), engine.data_root()])
    if unified_cgroups() and registry.pulled(_PUBLISHED):  # its systemd does not start on cgroup v1
        return _PUBLISHED
    apt.ensure(["gcc", "libc6-dev", "libseccomp-dev", "pkg-config"])
    base.ensure("bookworm")
    with ThreadPoolExecutor(max_workers=2) as two:  # linking uses one core: two builds at a time fill two
        list(two.map(golang.build, programs.NODE))
    with step(f"node image {image}"), tempfile.TemporaryDirectory(dir=cache()) as folder:
        _build(image, Path(folder))
    return image


def name() -> str:
    """The name of the image that would be built from the present inputs."""
    parts = [program.digest() for program in programs.NODE]
    files = sorted(path for path in _RECIPES.rglob("*") if path.is_file())
    parts += [f"{path.name} {sha256(path.read_bytes()).hexdigest()}" for path in (*files, *_BUILT_BY)]
    digest = sha256("\n".join(parts).encode()).hexdigest()[:12]
    return f"analysis-facility/kind-node:{programs.KUBERNETES.version}-{digest}"


def unified_cgroups(root: Path = Path("/sys/fs/cgroup")) -> bool:
    """Whether this machine has cgroup v2 alone."""
    return (root / "cgroup.controllers").exists()


def sandbox_image(containerd_config: str) -> str:
    """The pause image that containerd's configuration (TOML) names."""
    found = re.search(r'^\s*sandbox_image\s*=\s*"([^"]+)"', containerd_config, re.MULTILINE)
    if not found:
        raise ValueError("containerd's configuration in the kind module names no sandbox_image")
    return found[1]


def enforcing_parts(manifest: str) -> str:
    """Of Calico's own manifest: the custom resources, accounts and roles of its node part."""
    kinds = "CustomResourceDefinition|ServiceAccount|ClusterRole|ClusterRoleBinding"
    kept = [
        document
        for document in re.split(r"^---\s*$", manifest, flags=re.MULTILINE)
        if re.search(rf"^kind: ({kinds})$", document, re.MULTILINE)
        and not re.search(r"^  name: calico-kube-controllers$", document, re.MULTILINE)
    ]
    return "---".join(kept)


def copy_base(source: Path, target: Path) -> None:
    """Copy files out of the Go module cache, which keeps neither the executable bit nor the right to write."""
    for path in source.rglob("*"):
        if path.is_file():
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            content = path.read_bytes()
            copy.write_bytes(content)
            copy.chmod(0o755 if content.startswith(b"#!") else 0o644)


def _build(image: str, context: Path) -> None:
    copy_base(golang.source(programs.KIND) / "images/base/files", context / "kind")
    sandbox = sandbox_image((context / "kind/etc/containerd/config.toml").read_text())
    _rootfs(context / "rootfs")
    _manifests(context / "manifests")
    with tempfile.TemporaryDirectory(dir=cache()) as work:
        names = system_images.make(_RECIPES, Path(work), sandbox)
        logged(["docker", "save", "--output", context / "images.tar", *names])
    logged(["docker", "build", "--tag", image, "--file", _RECIPES / "Dockerfile", context])
    _forget(names)


def _rootfs(root: Path) -> None:
    for program, folder, files in _LAYOUT:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.copy(golang.build(program) / file, root / folder)
    (root / "kind").mkdir()
    (root / "kind/version").write_text(programs.KUBERNETES.version)


def _manifests(folder: Path) -> None:
    folder.mkdir()
    theirs = (golang.source(programs.CALICO) / "manifests/calico.yaml").read_text()
    ours = (_RECIPES / "manifests/calico.yaml").read_text()
    (folder / "default-cni.yaml").write_text(f"{enforcing_parts(theirs)}\n---\n{ours}")
    shutil.copy(_RECIPES / "manifests/default-storage.yaml", folder)


def _forget(names: Iterable[str]) -> None:
    """The node holds them now; in the engine they only take space and stand in the list of images."""
    logged(["docker", "image", "rm", *names])
