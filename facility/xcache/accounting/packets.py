"""XRootD's monitoring datagrams, as far as accounting needs them (XRootD 6.2, "System Monitoring Reference").

Two streams come: the f-stream (files that people open and close, with what they read; `user` and `token` records say
who they are), all numbers in network order; and the cache's own g-stream (what of a file came from where), in JSON
without a header (`nohdr`). What is cut short, or of a kind that is not looked at, gives nothing: datagrams are lost or
mangled at times, and accounts go on.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_HEADER = struct.Struct("!BBHi")  # code, sequence, length of all, when the server began
_DICTID = struct.Struct("!I")
_RECORD = struct.Struct("!bbh")  # type, flags, length of all
_OPEN = struct.Struct("!bbhIqI")  # ... file, its size, user
_CLOSE = struct.Struct("!bbhIqqq")  # ... file, bytes by read, by readv, written
_TIME = struct.Struct("!bbhhhiiq")  # the f-stream's first record

_IS_CLOSE, _IS_OPEN, _IS_TIME, _IS_DISCONNECT = 0, 1, 2, 4
_HAS_LFN = 0x01


@dataclass(frozen=True)
class Login:
    """Somebody has connected. `session`: the number by which later records name them, while the server runs."""

    server: int
    session: int
    protocol: str


@dataclass(frozen=True)
class Token:
    """Whose token a session has shown."""

    server: int
    session: int
    subject: str
    issuer: str


@dataclass(frozen=True)
class Opened:
    """A session has opened a file."""

    server: int
    file: int
    session: int
    path: str


@dataclass(frozen=True)
class Closed:
    """An open file has been closed after so many bytes were read from it."""

    server: int
    file: int
    read: int


@dataclass(frozen=True)
class Left:
    """A session has ended."""

    server: int
    session: int


@dataclass(frozen=True)
class Cached:
    """The cache lets go of a file that people have had open.

    Bytes: `hit` were read from disk, `missed` had to wait for the origin, `bypassed` were not kept, `fetched` came from
    the origin to be kept.
    """

    path: str
    hit: int
    missed: int
    bypassed: int
    fetched: int


Event = Login | Token | Opened | Closed | Left | Cached


def events(packet: bytes) -> Iterator[Event]:
    """What a datagram says, in its order."""
    if packet.startswith(b"{"):
        yield from _cached(packet)
        return
    if len(packet) < _HEADER.size:
        return
    code, _, length, server = _HEADER.unpack_from(packet)
    body = packet[_HEADER.size : length]
    if len(packet) < length:
        return
    match chr(code):
        case "u":
            yield from _login(server, body)
        case "T":
            yield from _token(server, body)
        case "f":
            yield from _files(server, body)


def _map(body: bytes) -> tuple[int, list[str]] | None:
    """Number and text of a map record, its lines apart."""
    if len(body) < _DICTID.size:
        return None
    text = body[_DICTID.size :].split(b"\0")[0].decode(errors="replace")
    return _DICTID.unpack_from(body)[0], text.split("\n")


def _fields(text: str) -> dict[str, str]:
    """`&key=value&key=value`."""
    return dict(part.split("=", 1) for part in text.split("&") if "=" in part)


def _login(server: int, body: bytes) -> Iterator[Login]:
    found = _map(body)
    if found:
        number, lines = found
        yield Login(server, number, lines[0].partition("/")[0])


def _token(server: int, body: bytes) -> Iterator[Token]:
    found = _map(body)
    values = _fields(found[1][-1]) if found else {}
    if values.get("Uc", "").isdigit():
        yield Token(server, int(values["Uc"]), values.get("s", ""), values.get("o", ""))


def _files(server: int, body: bytes) -> Iterator[Event]:
    at = 0
    while at + _RECORD.size <= len(body):
        kind, flags, length = _RECORD.unpack_from(body, at)
        record = body[at : at + length]
        if length < _RECORD.size or len(record) < length:
            return
        yield from _file(server, kind, flags, record)
        at += length


def _file(server: int, kind: int, flags: int, record: bytes) -> Iterator[Event]:
    if kind == _IS_OPEN and flags & _HAS_LFN and len(record) > _OPEN.size:
        *_, file, _, session = _OPEN.unpack_from(record)
        path = record[_OPEN.size :].split(b"\0")[0].decode(errors="replace")
        yield Opened(server, file, session, path)
    elif kind == _IS_CLOSE and len(record) >= _CLOSE.size:
        *_, file, read, vector, _ = _CLOSE.unpack_from(record)
        yield Closed(server, file, read + vector)
    elif kind == _IS_DISCONNECT and len(record) >= _RECORD.size + _DICTID.size:
        yield Left(server, _DICTID.unpack_from(record, _RECORD.size)[0])


def _cached(packet: bytes) -> Iterator[Cached]:
    for text in packet.replace(b"\n", b"\0").split(b"\0"):
        if record := _record(text):
            yield record


def _record(text: bytes) -> Cached | None:
    try:
        told = json.loads(text)
        amounts = [max(int(told[f"b_{name}"]), 0) for name in ("hit", "miss", "bypass", "todisk")]
        return Cached(str(told["lfn"]), *amounts) if told["event"] == "file_close" else None
    except (ValueError, TypeError, KeyError):
        return None
