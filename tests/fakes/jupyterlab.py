"""A real JupyterLab on this machine's loopback, set up as the notebook image is, in a pod's surroundings in small."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fakes.ports import free_port, listening

ROOT = Path(__file__).parents[2]
KEY = "key-of-this-test"
POD = {
    "FACILITY_USER": "cms-alice",
    "FACILITY_VO": "cms",
    "LAKE_ROOT": "root://xcache-cms.facility.svc:1094/",
    "LAKE_HTTPS": "https://xcache-cms.facility.svc:1094",
    "LAKE_PREFIXES": "/cms",
    "JUPYTERHUB_PUBLIC_HUB_URL": "https://hub.test/hub/",
}


@contextmanager
def jupyterlab(directory: Path, tokens: Path) -> Iterator[str]:
    """Its URL. `directory`: home and notebooks; `tokens`: where the agent would write."""
    extensions = directory / "share" / "labextensions"
    extensions.mkdir(parents=True)
    (extensions / "facility-panel").symlink_to(ROOT / "facility" / "lab" / "panel")
    port = free_port()
    settings = {
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": directory,
        "IdentityProvider.token": KEY,
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--{name}={value}" for name, value in settings.items()]
    with subprocess.Popen(command, env=_environment(directory, tokens), stderr=subprocess.PIPE, text=True) as server:
        rest = _wait(server, port)
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()
            rest.join()


def _environment(directory: Path, tokens: Path) -> dict[str, str]:
    places = {
        "HOME": str(directory),
        "PYTHONPATH": str(ROOT),
        "AGENT_DIRECTORY": str(tokens),
        "JUPYTER_PATH": str(directory / "share"),
        "JUPYTER_CONFIG_PATH": str(ROOT / "images" / "notebook" / "jupyter"),
        "JUPYTER_CONFIG_DIR": str(directory / "config"),
        "JUPYTER_RUNTIME_DIR": str(directory / "runtime"),
    }
    return {**os.environ, **POD, **places}


def _wait(server: subprocess.Popen[str], port: int) -> threading.Thread:
    """Until it answers; who reads its log on from then. Raises RuntimeError with the log when it ends instead."""
    said: list[str] = []
    assert server.stderr is not None
    for line in server.stderr:
        said.append(line)
        if "is running at" in line:
            rest = threading.Thread(target=_drain, args=(server,), daemon=True)
            rest.start()
            while not listening(port) and server.poll() is None:  # it says so a moment before it is true
                time.sleep(0.05)
            return rest
    raise RuntimeError("".join(said))


def _drain(server: subprocess.Popen[str]) -> None:
    assert server.stderr is not None
    for _ in server.stderr:
        pass
