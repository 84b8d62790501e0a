"""The sums as Prometheus reads them. Nothing in it is a token, or of one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from facility.xcache.accounting.book import Book
from facility.xcache.accounting.held import Held

_SERVED = (
    ("served_files", "Files that people have opened and closed.", "files"),
    ("served_bytes", "Bytes that people have read.", "bytes"),
)
_KEPT = (
    ("hit_bytes", "Bytes that reads found in the cache.", "hit"),
    ("missed_bytes", "Bytes for which reads waited for the origin.", "missed"),
    ("bypassed_bytes", "Bytes that came from the origin and were not kept.", "bypassed"),
    ("fetched_bytes", "Bytes that came from the origin to be kept, asked for or ahead of it.", "fetched"),
)
_ESCAPED = re.compile(r'[\\"\n]')


class Room(NamedTuple):
    """In bytes: what the cache may take, the size of the file system that it is on, and what is free of that."""

    limit: int
    volume: int
    free: int


def metrics(book: Book, vo: str, room: Room, held: Held | None = None) -> str:
    """All sums, how much room there is, and what is held, once XRootD has said it."""
    lines = (*_metrics(book, vo, room), *(_of_files(held, vo) if held else ()))
    return "".join(f"{line}\n" for line in lines)


def _metrics(book: Book, vo: str, room: Room) -> Iterator[str]:
    for name, text, field in _SERVED:
        yield from _family(name, text, "counter")
        for (subject, protocol), served in sorted(book.served.items()):
            labels = _labels(vo=vo, subject=subject, protocol=protocol)
            yield f"facility_cache_{name}_total{{{labels}}} {getattr(served, field)}"
    for name, text, field in _KEPT:
        yield from _family(name, text, "counter")
        for origin, kept in sorted(book.kept.items()):
            yield f"facility_cache_{name}_total{{{_labels(vo=vo, origin=origin)}}} {getattr(kept, field)}"
    for name, text, value in (
        ("limit_bytes", "Bytes that the cache may take.", room.limit),
        ("volume_size_bytes", "Size of the file system that it is on.", room.volume),
        ("volume_free_bytes", "What is free of that.", room.free),
    ):
        yield from _family(name, text, "gauge")
        yield f"facility_cache_{name}{{{_labels(vo=vo)}}} {value}"


def _of_files(held: Held, vo: str) -> Iterator[str]:
    yield from _family("files", "Files of which the cache holds something.", "gauge")
    yield f"facility_cache_files{{{_labels(vo=vo)}}} {held.files}"
    yield from _family("used_bytes", "Bytes of files that the cache holds, by directory.", "gauge")
    for path, size in sorted(held.folders.items()):
        yield f"facility_cache_used_bytes{{{_labels(vo=vo, path=path)}}} {size}"


def _family(name: str, text: str, kind: str) -> Iterator[str]:
    full = f"facility_cache_{name}" + ("_total" if kind == "counter" else "")
    yield f"# HELP {full} {text}"
    yield f"# TYPE {full} {kind}"


def _labels(**values: str) -> str:
    """A subject is whatever an issuer says: its signs must not end the label."""
    return ",".join(f'{name}="{_ESCAPED.sub(_escape, value[:255])}"' for name, value in values.items())


def _escape(sign: re.Match[str]) -> str:
    return {"\\": "\\\\", '"': '\\"', "\n": "\\n"}[sign[0]]
