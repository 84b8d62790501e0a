"""What it comes to how people read while something of the lake ended, as `checked_reads.py` has written it down.

Each of these raises AssertionError with the first reads that were not as they have to be.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

Record = dict[str, Any]
WAYS = ("root", "https")
#: seconds within which everybody reads again
BACK = 30
#: seconds, once that is back which was away, after which nobody gets an error any more: root:// looks again after ten
SETTLED = 15
#: seconds after an origin's return from which on what is not cached comes again: Kubernetes leads to it by then
COLD = 10
_SHOWN = 5
#: how a cache says no; everything else is an error of another kind
_REFUSED = re.compile(r"status 40[13]\b|Auth failed|permission denied")


@dataclass(frozen=True)
class Seen:
    """All reads, `wrongful` those by people who may not. `struck`: when something began to happen; `returned`: when
    that was over, and what had ended was back."""

    reads: list[Record]
    wrongful: list[Record]
    struck: float
    returned: float

    def of(self, kind: str) -> dict[str, list[Record]]:
        """The reads of each reader of that kind, in order."""
        return by_reader([one for one in self.reads if one["kind"] == kind])


def by_reader(reads: Sequence[Record]) -> dict[str, list[Record]]:
    """Each one's, in order."""
    return {name: [one for one in reads if one["reader"] == name] for name in dict.fromkeys(r["reader"] for r in reads)}


def right(seen: Seen) -> None:
    """No byte was wrong, and nothing ended early without an error."""
    wrong = [one for one in seen.reads if one["wrong"]]
    assert not wrong, wrong[:_SHOWN]


def refused(seen: Seen) -> None:
    """Who may not read got no byte at any time. That they tried shows in that each was told so in the end: a server
    that cannot be reached says neither yes nor no."""
    given = [one for one in seen.wrongful if one["bytes"] or not one["error"]]
    assert not given, given[:_SHOWN]
    for name, reads in by_reader(seen.wrongful).items():
        told = [one for one in reads if one["at"] > seen.returned and _REFUSED.search(one["error"])]
        assert told, f"{name} was not refused any more: {reads[-_SHOWN:]}"


def lasting(seen: Seen, most: float) -> None:
    """Who reads all the time got no error before, `most` then, for a while and not longer, and reads on after it."""
    for name, reads in seen.of("again").items():
        assert [one for one in reads if not one["error"] and one["ended"] < seen.struck], f"{name} did not read"
        failed = [one for one in reads if one["error"]]
        assert len(failed) <= most, f"{name}: {failed[:_SHOWN]}"
        outside = [one for one in failed if one["ended"] < seen.struck or _late(one, failed[0], seen)]
        assert not outside, f"{name}: {outside[:_SHOWN]}"
        on = [one for one in reads if not one["error"] and one["at"] > seen.returned]
        assert on, f"{name} does not read any more: {reads[-_SHOWN:]}"


def _late(one: Record, first: Record, seen: Seen) -> bool:
    """Whether it failed after all should have been well: those that did not fail at the beginning have as long."""
    late: bool = one["at"] > min(max(seen.struck + BACK, seen.returned + SETTLED), first["at"] + BACK)
    return late


def without(seen: Seen) -> dict[str, float]:
    """By protocol, for how many seconds somebody had to do without. Raises AssertionError where that was too long."""
    found = gaps(seen, "again")
    assert max(found.values()) < BACK, found
    return found


def gaps(seen: Seen, kind: str) -> dict[str, float]:
    """By protocol, the longest that one reader waited from one good read's end to the next one's."""
    return {
        way: round(max(_gap(reads, seen.struck) for reads in seen.of(kind).values() if reads[0]["way"] == way), 1)
        for way in WAYS
    }


def _gap(reads: Sequence[Record], since: float) -> float:
    """It begins with the last good read before that time, as nobody sees when a server dies whose clients wait; and who
    reads no more waits until the end of their reads."""
    good = [one["ended"] for one in reads if not one["error"]]
    first = max((one for one in good if one <= since), default=since)
    waited: list[float] = [first, *(one for one in good if one > since), max(one["ended"] for one in reads)]
    return max(after - before for before, after in pairwise(waited))


def held(seen: Seen) -> None:
    """Who was in the middle of a large file got all of it, or, by https, an error: root:// waits, and reads on."""
    found = seen.of("held")
    assert {one["way"] for reads in found.values() for one in reads} == set(WAYS)
    for name, (one,) in found.items():
        assert one["at"] < seen.struck < one["ended"], f"{name} was not reading: {one}"
        assert not (one["way"] == "root" and one["error"]), f"{name}: {one}"


def cold(seen: Seen, most: float) -> dict[str, float]:
    """Who reads what is not cached got errors, `most` of them, only while its origin was away, and reads on soon. By
    protocol, for how many seconds they had to do without."""
    for name, reads in seen.of("cold").items():
        failed = [one for one in reads if one["error"]]
        assert len(failed) <= most, f"{name}: {failed[:_SHOWN]}"
        outside = [one for one in failed if one["ended"] < seen.struck or one["at"] > seen.returned + COLD]
        assert not outside, f"{name}: {outside[:_SHOWN]}"
        on = [one["ended"] for one in reads if not one["error"] and one["ended"] > seen.returned]
        assert on, f"{name} does not read any more: {reads[-_SHOWN:]}"
        assert min(on) < seen.returned + BACK, f"{name} read on after {min(on) - seen.returned:.0f} s"
    return gaps(seen, "cold")


def as_fast(seen: Seen, slower: float) -> None:
    """What is cached took less than so many times as long as before, at the median."""
    for way in WAYS:
        mine = [reads for reads in seen.of("again").values() if reads[0]["way"] == way]
        # without each one's first round, which may have waited for the origin
        warm = [one for reads in mine for one in reads[len({one["path"] for one in reads}) :] if not one["error"]]
        before = median(_took(one) for one in warm if one["ended"] < seen.struck)
        during = median(_took(one) for one in warm if seen.struck < one["at"] < seen.returned)
        assert during < slower * before, f"by {way} {during:.2f} s, and {before:.2f} s before"


def _took(one: Record) -> float:
    took: float = one["ended"] - one["at"]
    return took


def told(reads: Sequence[Record]) -> str:
    """A line for each reader, for whoever looks for why a test failed."""
    return "\n".join(_line(name, some) for name, some in by_reader(reads).items())


def _line(name: str, reads: Sequence[Record]) -> str:
    failed = [one for one in reads if one["error"]]
    slowest = max(_took(one) for one in reads)
    first = f", first after {failed[0]['at'] - reads[0]['at']:.0f} s: {failed[0]['error']}" if failed else ""
    return f"{name}: {len(reads)} reads, slowest {slowest:.1f} s, {len(failed)} errors{first}"
