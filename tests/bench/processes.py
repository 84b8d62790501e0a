"""Programs that a benchmark measures: started, watched from outside, ended."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple


class Program:
    """A running one."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pids(self) -> list[int]:
        """Of the process and its children."""
        own = self._process.pid
        children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
        return [own, *map(int, children)]

    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        return sum(cpu(pid) for pid in self.pids)

    def mebibytes(self, kind: str = "VmRSS") -> float:
        """Resident memory; RssAnon: what is its own, without the files that all who run them share (proc(5))."""
        return sum(resident(pid, kind) for pid in self.pids)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None


def resident(pid: int, kind: str = "VmRSS") -> float:
    """MiB of a process's memory, of this kind."""
    found = re.search(rf"{kind}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def program(module: str, log: Path, *arguments: str, **environment: str) -> Iterator[Program]:
    """`python -m module`, until the end."""
    command = [sys.executable, "-m", module, *arguments]
    with log.open("wb") as sink:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=sink, stderr=sink)
        try:
            yield Program(process)
        except Exception:
            print(log.read_text(errors="replace")[-3000:], file=sys.stderr)
            raise
        finally:
            process.terminate()
            process.wait(60)


def wait_for(holds: Callable[[], Any], program: Program, seconds: float = 60.0) -> Any:
    """What `holds` gives once that is true."""
    until = time.monotonic() + seconds
    while not (found := holds()):
        assert program.alive, "it has ended"
        assert time.monotonic() < until, "it takes too long"
        time.sleep(0.05)
    return found


class Load(NamedTuple):
    """What a load has shown: answers in a second of the clock and of the server's CPU, times to answer in ms."""

    wall: float
    cpu: float
    p50: float
    p99: float
    answers: int


def load(server: Program, url: str, bundle: Path, requests: Path, connections: int = 16, seconds: float = 8.0) -> Load:
    """Asks a server as fast as it answers, by another process."""
    host, _, port = url.partition("://")[2].strip("/").partition(":")
    plan = {"host": host, "port": int(port), "bundle": str(bundle), "requests": str(requests)}
    file = requests.with_suffix(".plan")
    file.write_text(json.dumps(plan | {"connections": connections, "seconds": seconds}))
    before = server.cpu()
    command = [sys.executable, "-m", "tests.bench.load", str(file)]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    used = server.cpu() - before
    assert found["bad"] == 0, f"{found['bad']} of {found['answers']} answers were no success"
    took, count = sorted(found["ms"]), found["answers"]
    return Load(count / found["seconds"], count / used, took[count // 2], took[int(count * 0.99)], count)


def write_requests(path: Path, host: str, target: str, forms: list[str], headers: Mapping[str, str]) -> Path:
    """A file for `load`: POSTs of these forms."""
    fixed = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    kind = "Content-Type: application/x-www-form-urlencoded\r\n"
    lines = [
        f"POST {target} HTTP/1.1\r\nHost: {host}\r\n{kind}{fixed}Content-Length: {len(form)}\r\n\r\n{form}"
        for form in forms
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path
