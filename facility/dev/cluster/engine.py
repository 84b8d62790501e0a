"""The Docker engine: the machine's own where one answers, else one that is started and stopped here."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from facility.dev.cluster import apt, capped_runc
from facility.dev.cluster.problems import ClusterError, check_root
from facility.dev.cluster.run import cache, output, step, tail, works

_SYSTEM_CONFIG = Path("/etc/docker/daemon.json")
_START_SECONDS = 60
_STOP_SECONDS = 90
#: engines that outlive this process, as they should: Python warns of a process that is forgotten while it runs
_STARTED: list[subprocess.Popen[bytes]] = []


def ensure() -> None:
    """Leave with an engine that answers `docker`. Starts one, with Debian's package, where none does.

    Raises:
        ClusterError: none answers and this is not root, or the one started here ended at once.
    """
    if answers():
        return
    check_root("to start Docker, which does not answer")
    if not shutil.which("dockerd"):
        apt.ensure(["docker.io"])
    if not answers():  # where there is systemd, the package has started it by itself
        with step("Docker engine"):
            _start()


def stop() -> bool:
    """End the engine that `ensure` started, and with it its containers. False when there was none."""
    pid = _our_pid()
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while _our_pid() is not None:
        if time.monotonic() > deadline:
            raise ClusterError(
                f"the Docker engine (process {pid}) has not ended after {_STOP_SECONDS} s: look at its log"
            )
        time.sleep(0.2)
    return True


def answers() -> bool:
    """Whether `docker` is here and reaches an engine."""
    return works(["docker", "version", "--format", "{{.Server.Version}}"])


def data_root() -> Path:
    """Where the engine keeps images and containers (on this machine, if the engine runs here)."""
    return Path(output(["docker", "info", "--format", "{{.DockerRootDir}}"]).strip())


def missing_capabilities() -> set[str]:
    """Capabilities that no process of this machine can have, however privileged."""
    return capped_runc.missing(Path("/proc/self/status").read_text())


def settings(system: dict[str, Any], runtime: Path | None, pid_file: Path) -> dict[str, Any]:
    """The engine's daemon.json: the machine's own settings, our pid file, and the capped runtime where needed."""
    ours: dict[str, Any] = {**system, "pidfile": str(pid_file)}
    if runtime:
        ours["runtimes"] = {**system.get("runtimes", {}), "capped": {"path": str(runtime)}}
        ours["default-runtime"] = "capped"
    return ours


def _folder() -> Path:
    folder = cache() / "engine"
    folder.mkdir(exist_ok=True)
    return folder


def _start() -> None:
    folder = _folder()
    pid_file = folder / "dockerd.pid"
    pid_file.unlink(missing_ok=True)  # of an engine that a power cut ended
    system = json.loads(_SYSTEM_CONFIG.read_text()) if _SYSTEM_CONFIG.exists() else {}
    config = folder / "daemon.json"
    runtime = _install_runtime(folder) if missing_capabilities() else None
    config.write_text(json.dumps(settings(system, runtime, pid_file), indent=2))
    log = folder / "dockerd.log"
    with log.open("wb") as sink:
        daemon = subprocess.Popen(
            ["dockerd", "--config-file", config],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            cwd="/",
            start_new_session=True,
        )
    _STARTED.append(daemon)
    _wait(daemon, log)


def _wait(daemon: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not answers():
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise ClusterError(f"the Docker engine does not start; its log {log} ends:\n{tail(log)}")
        time.sleep(0.2)


def _install_runtime(folder: Path) -> Path:
    """A copy of capped_runc that stays what it is while the checkout changes."""
    program = folder / "capped-runc"
    interpreter = os.path.realpath(sys.executable)  # a virtual environment may be thrown away under a running engine
    program.write_text(f"#!{interpreter} -I\n{Path(capped_runc.__file__).read_text()}")
    program.chmod(0o755)
    return program


def _our_pid() -> int | None:
    """The engine's process, if the pid file names one that runs with our configuration file."""
    try:
        pid = int((_folder() / "dockerd.pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if os.fsencode(_folder() / "daemon.json") in command else None
