"""Images from the engine into a cluster's node: only those that it lacks, and each layer once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from facility.dev.cluster.run import output, pipe, step

_CTR = ("ctr", "--namespace", "k8s.io", "images")


def load(images: Sequence[str], node: str) -> list[str]:
    """Have these images in the node that is the container `node`; returns those that had to be sent.

    Raises:
        ClusterError: the engine lacks one of the images, or the cluster does not run.
    """
    held = output(["docker", "exec", node, *_CTR, "list"])
    identities = output(["docker", "image", "inspect", "--format", "{{.Id}}", *images]).split()
    absent = lacking(dict(zip(images, identities, strict=True)), held)
    if absent:
        with step(f"load {' '.join(absent)}"):
            ingest = ["import", "--all-platforms", "--digests", "--snapshotter=overlayfs", "-"]
            pipe(["docker", "save", *absent], ["docker", "exec", "-i", node, *_CTR, *ingest])
    return absent


def lacking(wanted: dict[str, str], held: str) -> list[str]:
    """Those of `wanted` (name to image id) that a node does not have under that name and with that id.

    Args:
        held: what `ctr images list` prints: name, type, manifest's digest. The kubelet's runtime gives every image
            a second name, its id; a name is up to date when it has the same manifest as the id.
    """
    manifests = dict(_name_and_manifest(held.splitlines()))
    return [
        name
        for name, identity in wanted.items()
        if identity not in manifests or manifests.get(full_name(name)) != manifests[identity]
    ]


def full_name(image: str) -> str:
    """An image's name as containerd has it: with registry, folder and tag."""
    first, slash, _ = image.partition("/")
    if not slash:
        image = f"docker.io/library/{image}"
    elif "." not in first and ":" not in first and first != "localhost":
        image = f"docker.io/{image}"
    return image if ":" in image.rpartition("/")[2] else f"{image}:latest"


def _name_and_manifest(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        words = line.split()
        if len(words) >= 3 and words[2].startswith("sha256:"):
            yield words[0], words[2]
