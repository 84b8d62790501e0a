"""What XRootD tells of reads becomes sums by person and by origin, whatever else comes on that port."""

from __future__ import annotations

import json
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facility.telling import Server
from facility.xcache.accounting.book import MOST, UNKNOWN, Book
from facility.xcache.accounting.main import Teller
from facility.xcache.accounting.packets import events
from facility.xcache.accounting.texts import Room, metrics

BEGAN = 1_800_000_000
CMS, ESCAPE = "https://dcache.test:2880", "root://eos.test:1094"
FILE = "/cms/open/a.root"


def packet(code: str, body: bytes, began: int = BEGAN) -> bytes:
    """A datagram (XrdXrootdMonHeader)."""
    return struct.pack("!BBHi", ord(code), 7, 8 + len(body), began) + body


def mapped(code: str, number: int, text: str) -> bytes:
    return packet(code, struct.pack("!I", number) + text.encode())


def login(session: int, protocol: str = "xroot") -> bytes:
    return mapped("u", session, f"{protocol}/u.1:22@host\n&p=ztn&n=cms&h=[::1]&o=&r=&g=&m=&I=4")


def token(session: int, subject: str) -> bytes:
    text = f"{session + 100}"
    return mapped("T", int(text), f"xroot/u.1:22@host\n&Uc={session}&s={subject}&n=cms&o=https://iam.test/&r=&g=")


def files(*records: bytes) -> bytes:
    """A datagram of the f-stream, which begins with a record of its time."""
    time = struct.pack("!bbhhhiiq", 2, 1, 24, 0, len(records), BEGAN, BEGAN + 5, 1)
    return packet("f", time + b"".join(records))


def opened(file: int, session: int, path: str = FILE) -> bytes:
    text = path.encode() + b"\0" * (8 - len(path) % 8)
    return struct.pack("!bbhIqI", 1, 1, 20 + len(text), file, 1000, session) + text


def closed(file: int, read: int, vector: int = 0) -> bytes:
    return struct.pack("!bbhIqqq", 0, 0, 32, file, read, vector, 0)


def left(session: int) -> bytes:
    return struct.pack("!bbhI", 4, 0, 8, session)


def cached(path: str = FILE, event: str = "file_close", **amounts: int) -> bytes:
    told = {"event": event, "lfn": path, "size": 9} | {f"b_{name}": amount for name, amount in amounts.items()}
    return json.dumps(told).encode() + b"\0"


def book(*packets: bytes) -> Book:
    """What is counted of these datagrams."""
    made = Book(lambda path: CMS if path.startswith("/cms/") else ESCAPE if path.startswith("/escape/") else "")
    for one in packets:
        made.note(events(one))
    return made


def served(found: Book) -> dict[tuple[str, str], tuple[int, int]]:
    return {who: (one.files, one.bytes) for who, one in found.served.items()}


def test_what_a_person_reads_is_counted_by_their_tokens_subject() -> None:
    found = book(login(1), token(1, "alice"), files(opened(5, 1), closed(5, 700, 300)))
    assert served(found) == {("alice", "xroot"): (1, 1000)}


def test_a_token_may_be_told_of_after_the_file_was_opened() -> None:
    found = book(login(1, "https"), files(opened(5, 1)), token(1, "alice"), files(closed(5, 10)))
    assert served(found) == {("alice", "https"): (1, 10)}


def test_people_of_one_file_are_two_and_one_session_is_one() -> None:
    found = book(
        login(1), token(1, "alice"), login(2), token(2, "carol"),
        files(opened(5, 1), opened(6, 2), closed(6, 10), closed(5, 20), opened(7, 1), closed(7, 30)),
    )  # fmt: skip
    assert served(found) == {("alice", "xroot"): (2, 50), ("carol", "xroot"): (1, 10)}


def test_numbers_begin_anew_with_the_server() -> None:
    again = struct.pack("!BBHi", ord("f"), 1, 8 + 24 + 32, BEGAN + 99) + files()[8:] + closed(5, 10)
    found = book(login(1), token(1, "alice"), files(opened(5, 1)), again)
    assert served(found) == {(UNKNOWN, UNKNOWN): (1, 10)}


def test_what_is_read_after_records_were_lost_is_somebodys_unknown() -> None:
    assert served(book(files(closed(5, 10)))) == {(UNKNOWN, UNKNOWN): (1, 10)}
    assert served(book(files(opened(5, 1), closed(5, 10)))) == {(UNKNOWN, UNKNOWN): (1, 10)}


def test_a_session_that_has_left_is_forgotten() -> None:
    found = book(login(1), token(1, "alice"), files(left(1)), files(opened(5, 1), closed(5, 10)))
    assert served(found) == {(UNKNOWN, UNKNOWN): (1, 10)}


def test_what_came_from_where_is_counted_by_origin() -> None:
    found = book(
        cached(hit=1, miss=2, bypass=3, todisk=4), cached(hit=10, miss=0, bypass=0, todisk=0),
        cached("/escape/x", hit=5, miss=0, bypass=0, todisk=6), cached("/gone/x", hit=7, miss=0, bypass=0, todisk=0),
    )  # fmt: skip
    sums = {origin: (one.hit, one.missed, one.bypassed, one.fetched) for origin, one in found.kept.items()}
    assert sums == {CMS: (11, 2, 3, 4), ESCAPE: (5, 0, 0, 6), UNKNOWN: (7, 0, 0, 0)}


def test_other_streams_and_other_events_are_let_by() -> None:
    found = book(packet("=", b"\0\0\0\0&pgm=xrootd"), cached(event="file_purge", hit=1, miss=1, bypass=1, todisk=1))
    assert (found.served, found.kept) == ({}, {})


@pytest.mark.parametrize("whole", [login(1), token(1, "a"), files(opened(5, 1), closed(5, 1)), cached(hit=1)])
def test_a_datagram_that_was_cut_counts_for_nothing(whole: bytes) -> None:
    for length in range(len(whole) - 1):
        assert list(events(whole[:length])) == []


@given(st.sampled_from("uTfg"), st.binary(max_size=200))
def test_no_datagram_ends_the_accounts(code: str, body: bytes) -> None:
    book(packet(code, body), body)


def test_the_oldest_sessions_are_forgotten_where_their_ends_are_lost() -> None:
    known = (one for number in range(1, MOST + 2) for one in (login(number), token(number, "alice")))
    found = book(*known, files(opened(5, 1), opened(6, MOST + 1), closed(5, 10), closed(6, 20)))
    assert served(found) == {(UNKNOWN, UNKNOWN): (1, 10), ("alice", "xroot"): (1, 20)}


def test_a_subject_cannot_end_its_label() -> None:
    found = book(login(1), token(1, 'a"} 9\\'), files(opened(5, 1), closed(5, 10)))
    text = metrics(found, "cms", Room(100, 1000, 500))
    assert 'facility_cache_served_bytes_total{vo="cms",subject="a\\"} 9\\\\",protocol="xroot"} 10\n' in text
    assert 'facility_cache_limit_bytes{vo="cms"} 100\n' in text
    assert 'facility_cache_volume_free_bytes{vo="cms"} 500\n' in text


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    lakes = tmp_path / "lakes"
    lakes.write_text(f"/cms {CMS}\n/escape {ESCAPE}\n")
    teller = Teller("cms", 1000, tmp_path, tmp_path)
    teller.note(cached(hit=3, miss=0, bypass=0, todisk=0))
    server = Server(teller.told, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_metrics_are_told_and_nothing_else(address: str) -> None:
    with urllib.request.urlopen(f"{address}/metrics") as answer:
        assert f'facility_cache_hit_bytes_total{{vo="cms",origin="{CMS}"}} 3\n' in answer.read().decode()
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{address}/other")
