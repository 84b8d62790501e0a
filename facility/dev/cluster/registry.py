"""Whether a container registry can be reached from here, found out by pulling what is needed."""

from __future__ import annotations

import subprocess
import threading

from facility.dev.cluster.run import works

_PATIENCE = 15  # seconds until the registry must have said something
_silent: set[str] = set()  # registries that gave nothing: one is not waited for twice


def pulled(image: str) -> bool:
    """Have an image, from this machine or from its registry. False when no registry gives it."""
    if present(image):
        return True
    host = registry(image)
    if host in _silent or not _pull(image):
        _silent.add(host)
        return False
    return True


def present(image: str) -> bool:
    """Whether the engine has an image of this name."""
    return works(["docker", "image", "inspect", image])


def registry(image: str) -> str:
    """The registry's host in an image's name; empty for the engine's default registry."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else ""


def _pull(image: str) -> bool:
    """Pull, and give up when nothing at all is heard in time: an engine without a way out waits for minutes."""
    with subprocess.Popen(["docker", "pull", image], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as pulling:
        timer = threading.Timer(_PATIENCE, pulling.kill)
        timer.start()
        if pulling.stdout and pulling.stdout.readline():  # printed once the registry has answered
            timer.cancel()
            pulling.stdout.read()
        pulling.wait()
        timer.cancel()
    return pulling.returncode == 0
