"""What jobs have used is counted once, whoever ends when, and told as metrics and as a file a day."""

from __future__ import annotations

import json
import threading
import tracemalloc
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facility.condor import whole
from facility.condor.accounting import stored
from facility.condor.accounting.book import PACE, Book
from facility.condor.accounting.ledger import OPEN_DAYS, Ledger
from facility.condor.accounting.main import answered, follow
from facility.condor.accounting.tail import Tail
from facility.condor.accounting.told import Told, told
from facility.telling import Server
from tests.fakes.clock import Clock

NOON = 1_800_014_400.0  # 2027-01-15T12:00:00Z
DAY = 86400.0


def run(job: int, owner: str = "cms_alice", wall: float = 100, ended: float = NOON, attempt: int = 0) -> str:
    """The record of a run, as a shadow writes it."""
    return f"""\
Cmd = "/bin/sh"
Args = "*** EPOCH ClusterId=1 is what somebody's job is called = 7"
ClusterId = {job}
CpusProvisioned = 2
EpochWriteDate = {int(ended)}
JobCurrentStartDate = {int(ended - wall)}
Owner = "{owner}"
ProcId = 0
RemoteSysCpu = 1.5
RemoteUserCpu = {wall / 2}
RequestCpus = 1
ResidentSetSize = 102400
*** EPOCH ClusterId={job} ProcId=0 RunInstanceId={attempt} Owner="{owner}" CurrentTime={int(ended)}
"""


def job(number: int, owner: str = "cms_alice", wall: float = 100, ended: float = NOON, status: int = 4) -> str:
    """The record of a job that has left the queue, as a schedd writes it."""
    completed = int(ended) if status == 4 else 0
    return f"""\
ClusterId = {number}
CompletionDate = {completed}
CpusProvisioned = 2
CumulativeRemoteSysCpu = 1.5
CumulativeRemoteUserCpu = {wall / 2}
EnteredCurrentStatus = {int(ended)}
JobStatus = {status}
Owner = "{owner}"
ProcId = 0
RemoteWallClockTime = {wall:.1f}
ResidentSetSize = 102400
*** Offset = 0 ClusterId = {number} ProcId = 0 Owner = "{owner}" CompletionDate = {completed}
"""


@dataclass
class Point:
    """An access point's volume, and one who accounts for it."""

    root: Path
    clock: Clock = field(default_factory=lambda: Clock(NOON + 60))
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.history, self.directory = self.root / "history", self.root / "accounting"
        self.history.mkdir()
        self.directory.mkdir()
        self.book = self.opened()

    def opened(self) -> Book:
        """As after a restart."""
        return Book("cms", "hub.test", "ap-cms.test", self.history, self.directory, self.clock, self.said.append)

    def write(self, name: str, *records: str) -> None:
        """HTCondor appends."""
        with (self.history / name).open("a") as file:
            file.write("".join(records))

    def rotate(self, name: str, when: str) -> None:
        """HTCondor begins another file."""
        (self.history / name).rename(self.history / f"{name}.{when}")

    def value(self, name: str, labels: str = 'vo="cms",user="alice"') -> float:
        """A metric."""
        (line,) = (
            line for line in self.book.metrics().splitlines() if line.startswith(f"facility_batch_{name}{{{labels}")
        )
        return float(line.rpartition(" ")[2])

    def runs(self) -> float:
        """How many runs of alice were counted."""
        return self.value("runs_total")


@pytest.fixture
def point(tmp_path: Path) -> Point:
    return Point(tmp_path)


def test_a_run_is_counted_when_it_ends(point: Point) -> None:
    point.write("runs", run(1))
    point.book.look()
    assert point.runs() == 1
    assert point.value("wall_seconds_total") == 100
    assert point.value("core_seconds_total") == 200
    assert point.value("cpu_seconds_total") == 51.5
    assert point.value("memory_mebibyte_seconds_total") == 100 * 100


def test_a_job_that_leaves_the_queue_is_not_counted_twice(point: Point) -> None:
    point.write("runs", run(1))
    point.book.look()
    point.write("jobs", job(1))
    point.book.look()
    assert point.value("wall_seconds_total") == 100
    assert point.value("jobs_total", 'vo="cms",user="alice",end="completed"') == 1
    assert point.value("jobs_total", 'vo="cms",user="alice",end="removed"') == 0


def test_what_no_run_has_told_is_counted_with_the_job(point: Point) -> None:
    point.write("runs", run(1, wall=40))
    point.write("jobs", job(1, wall=100), job(2, wall=30, status=3))
    point.book.look()
    assert point.value("wall_seconds_total") == 130
    assert point.value("jobs_total", 'vo="cms",user="alice",end="removed"') == 1


def test_an_evicted_run_counts_too(point: Point) -> None:
    point.write("runs", run(1, wall=10), run(1, wall=100, attempt=1))
    point.write("jobs", job(1, wall=110))
    point.book.look()
    assert point.runs() == 2
    assert point.value("wall_seconds_total") == 110


def test_other_records_and_nonsense_count_for_nothing(point: Point) -> None:
    spawned = run(1).replace("*** EPOCH", "*** SPAWN")
    foreign = [run(2, owner="atlas_bob"), run(3, owner="root"), run(4, owner='x"} 1')]
    point.write("runs", spawned, *foreign, "*** EPOCH ClusterId=5 ProcId=0\n", run(6))
    point.book.look()
    assert point.runs() == 1
    assert "atlas" not in point.book.metrics()


def test_times_below_nothing_or_beyond_all_sense_do_no_harm() -> None:
    lines = run(1).replace("RemoteUserCpu = 50.0", "RemoteUserCpu = -1e300").splitlines()
    record = told([line.replace("JobCurrentStartDate = ", "JobCurrentStartDate = 9") for line in lines[:-1]], lines[-1])
    assert record is not None
    assert (record.wall, record.cpu) == (0, 1.5)
    wild = told(['Owner = "cms_alice"', "ClusterId = 1", "RemoteWallClockTime = 1e300"], "*** Offset = 0 ClusterId = 1")
    assert wild is not None
    assert wild.wall < 1e9


def test_a_record_that_is_half_written_is_read_when_it_is_whole(point: Point) -> None:
    text = run(1)
    point.write("runs", text[:150])
    point.book.look()
    point.write("runs", text[150:-5])
    point.book.look()
    point.write("runs", text[-5:])
    point.book.look()
    assert point.runs() == 1


def test_nothing_is_lost_or_doubled_when_htcondor_begins_another_file(point: Point) -> None:
    point.write("runs", run(1))
    point.book.look()
    point.write("runs", run(2))
    point.rotate("runs", "20270115T120000")
    point.write("runs", run(3))
    point.rotate("runs", "20270115T120001")
    point.write("runs", run(4))
    point.book.look()
    point.book.look()
    assert point.runs() == 4


def test_a_new_file_that_got_the_old_ones_place_on_the_disk_is_read_from_its_beginning(point: Point) -> None:
    point.write("runs", run(1), run(2))
    point.book.look()
    (point.history / "runs").write_text(run(3) + run(4) + run(5))
    point.book.look()
    assert point.runs() == 5


def test_a_restart_neither_forgets_nor_repeats(point: Point) -> None:
    point.write("runs", run(1), run(2))
    point.book.look()
    point.book = point.opened()
    point.write("runs", run(3))
    point.book.look()
    assert point.runs() == 3


def test_what_could_not_be_stored_is_read_again(point: Point) -> None:
    point.write("runs", run(1))
    blocked = point.directory / ".state.new"
    blocked.mkdir()
    for _ in range(2):
        with pytest.raises(OSError, match="directory"):
            point.book.look()
    assert "\nfacility_batch_accounting_up 0\n" in point.book.metrics()
    blocked.rmdir()
    point.book.look()
    assert point.runs() == 1
    assert "\nfacility_batch_accounting_up 1\n" in point.book.metrics()


def test_a_job_that_ends_between_two_reads_is_not_counted_twice(point: Point, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTCondor writes both records while the first of the two files has been read and the second has not."""
    read = Tail.read

    def late(tail: Tail) -> list[Told]:
        found = read(tail)
        if not (point.history / "jobs").exists():
            point.write("runs", run(1))
            point.write("jobs", job(1))
        return found

    monkeypatch.setattr(Tail, "read", late)
    while point.book.look():
        continue
    point.book.look()
    assert (point.runs(), point.value("wall_seconds_total")) == (1, 100)


def test_a_file_that_is_begun_anew_while_it_is_looked_for_is_no_trouble(point: Point) -> None:
    point.write("runs", run(1))
    (point.history / "runs.20270115T120000").symlink_to("gone")
    point.book.look()
    assert point.runs() == 1


def test_what_is_stored_is_written_once_a_minute_however_much_there_is(point: Point) -> None:
    point.write("runs", run(1))
    point.book.look()
    before = (point.directory / "state").read_text()
    point.write("runs", run(2))
    point.book.look()
    assert (point.runs(), (point.directory / "state").read_text()) == (2, before)
    point.clock.pass_by(PACE)
    point.book.look()
    assert (point.directory / "state").read_text() != before


def test_a_restart_before_that_minute_is_over_loses_and_doubles_nothing(point: Point) -> None:
    point.write("runs", run(1, wall=40))
    point.book.look()
    point.write("runs", run(1, wall=60, attempt=1))
    point.book.look()
    point.book = point.opened()
    point.write("jobs", job(1, wall=100))
    point.book.look()
    assert (point.runs(), point.value("wall_seconds_total")) == (2, 100)


WRONG = '{"totals": {"cms_alice": {"x": 1}}}\nend 0\n'


@pytest.mark.parametrize("broken", ["", "{", "[]", "{}\n", WRONG, "{}\nend 7\n"])
def test_a_state_that_cannot_be_read_is_put_aside_and_told_and_days_that_are_written_stay(
    point: Point, broken: str
) -> None:
    point.write("runs", run(1))
    point.book.look()
    point.clock.pass_by(DAY)
    point.book.look()
    (point.directory / "2027-01-15.txt").write_text("as it was, of more than HTCondor still has\n")
    (point.directory / "state").write_text(broken)
    point.book = point.opened()
    point.write("runs", run(2, ended=NOON + DAY))
    point.book.look()
    assert (point.runs(), point.book.well) == (2, True)
    assert "state cannot be read and is put aside" in point.said[0]
    assert [one.read_text() for one in point.directory.glob("state.broken-*")] == [broken]
    point.book = point.opened()
    point.clock.pass_by(DAY)
    point.book.look()
    assert point.book.days() == ["2027-01-15", "2027-01-16"]
    assert (point.book.day("2027-01-15") or "").startswith("as it was")


def test_a_state_that_cannot_be_read_now_is_not_taken_for_none(point: Point) -> None:
    point.write("runs", run(1))
    point.book.look()
    (point.directory / "state").rename(point.directory / "kept")
    (point.directory / "state").symlink_to("state")
    point.book = point.opened()
    with pytest.raises(OSError, match="symbolic links"):
        point.book.look()
    (point.directory / "state").unlink()
    (point.directory / "kept").rename(point.directory / "state")
    point.book.look()
    assert point.runs() == 1


class OverError(Exception):
    """A test has seen enough."""


@pytest.mark.parametrize("trouble", [PermissionError("not yet"), ValueError("a mistake")])
def test_whatever_goes_wrong_is_told_by_metrics_and_in_the_log_and_tried_again(
    point: Point, trouble: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(tail: Tail) -> list[Told]:
        raise trouble

    told_: list[bool] = []

    def pause(_: float) -> None:
        told_.append("\nfacility_batch_accounting_up 1\n" in point.book.metrics())
        if len(told_) == 2:
            monkeypatch.undo()
        if len(told_) == 3:
            raise OverError

    monkeypatch.setattr(Tail, "read", fails)
    with pytest.raises(OverError):
        follow(point.book, pause)
    assert told_ == [False, False, True]
    first, second = capsys.readouterr().err.splitlines()
    assert str(trouble) in first
    assert second == "records are accounted for again"


def test_metrics_tell_that_nothing_can_be_read_before_the_volume_is_there(tmp_path: Path) -> None:
    none = tmp_path / "none"
    book = Book("cms", "hub.test", "ap-cms.test", none / "history", none / "accounting", Clock(NOON), print)
    with pytest.raises(FileNotFoundError):
        book.look()
    assert "\nfacility_batch_accounting_up 0\n" in book.metrics()


def test_jobs_that_wait_in_the_queue_take_little_memory_each_as_there_may_be_hundreds_of_thousands(
    tmp_path: Path,
) -> None:
    number = 30_000
    tracemalloc.start()
    try:
        ledger = Ledger("cms")
        for job_ in range(number):
            ledger.count([Told(f"{job_}.0", "cms_alice", False, NOON, 100.5, 50.25)], NOON)
        whole.write(tmp_path / "state", stored.lines(json.dumps(ledger.stored()), ledger.counted()))
        del ledger
        with (tmp_path / "state").open() as file:
            head, counted = stored.read(file)
        assert len(list(Ledger("cms", head, counted.items()).counted())) == number
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak / number < 450


def test_a_day_has_its_file_when_it_is_over_with_a_block_for_each_person_and_number_of_cores(point: Point) -> None:
    point.write("runs", run(1), run(2, wall=50, ended=NOON + 30), run(3, owner="cms_bob"))
    point.write("jobs", job(1))
    point.book.look()
    assert point.book.days() == []
    point.clock.pass_by(DAY)
    point.book.look()
    assert point.book.days() == ["2027-01-15"]
    alice, bob = (point.book.day("2027-01-15") or "").split("%%\n")[:2]
    fields = dict(line.split(": ") for line in alice.splitlines())
    assert fields | {"MemoryReal": "102400", "NumberOfJobs": "1", "NumberOfRuns": "2", "CpuDuration": "78"} == fields
    assert (fields["VO"], fields["LocalUserId"], fields["Processors"]) == ("cms", "cms_alice", "2")
    assert (fields["WallDuration"], fields["LatestEndTime"]) == ("150", str(int(NOON + 30)))
    assert (fields["Site"], fields["SubmitHost"], fields["Day"]) == ("hub.test", "ap-cms.test", "2027-01-15")
    assert "LocalUserId: cms_bob" in bob


def test_a_days_file_is_written_again_when_more_of_it_comes_to_be_known(point: Point) -> None:
    point.write("runs", run(1))
    point.clock.pass_by(DAY)
    point.book.look()
    point.book = point.opened()
    point.write("jobs", job(1, wall=160))
    point.book.look()
    text = point.book.day("2027-01-15") or ""
    assert "WallDuration: 160" in text
    assert "NumberOfJobs: 1" in text


def test_a_file_of_long_ago_is_never_overwritten_by_the_rest_of_it(point: Point) -> None:
    point.write("runs", run(1))
    point.book.look()
    point.clock.pass_by(DAY)
    point.book.look()
    before = point.book.day("2027-01-15")
    point.clock.pass_by(30 * DAY)
    point.write("jobs", job(1, wall=160))
    point.book.look()
    assert point.book.day("2027-01-15") == before
    assert point.value("wall_seconds_total") == 160
    assert len(point.book.days()) == 2


def test_room_on_the_volume_is_told(point: Point) -> None:
    values = dict(line.split(" ") for line in point.book.metrics().splitlines() if "_bytes " in line and line[0] != "#")
    assert 0 <= int(values["facility_batch_volume_free_bytes"]) < int(values["facility_batch_volume_size_bytes"])


@given(st.lists(st.tuples(st.integers(1, 5), st.floats(0, 1000), st.booleans()), max_size=30))
def test_no_order_of_records_counts_a_job_for_more_than_its_runs_or_its_whole(
    told_: list[tuple[int, float, bool]],
) -> None:
    ledger = Ledger("cms")
    runs, whole, expected = dict[int, float](), 0.0, 0.0
    for number, wall, leaves in told_:
        if leaves:
            whole += max(wall - runs.pop(number, 0.0), 0.0)
        else:
            runs[number] = runs.get(number, 0.0) + wall
            expected += wall
        ledger.count([Told(f"{number}.0", "cms_alice", leaves, NOON, wall, 0.0)], NOON)
    counted = ledger.totals["cms_alice"].wall if told_ else 0.0
    assert counted == pytest.approx(expected + whole)


def test_days_and_jobs_of_long_ago_are_forgotten() -> None:
    ledger = Ledger("cms")
    ledger.count([Told("1.0", "cms_alice", False, NOON, 1, 1)], NOON)
    ledger.close(NOON + (OPEN_DAYS + 1) * DAY)
    assert ledger.days == {}
    assert list(ledger.counted())
    ledger.close(NOON + 100 * DAY)
    assert not list(ledger.counted())
    assert ledger.totals["cms_alice"].runs == 1


@pytest.fixture
def served(point: Point) -> Iterator[str]:
    server = Server(partial(answered, point.book), 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_whom_the_site_lets_in_reads_metrics_and_days_and_nothing_else(point: Point, served: str) -> None:
    point.write("runs", run(1))
    point.clock.pass_by(DAY)
    point.book.look()
    assert fetch(f"{served}/metrics").count("# TYPE") == 10
    assert fetch(f"{served}/records/") == "2027-01-15\n"
    assert "LocalUserId: cms_alice" in fetch(f"{served}/records/2027-01-15")
    for path in ("/", "/records/2027-01-14", "/records/../state", "/records/state", "/metrics/x"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            fetch(served + path)
        refused.value.close()
        assert refused.value.code == 404


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
    return text
