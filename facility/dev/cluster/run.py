"""Running programs: quietly when they work, with the end of what they said when they do not."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from facility.dev.cluster.problems import ClusterError

TAIL = 30  # lines of a failed program's log that are shown


def cache() -> Path:
    """The folder of all that may be thrown away and made again: FACILITY_CACHE, or ~/.cache/analysis-facility."""
    folder = Path(os.environ.get("FACILITY_CACHE", "~/.cache/analysis-facility")).expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Wait until nobody else makes what has this name: tests of several files want the same at the same time."""
    with (cache() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def step(name: str) -> Iterator[None]:
    """Say what is being done and, once done, how many seconds it took."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    start = time.monotonic()
    yield
    print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)


def logged(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
    """Run a program whose output goes to a log file of its own in the cache.

    Raises:
        ClusterError: it failed; the text ends with the last lines of its log.
    """
    name = "-".join(Path(str(word)).name for word in argv[:2])
    folder = cache() / "log"
    folder.mkdir(exist_ok=True)
    log = folder / f"{name}-{os.getpid()}-{time.monotonic_ns()}.log"
    with log.open("wb") as sink:
        code = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env={**os.environ, **(env or {})}, cwd=cwd
        ).returncode
    if code:
        raise ClusterError(f"`{shown(argv)}` failed ({code}); all it said is in {log}, which ends:\n{tail(log)}")
    log.unlink(missing_ok=True)


def output(argv: Sequence[str | Path], *, data: str | None = None, timeout: float | None = None) -> str:
    """What a program prints; it reads `data` and has `timeout` seconds, for ever unless given.

    Bytes that are no UTF-8, such as arguments of some process of the machine, become replacement characters.

    Raises:
        ClusterError: it failed, with the end of all it said, or it did not end in time.
    """
    try:
        done = subprocess.run(argv, input=data or "", capture_output=True, text=True, errors="replace", timeout=timeout)
    except subprocess.TimeoutExpired:
        raise ClusterError(f"`{shown(argv)}` did not end within {timeout:.0f} s") from None
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-TAIL:])
        raise ClusterError(f"`{shown(argv)}` failed ({done.returncode}): {said}")
    return done.stdout


def works(argv: Sequence[str | Path]) -> bool:
    """Whether a program can be run and ends with success; what it prints is of no interest."""
    try:
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
    except OSError:
        return False


def pipe(source: Sequence[str | Path], sink: Sequence[str | Path]) -> None:
    """`source | sink`. Raises ClusterError when either fails, with what both said."""
    with tempfile.TemporaryFile("w+", errors="replace") as said:  # a pipe of its own would fill up unread
        with subprocess.Popen(source, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said) as first:
            second = subprocess.run(sink, stdin=first.stdout, capture_output=True, text=True, errors="replace")
        said.seek(0)
        complaint = said.read()
    if first.returncode or second.returncode:
        last = "\n".join((complaint + second.stderr).strip().splitlines()[-TAIL:])
        raise ClusterError(f"`{shown(source)} | {shown(sink)}` failed:\n{last}")


def tail(log: Path) -> str:
    """The last TAIL lines of a text file."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-TAIL:])


def shown(argv: Sequence[str | Path]) -> str:
    """A command as a person would recognize it, long ones cut."""
    text = " ".join(map(str, argv))
    return text if len(text) < 160 else text[:157] + "..."
