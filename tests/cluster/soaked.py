"""What a soak's records come to: reads, refusals for staleness, other errors, tokens, by who read and in which way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from tests.cluster.kills import Kill

Record = dict[str, Any]
#: most failed reads that the summary shows
_SHOWN = 20


def summary(read: Mapping[str, Sequence[Record]], kills: Sequence[Kill], seconds: float) -> dict[str, Any]:
    """All of it as plain values. `read`: records by who read (`cms notebook`); `P3` is the number of stale reads."""
    everything = [record for records in read.values() for record in records]
    failed = [{"who": who} | one for who, records in read.items() for one in records if one["outcome"] != "ok"]
    return {
        "seconds": seconds,
        "P3": _count(everything, "stale"),
        "reads": len(everything),
        "other_errors": _count(everything, "other"),
        "readers": {who: reader(records) for who, records in read.items()},
        "kills": [asdict(kill) for kill in kills],
        "failed": [during(one, kills) for one in failed[:_SHOWN]],
    }


def reader(records: Sequence[Record]) -> dict[str, Any]:
    """One reader's figures, and those of each way to read."""
    ways = dict.fromkeys(record["way"] for record in records)
    return figures(records) | {"ways": {way: figures([r for r in records if r["way"] == way]) for way in ways}}


def figures(records: Sequence[Record]) -> dict[str, Any]:
    """Counts; `least_left`: seconds of life of the oldest token read with; `longest_gap` and `slowest` in seconds."""
    begun = sorted(record["at"] for record in records)
    return {
        "reads": len(records),
        "stale": _count(records, "stale"),
        "other_errors": _count(records, "other"),
        "tokens": len({record["token"] for record in records if record["token"]}),
        "least_left": min((record["left"] for record in records), default=0.0),
        "slowest": max((record["took"] for record in records), default=0.0),
        "longest_gap": round(max((after - before for before, after in pairwise(begun)), default=0.0), 1),
    }


def during(record: Record, kills: Sequence[Kill]) -> Record:
    """A failed read with what had been ended last before it: where to begin to look."""
    before = [kill for kill in kills if kill.at <= record["at"]]
    if not before:
        return record
    last = before[-1]
    when = f"{record['at'] - last.at:.0f} s after {last.part} was ended, which was back after {last.back_after:.0f} s"
    return record | {"when": when}


def _count(records: Sequence[Record], outcome: str) -> int:
    return sum(record["outcome"] == outcome for record in records)
