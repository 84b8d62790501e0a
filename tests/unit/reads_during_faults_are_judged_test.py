"""What the cluster tests make of reads while something ended: what a reader feels counts, and nothing is let pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests.cluster import judged_reads as judged
from tests.cluster.judged_reads import BACK, COLD, SETTLED, WAYS, Record, Seen

STRUCK, RETURNED, END = 100.0, 110.0, 150.0
REFUSED = {"root": "OSError: [FATAL] Auth failed: No protocols left to try", "https": "OSError: status 403"}


def one(at: float, ended: float, **what: object) -> Record:
    usual: Record = {"kind": "again", "way": "https", "path": "/0", "bytes": 9, "error": "", "wrong": False}
    return usual | {"at": at, "ended": ended} | what


def named(reads: Sequence[Record], number: int = 0) -> list[Record]:
    """By one reader."""
    return [read | {"reader": f"{read['kind']}-{read['way']}-{number}"} for read in reads]


def steady(begin: float = 90, end: float = END, took: float = 1, **what: object) -> list[Record]:
    """Read after read."""
    many = round((end - begin) / took)
    return [one(begin + number * took, begin + (number + 1) * took, **what) for number in range(many)]


def seen(reads: Sequence[Record], wrongful: Sequence[Record] = ()) -> Seen:
    return Seen(list(reads), list(wrongful), STRUCK, RETURNED)


def everybody(https: Sequence[Record]) -> Seen:
    """By root nothing happens."""
    return seen([*named(steady(way="root")), *named(https)])


def stalled(until: float) -> list[Record]:
    """A read that lasts, begun before the fault, and others before and after."""
    return [*steady(end=99), one(99, until), *steady(begin=until)]


def cut(*failed: tuple[float, float]) -> list[Record]:
    """Reads that failed, among others that did not."""
    rest = [read for read in steady() if all(read["ended"] <= at or read["at"] >= ended for at, ended in failed)]
    lost = [one(at, ended, error="OSError: gone", bytes=3) for at, ended in failed]
    return sorted([*rest, *lost], key=lambda read: float(read["at"]))


def test_who_waits_is_without_from_the_last_read_before_it() -> None:
    assert judged.without(everybody(stalled(112))) == {"root": 1, "https": 13}


def test_a_read_that_ended_well_before_anything_had_died_does_not_count() -> None:
    reads = [*steady(end=101), one(101, 119), *steady(begin=119)]
    assert judged.without(everybody(reads))["https"] == 18


def test_each_reader_feels_it_for_themselves() -> None:
    found = seen([*named(steady(way="root")), *named(steady()), *named(stalled(112), number=1)])
    assert judged.without(found)["https"] == 13


def test_who_reads_no_more_is_without_until_the_end() -> None:
    reads = [*steady(end=102), *steady(begin=102, error="OSError: gone")]
    assert judged.gaps(everybody(reads), "again")["https"] == END - 102
    with pytest.raises(AssertionError):
        judged.without(everybody(reads))


def test_too_long_is_too_long() -> None:
    with pytest.raises(AssertionError):
        judged.without(everybody(stalled(99 + BACK)))


def test_a_wrong_byte_is_one_whoever_read_it_and_whatever_came_then() -> None:
    judged.right(everybody(steady()))
    with pytest.raises(AssertionError):
        judged.right(everybody([*steady(), one(1, 2, kind="held", wrong=True, error="OSError: gone")]))


@pytest.mark.parametrize(
    ("reads", "most", "well"),
    [
        (steady(), 0, True),
        (cut((103, 104)), 1, True),
        (cut((103, 104)), 0, False),
        (cut((103, 104), (105, 106)), 1, False),
        (cut((98, 99)), 9, False),
        (cut((103, 104), (128, 129)), 9, True),
        (cut((131, 132)), 9, False),
        (cut((STRUCK, 101), (STRUCK + BACK + 1, STRUCK + BACK + 2)), 9, False),
        (steady(end=108), 0, False),
        (steady(begin=101), 0, False),
        ([*steady(end=105), *steady(begin=105, error="OSError: gone")], 99, False),
    ],
    ids=[
        "no error",
        "one",
        "one too many",
        "another too many",
        "before it",
        "until nearly too late",
        "too late",
        "for too long",
        "no reads after it",
        "no reads before it",
        "errors for ever",
    ],
)
def test_errors_are_few_and_end(reads: list[Record], most: float, well: bool) -> None:
    if well:
        return judged.lasting(everybody(reads), most)
    with pytest.raises(AssertionError):
        judged.lasting(everybody(reads), most)


def test_what_takes_long_to_return_may_be_followed_by_errors_for_a_little_while() -> None:
    at = RETURNED + 100 + SETTLED - 1
    reads = [*steady(end=at), one(at, at + 1, error="OSError: gone"), *steady(begin=at + 1, end=400)]
    late = replace(everybody(reads), returned=RETURNED + 100)
    late.reads.extend(named(steady(begin=END, end=400, way="root")))
    judged.lasting(late, 1)
    with pytest.raises(AssertionError):
        judged.lasting(replace(late, returned=RETURNED + 90), 1)


def wrongful(**what: object) -> list[Record]:
    return [
        read
        for way in WAYS
        for read in named([r | what for r in steady(kind="never", way=way, bytes=0, error=REFUSED[way])])
    ]


def test_all_who_may_not_read_are_refused() -> None:
    judged.refused(seen([], wrongful()))


@pytest.mark.parametrize(
    "found",
    [
        [*wrongful(), *named([one(104, 105, kind="never")])],
        [*wrongful(), *named([one(104, 105, kind="never", bytes=1, error="OSError: cut off")])],
        [*wrongful(), *named([one(104, 105, kind="never", bytes=0)])],
        wrongful(error="OSError: [FATAL] Connection error"),
        [read for read in wrongful() if read["way"] == "root" or read["at"] < STRUCK],
    ],
    ids=["all of a file", "a byte", "an empty file", "nobody to refuse them", "one does not try any more"],
)
def test_no_byte_and_no_silence_is_taken_for_a_refusal(found: list[Record]) -> None:
    with pytest.raises(AssertionError):
        judged.refused(seen([], found))


def holding(**by: Record) -> Seen:
    return seen([record for way, read in by.items() for record in named([read | {"kind": "held", "way": way}])])


def test_a_held_file_ends_whole_or_by_https_with_an_error() -> None:
    gone = one(95, 103, error="OSError: gone")
    judged.held(holding(root=one(95, 125), https=gone))
    for root, https in [(gone, gone), (one(95, 125), one(95, 99)), (one(101, 125), gone)]:
        with pytest.raises(AssertionError):
            judged.held(holding(root=root, https=https))
    with pytest.raises(AssertionError):
        judged.held(holding(root=one(95, 125)))


def uncached(https: Sequence[Record]) -> Seen:
    cold = [read | {"kind": "cold"} for read in https]
    return seen([*named(steady(kind="cold", way="root")), *named(cold)])


@pytest.mark.parametrize(
    ("reads", "most", "well"),
    [
        (steady(), 0, True),
        (cut((102, 107), (107, 112)), 9, True),
        (cut((RETURNED + COLD - 1, RETURNED + COLD + 5)), 9, True),
        (cut((102, 107)), 0, False),
        (cut((98, 99)), 9, False),
        (cut((RETURNED + COLD + 1, RETURNED + COLD + 2)), 9, False),
        ([*steady(end=102), one(102, RETURNED + BACK), *steady(begin=RETURNED + BACK)], 9, False),
        (steady(end=105), 9, False),
    ],
    ids=["none", "while away", "begun in time", "any", "before it", "too late", "waits for too long", "reads no more"],
)
def test_what_is_not_cached_fails_while_its_origin_is_away_only(reads: list[Record], most: float, well: bool) -> None:
    if well:
        assert judged.cold(uncached(reads), most).keys() == set(WAYS)
        return
    with pytest.raises(AssertionError):
        judged.cold(uncached(reads), most)


def fast(before: float, during: float) -> Seen:
    """Each reads two files in turns, the first time slowly."""
    found = []
    for way in WAYS:
        first = [one(80, 85, way=way, path="/0"), one(85, 90, way=way, path="/1")]
        found += named([*first, *steady(90, STRUCK, before, way=way), *steady(STRUCK + 0.1, RETURNED, during, way=way)])
    return seen(found)


@pytest.mark.parametrize(("during", "well"), [(0.1, True), (0.25, True), (0.31, False), (2, False)])
def test_reads_of_what_is_cached_stay_fast(during: float, well: bool) -> None:
    judge: Callable[[], None] = lambda: judged.as_fast(fast(0.1, during), 3)  # noqa: E731
    if well:
        return judge()
    with pytest.raises(AssertionError):
        judge()


def test_what_is_told_has_a_line_for_each_reader_with_its_first_error() -> None:
    assert judged.told(everybody(cut((103, 104))).reads).splitlines() == [
        "again-root-0: 60 reads, slowest 1.0 s, 0 errors",
        "again-https-0: 60 reads, slowest 1.0 s, 1 errors, first after 13 s: OSError: gone",
    ]
