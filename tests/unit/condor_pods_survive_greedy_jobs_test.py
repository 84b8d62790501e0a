"""A job that takes memory faster than HTCondor looks is stopped, with all others, until HTCondor has held it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from facility.condor.gauges import EXCESS, HEADROOM, Disk, Memory, Processes
from facility.condor.pressure import PATIENCE, Gauge, Pressure
from facility.condor.shapes import DAEMONS_DISK
from facility.condor.warden import Warden
from tests.fakes.clock import Clock

MIB = 2**20
SLOTS = range(10001, 10011)


class Pod:
    """A cgroup of 1 GiB and its processes, as the kernel's files tell of them."""

    def __init__(self, directory: Path) -> None:
        self.clock, self.log, self.signals = Clock(), list[str](), list[tuple[int, int]]()
        self.cgroup, self.proc = directory / "cgroup", directory / "proc"
        for path in (self.cgroup, self.proc, self.proc / "sys"):
            path.mkdir()
        self.process(1, 0, 20)
        self.process(11, 10001, 300)
        self.process(12, 10001, 250)
        self.process(13, 10002, 400)
        self.use(500)
        self.limit(str(1024 * MIB))

    def limit(self, text: str) -> None:
        (self.cgroup / "memory.max").write_text(f"{text}\n")
        self.pressure = self.watched()

    def watched(self, *more: Gauge) -> Pressure:
        """What watches its memory, and more."""
        processes = Processes(SLOTS, self.proc)
        gauges = [Memory(processes, self.cgroup), *more]
        return Pressure(processes, gauges, self.clock, self.log.append, self._kill)

    def process(self, pid: int, uid: int, mebibytes: int) -> None:
        (self.proc / str(pid)).mkdir()
        (self.proc / str(pid) / "status").write_text(f"Name:\tx\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n")
        pages = mebibytes * MIB // os.sysconf("SC_PAGE_SIZE")
        (self.proc / str(pid) / "statm").write_text(f"9999999 {pages} 1 1 0 1 0\n")

    def use(self, anonymous: int, shared: int = 0, cached: int = 0, tables: int = 0) -> None:
        (self.cgroup / "memory.current").write_text(f"{(anonymous + shared + cached + tables) * MIB}\n")
        stat = f"anon {anonymous * MIB}\nfile {(cached + shared) * MIB}\nshmem {shared * MIB}\n"
        stat += f"kernel {tables * MIB}\npagetables {tables * MIB}\nslab_reclaimable 0\n"
        (self.cgroup / "memory.stat").write_text(stat)

    def _kill(self, pid: int, number: int) -> None:
        if pid == 12:
            raise ProcessLookupError
        self.signals.append((pid, number))


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


@pytest.mark.parametrize("use", [(500, 0, 0), (500, 0, 520), (927, 0, 0), (900, 27, 90), (900, 0, 90, 27)])
def test_jobs_are_left_alone_as_long_as_memory_can_be_had(pod: Pod, use: tuple[int, int, int]) -> None:
    pod.use(*use)
    pod.pressure.look()
    assert (pod.signals, pod.log, pod.pressure.stopped) == ([], [], False)


@pytest.mark.parametrize("use", [(1024 - HEADROOM, 0, 0, 0), (900, 60, 0, 0), (900, 0, 0, 60)])
def test_before_memory_is_full_all_jobs_are_stopped_and_nothing_else(pod: Pod, use: tuple[int, int, int, int]) -> None:
    pod.use(*use)
    pod.pressure.look()
    assert sorted(pod.signals) == [(11, signal.SIGSTOP), (13, signal.SIGSTOP)]
    assert len(pod.log) == 1


def test_processes_that_come_meanwhile_are_stopped_too_and_it_is_told_once(pod: Pod) -> None:
    pod.use(1000)
    pod.pressure.look()
    pod.process(14, 10003, 1)
    pod.pressure.look()
    assert (14, signal.SIGSTOP) in pod.signals
    assert len(pod.log) == 1


def test_jobs_go_on_once_the_one_is_gone(pod: Pod) -> None:
    pod.use(1000)
    pod.pressure.look()
    pod.signals.clear()
    pod.use(600)
    pod.pressure.look()
    pod.pressure.look()
    assert sorted(pod.signals) == [(11, signal.SIGCONT), (13, signal.SIGCONT)]
    assert "go on" in pod.log[-1]


def test_where_htcondor_holds_none_the_largest_job_is_ended_with_all_its_processes(pod: Pod) -> None:
    pod.use(1000)
    pod.pressure.look()
    pod.clock.pass_by(PATIENCE + 1)
    pod.pressure.look()
    killed = [pid for pid, number in pod.signals if number == signal.SIGKILL]
    assert killed == [11]  # and 12, which has just gone: together they are larger than 13
    assert "550 MiB" in pod.log[-1]


@pytest.mark.parametrize("limit", ["max", ""])
def test_without_a_limit_there_is_nothing_to_do(pod: Pod, limit: str) -> None:
    pod.limit(limit or "max")
    if not limit:
        (pod.cgroup / "memory.max").unlink()
    pod.use(100000)
    pod.pressure.look()
    assert pod.signals == []


def test_nodes_with_the_older_cgroups_are_watched_too(pod: Pod) -> None:
    old = pod.cgroup / "memory"
    old.mkdir()
    (pod.cgroup / "memory.max").unlink()
    (old / "memory.limit_in_bytes").write_text(f"{1024 * MIB}\n")
    (old / "memory.usage_in_bytes").write_text(f"{1020 * MIB}\n")
    (old / "memory.stat").write_text(f"rss 0\ntotal_rss {900 * MIB}\ntotal_shmem {10 * MIB}\n")
    pressure = pod.watched()
    pressure.look()
    assert not pressure.stopped
    (old / "memory.stat").write_text(f"rss 0\ntotal_rss {960 * MIB}\ntotal_shmem {10 * MIB}\n")
    pressure.look()
    assert pressure.stopped
    (old / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    unlimited = pod.watched()
    unlimited.look()
    assert not unlimited.stopped


def test_before_the_disk_is_full_jobs_are_stopped_too(pod: Pod, tmp_path: Path) -> None:
    scratch = tmp_path / "execute/dir_7/scratch"
    scratch.mkdir(parents=True)
    pressure = pod.watched(Disk(tmp_path / "execute", 2, {os.getuid()}, pod.clock))
    (scratch / "out").write_bytes(b"x" * MIB)
    (scratch / "sparse").touch()
    os.truncate(scratch / "sparse", 2**40)
    (scratch / "loop").symlink_to(tmp_path)
    pressure.look()
    assert not pressure.stopped
    (scratch / "more").write_bytes(b"x" * (EXCESS + 2) * MIB)
    pressure.look()
    assert not pressure.stopped, "it does not look all the time"
    pod.clock.pass_by(1)
    pressure.look()
    assert pressure.stopped
    assert "disk is about to be full" in pod.log[0]
    (scratch / "more").unlink()
    pod.clock.pass_by(1)
    pressure.look()
    assert not pressure.stopped


def test_whose_files_they_are_is_known_where_htcondor_holds_none(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"x" * MIB)
    disk = Disk(tmp_path, 0, {os.getuid()}, Clock())
    assert not disk.full()
    assert disk.sizes() == {os.getuid(): (tmp_path / "out").stat().st_blocks * 512}
    assert EXCESS < DAEMONS_DISK / 4, "what is written between two looks must not end the pod"


class _Quiet:
    def __init__(self) -> None:
        self.looks = 0

    def look(self) -> None:
        self.looks += 1


def test_the_warden_looks_often_at_memory_and_now_and_then_at_the_rest(
    pod: Pod, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = _Quiet()
    warden = Warden(pod.pressure, rest, pod.clock)  # type: ignore[arg-type]
    assert warden.look() <= 0.01
    pod.clock.pass_by(60)
    warden.look()
    warden.look()
    assert rest.looks == 1
    (pod.cgroup / "memory.current").unlink()
    warden.look()
    warden.look()
    assert capsys.readouterr().err.count("cannot be watched") == 1


_BEGIN = """
import os, sys
from facility.condor import start
start.leave_behind(("/bin/sh", "-c", 'echo $$ >"$0.new" && mv "$0.new" "$0" && exec sleep 60 >/dev/null', sys.argv[1]))
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("no child")
"""


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "told"
    yield path
    os.kill(int(path.read_text()), signal.SIGKILL)


def test_the_program_that_becomes_condor_master_has_no_child(told: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _BEGIN, str(told)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    )
    assert done.stdout == b"no child\n"
    until(told.is_file)


def until(true: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for another process."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_warden_watches_for_as_long_as_it_is_let_and_no_signal_of_leaving_ends_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "facility.condor.warden", str(os.getpid())]
    with subprocess.Popen(command, env={**os.environ, "EP_CPUS": "2"}) as process:
        ignored = Path(f"/proc/{process.pid}/status")
        until(lambda: bool(_ignored(ignored.read_text()) & 1 << signal.SIGTERM - 1))
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        assert process.poll() is None
        process.kill()


def _ignored(status: str) -> int:
    return int(next(line for line in status.splitlines() if line.startswith("SigIgn:")).split()[1], 16)
