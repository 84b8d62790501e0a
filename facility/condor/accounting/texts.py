"""The sums as others read them: Prometheus' text format, and a file a day with the fields of APEL's summaries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from facility import names
from facility.condor.accounting.ledger import Key, Usage

_FAMILIES = (
    ("runs", "Runs of jobs that have ended, evicted ones too.", "runs"),
    ("wall_seconds", "Seconds for which jobs ran.", "wall"),
    ("core_seconds", "Seconds for which jobs ran, times the cores that they had.", "core"),
    ("cpu_seconds", "Seconds of CPU that jobs took.", "cpu"),
    ("memory_mebibyte_seconds", "Seconds for which jobs ran, times the most memory that they took.", "memory"),
)
_ENDS = (("completed", "completed"), ("removed", "removed"))


def metrics(totals: Mapping[str, Usage], looked: float, well: bool) -> str:
    """All sums by VO and person. looked: when records were last read, since the epoch; well: whether that worked."""
    return "".join(f"{line}\n" for line in _metrics(totals, looked, well))


def volume(size: int, free: int) -> str:
    """How much room queue, records, and the files of jobs have. In bytes."""
    told = (("size", "Size of the access point's volume.", size), ("free", "What is free of it.", free))
    return "".join(f"{line}\n" for one in told for line in _bytes(*one))


def _bytes(name: str, text: str, value: int) -> Iterator[str]:
    yield from _family(f"facility_batch_volume_{name}_bytes", text, "gauge")
    yield f"facility_batch_volume_{name}_bytes {value}"


def _metrics(totals: Mapping[str, Usage], looked: float, well: bool) -> Iterator[str]:
    for name, text, field in _FAMILIES:
        yield from _family(f"facility_batch_{name}_total", text, "counter")
        for owner, usage in sorted(totals.items()):
            yield f"facility_batch_{name}_total{{{_labels(owner)}}} {getattr(usage, field):.10g}"
    yield from _family("facility_batch_jobs_total", "Jobs that have left the queue, by how.", "counter")
    for owner, usage in sorted(totals.items()):
        for how, field in _ENDS:
            yield f'facility_batch_jobs_total{{{_labels(owner)},end="{how}"}} {getattr(usage, field)}'
    yield from _family("facility_batch_accounted_timestamp_seconds", "When records were last read.", "gauge")
    yield f"facility_batch_accounted_timestamp_seconds {looked:.0f}"
    yield from _family("facility_batch_accounting_up", "1 while records can be read and kept.", "gauge")
    yield f"facility_batch_accounting_up {int(well)}"


def _family(name: str, text: str, kind: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _labels(owner: str) -> str:
    vo, person = names.split_owner(owner)  # both are of letters, digits and hyphens only
    return f'vo="{vo}",user="{person}"'


def daily(day: str, entries: Mapping[Key, Usage], site: str, submit_host: str) -> str:
    """One block for each person and number of cores. Durations in seconds, MemoryReal in KiB, times since the epoch."""
    return "".join(_block(day, key, usage, site, submit_host) for key, usage in sorted(entries.items()))


def _block(day: str, key: Key, usage: Usage, site: str, submit_host: str) -> str:
    vo, person = names.split_owner(key.owner)
    values = {
        "Site": site,
        "Day": day,
        "SubmitHost": submit_host,
        "VO": vo,
        "LocalUserId": key.owner,
        "User": person,
        "Processors": key.cores,
        "NodeCount": 1,
        "EarliestEndTime": int(usage.first),
        "LatestEndTime": int(usage.last),
        "WallDuration": round(usage.wall),
        "CpuDuration": round(usage.cpu),
        "MemoryReal": usage.largest * 1024,
        "NumberOfJobs": usage.completed + usage.removed,
        "NumberOfRuns": usage.runs,
    }
    return "".join(f"{name}: {value}\n" for name, value in values.items()) + "%%\n"
